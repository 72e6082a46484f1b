package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// tmpfs is a small filesystem.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	need.Root(t)
	dir := t.TempDir()
	if err := syscall.Mount("coppice-test", dir, "tmpfs", 0, options); err != nil {
		need.Missing(t, "root", fmt.Sprintf("cannot mount a tmpfs: %v", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func readOnly(t *testing.T, dir string, on uintptr) {
	t.Helper()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|on, ""); err != nil {
		t.Fatal(err)
	}
}

func TestFallsBack(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second := t.TempDir()
	w, told := record(t, Options{Dirs: []string{blocked, filepath.Join(blocked, "x"), second}}, scenario("r1")...)
	if w.Dir() != second || w.Err() == nil || len(*told) != 1 ||
		!strings.Contains((*told)[0], second) || !strings.Contains((*told)[0], blocked) {
		t.Errorf("in %q, told %q, %v", w.Dir(), *told, w.Err())
	}
	w.Close()
	if r := read(t, second, "r1"); r.Status != engine.Succeeded {
		t.Error(r.Status)
	}
	for _, dirs := range [][]string{nil, {blocked}} {
		w, told := record(t, Options{Dirs: dirs}, scenario("r1")...)
		if w.Dir() != "" || len(*told) != 1 || !strings.Contains((*told)[0], "not recorded") {
			t.Errorf("in %q, told %q", w.Dir(), *told)
		}
	}
	Open(Options{Dirs: []string{blocked}}).Close() // nobody to warn
}

func TestFoldersThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "runs")); err != nil {
		t.Fatal(err)
	}
	_, told := record(t, Options{Dirs: []string{dir}}, scenario("r1")...)
	if len(*told) != 1 || !strings.Contains((*told)[0], "not a folder") {
		t.Errorf("told %q", *told)
	}
	if _, err := List([]string{dir}); err == nil {
		t.Error("a link is listed")
	}
	open := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(open, "runs"), 0o700), os.Chmod(filepath.Join(open, "runs"), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := prepare(open); err != nil {
		t.Error(err)
	}
	if info, _ := os.Stat(filepath.Join(open, "runs")); info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(open, "runs"), 1234, 1234); err != nil {
			t.Fatal(err)
		}
		if err := prepare(open); err == nil {
			t.Error("somebody else's folder is taken")
		}
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir, second := tmpfs(t, "size=1m"), t.TempDir()
	readOnly(t, dir, syscall.MS_RDONLY)
	w, told := record(t, Options{Dirs: []string{dir, second}}, scenario("r1")...)
	if w.Dir() != second || len(*told) != 1 || !strings.Contains((*told)[0], "read-only") {
		t.Errorf("in %q, told %q", w.Dir(), *told)
	}
	if list, err := List([]string{dir}); err != nil || len(list.Runs) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
	// Also when the folder is there already.
	readOnly(t, dir, 0)
	w, _ = record(t, Options{Dirs: []string{dir}}, scenario("r2")...)
	w.Close()
	readOnly(t, dir, syscall.MS_RDONLY)
	if w := Open(Options{Dirs: []string{dir, second}}); w.Dir() != second {
		t.Errorf("in %q", w.Dir())
	}
	if r := read(t, dir, "r2"); r.Status != engine.Succeeded {
		t.Error(r.Status)
	}
}

// fill leaves no block of a filesystem free.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	many := func(w *Recorder, from, to int) {
		for i := from; i < to; i++ {
			s := ref(fmt.Sprintf("s%d", i), "write")
			w.Emit(engine.StepStarted{Step: s})
			w.Emit(engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: engine.OK}})
		}
	}
	t.Run("from the start", func(t *testing.T) {
		dir, second := tmpfs(t, "size=64k"), t.TempDir()
		fill(t, dir)
		w, told := record(t, Options{Dirs: []string{dir, second}}, scenario("r1")...)
		if w.Dir() != second || len(*told) != 1 || !strings.Contains((*told)[0], "no space") {
			t.Errorf("in %q, told %q", w.Dir(), *told)
		}
		if names, _ := namesIn(dir); len(names) > 0 {
			t.Errorf("left behind: %q", names)
		}
	})
	t.Run("in the middle", func(t *testing.T) {
		dir := tmpfs(t, "size=64k")
		w, told := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant))
		fill(t, dir)
		many(w, 0, 200)
		w.Emit(ended("r1", engine.Succeeded))
		w.Close()
		if len(*told) != 1 || !strings.Contains((*told)[0], "no space") {
			t.Errorf("told %q", *told)
		}
		r := read(t, dir, "r1")
		if r.Status != Interrupted || len(r.Problems) > 0 || len(r.Steps) == 0 || len(r.Steps) > 100 {
			t.Errorf("%s, %d steps, %q", r.Status, len(r.Steps), r.Problems)
		}
	})
	t.Run("and free again", func(t *testing.T) {
		dir := tmpfs(t, "size=64k")
		w, told := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant))
		free := fill(t, dir)
		many(w, 0, 100)
		free() // a prune step has done its work
		many(w, 100, 110)
		w.Emit(ended("r1", engine.Succeeded))
		w.Close()
		if len(*told) != 1 {
			t.Errorf("told %q", *told)
		}
		r := read(t, dir, "r1")
		if r.Status != engine.Succeeded || len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0], "to 222 are damaged or missing") {
			t.Errorf("%s, %d steps, %q", r.Status, len(r.Steps), r.Problems)
		}
		if list, _ := List([]string{dir}); len(list.Runs) != 1 || list.Runs[0].Status != engine.Succeeded {
			t.Errorf("%+v", list)
		}
	})
}

// TestMain lets the test binary be the process that TestKilled kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("COPPICE_TEST_WRITER"); dir != "" {
		write(dir)
	}
	os.Exit(m.Run())
}

// write writes a record that has no end, and waits.
func write(dir string) {
	w := Open(Options{Dirs: []string{dir}})
	events := scenario("r1")
	for _, e := range events[:9] {
		w.Emit(e)
	}
	fmt.Println("ready")
	if os.Getenv("COPPICE_TEST_WRITES") != "" {
		for i := 0; ; i++ {
			s := ref(fmt.Sprintf("s%d", i), "read")
			w.Emit(engine.StepStarted{Step: s})
			w.Emit(engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: engine.OK, Outputs: json.RawMessage(`{"n":1}`)}})
		}
	}
	select {}
}

// writer starts a process that writes, and returns when it stands where it waits.
func writer(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(append(os.Environ(), "COPPICE_TEST_WRITER="+dir), env...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKilled(t *testing.T) {
	dir := t.TempDir()
	c := writer(t, dir)
	status := func() engine.RunStatus {
		list, err := List([]string{dir})
		if err != nil || len(list.Runs) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		if r := read(t, dir, "r1"); r.Status != list.Runs[0].Status {
			t.Errorf("listed %s, read %s", list.Runs[0].Status, r.Status)
		}
		return list.Runs[0].Status
	}
	if s := status(); s != Running {
		t.Errorf("while it lives: %s", s)
	}
	if gone, err := Prune([]string{dir}, 0, 0, time.Now().Add(1e6*time.Hour)); len(gone) > 0 || err != nil {
		t.Errorf("pruned %q, %v", gone, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if s := status(); s != Interrupted {
		t.Errorf("after it was killed: %s", s)
	}
	r := read(t, dir, "r1")
	if r.Changes.Create != 1 || len(r.Problems) > 0 || len(well(r)) != 1 || r.PID != c.Process.Pid {
		t.Errorf("%+v", r)
	}
}

// TestKilledWhileWriting: whatever a writer was at, its record is whole but for the end.
func TestKilledWhileWriting(t *testing.T) {
	for i := range 10 {
		dir := t.TempDir()
		c := writer(t, dir, "COPPICE_TEST_WRITES=1")
		time.Sleep(time.Duration(i) * 300 * time.Microsecond)
		_ = c.Process.Kill()
		_ = c.Wait()
		if r := read(t, dir, "r1"); r.Status != Interrupted || len(r.Problems) > 0 {
			t.Errorf("%s, %q", r.Status, r.Problems)
		}
	}
}

func TestPrune(t *testing.T) {
	day := 24 * time.Hour
	now := instant.Add(100 * day)
	type run struct {
		id, playbook string
		age          time.Duration
		status       engine.RunStatus // Interrupted: no end
	}
	history := []run{
		{"n1", "often", day, engine.RunFailed},
		{"n2", "often", 2 * day, Interrupted},
		{"o1", "often", 40 * day, engine.RunFailed},
		{"o2", "often", 41 * day, engine.Succeeded},
		{"o3", "often", 42 * day, engine.Succeeded},
		{"o4", "often", 43 * day, Interrupted},
		{"r1", "rare", 80 * day, engine.RunCancelled},
		{"r2", "rare", 81 * day, engine.Succeeded},
		{"r3", "rare", 82 * day, engine.RunTimedOut},
		{"live", "rare", 90 * day, Running},
	}
	for name, c := range map[string]struct {
		age   time.Duration
		count int
		now   time.Time
		gone  string
	}{
		"both":               {30 * day, 2, now, "o1 o3 o4 r3"}, // o2 and r2: the last that succeeded
		"count keeps more":   {30 * day, 5, now, "o4 r3"},
		"age keeps more":     {60 * day, 2, now, "r3"},
		"all young":          {95 * day, 0, now, ""},
		"all few":            {0, 100, now, ""},
		"none kept by rules": {0, 0, now, "n2 o1 o3 o4 r3"},
		"a clock behind":     {0, 0, instant.Add(-200 * day), ""},
	} {
		dir := t.TempDir()
		for _, h := range history {
			at := now.Add(-h.age)
			events := []engine.Event{started(h.id, h.playbook, at)}
			if h.status != Interrupted && h.status != Running {
				events = append(events, ended(h.id, h.status))
			}
			w, _ := record(t, Options{Dirs: []string{dir}}, events...)
			if h.status != Running {
				w.Close()
			}
			if err := os.Chtimes(file(dir, h.id), at, at); err != nil {
				t.Fatal(err)
			}
		}
		gone, err := Prune([]string{dir}, c.age, c.count, c.now)
		slices.Sort(gone)
		if got := strings.Join(gone, " "); got != c.gone || err != nil {
			t.Errorf("%s: %q, want %q, %v", name, got, c.gone, err)
		}
		list, _ := List([]string{dir})
		if len(list.Runs)+len(gone) != len(history) {
			t.Errorf("%s: %d left, %d pruned", name, len(list.Runs), len(gone))
		}
	}
}

func TestNewestFirst(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for i, dir := range []string{first, second, first} {
		w, _ := record(t, Options{Dirs: []string{dir}}, started(fmt.Sprintf("r%d", i), "p", instant.Add(time.Duration(i)*time.Hour)))
		w.Close()
	}
	w, _ := record(t, Options{Dirs: []string{second}}, started("r2", "imported", instant))
	w.Close()
	list, err := List([]string{first, second, filepath.Join(first, "none")})
	var got []string
	for _, s := range list.Runs {
		got = append(got, s.Run+"/"+s.Playbook)
	}
	if text := strings.Join(got, " "); text != "r2/p r1/p r0/p" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

// TestTenThousandSteps: neither writing nor listing needs more memory for a long record, and reading it not much.
func TestTenThousandSteps(t *testing.T) {
	dir := t.TempDir()
	w := Open(Options{Dirs: []string{dir}})
	start := started("r1", "p", instant)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	w.Emit(start)
	for i := range 10_000 {
		s := item("work", i)
		s.Effect = "read" // a disk that syncs 20,000 times is not what is tested
		w.Emit(engine.StepStarted{Step: s})
		w.Emit(engine.ChangeMade{Step: s, Change: sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Name: "x"}}})
		w.Emit(engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: engine.Changed, Outputs: json.RawMessage(`{"n":12345}`)}})
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("writing: %d bytes more", grown)
	}
	before = heap()
	list, err := List([]string{dir})
	if grown := heap() - before; err != nil || grown > 1<<20 || list.Runs[0].Changes.Update != 10_000 || list.Runs[0].Status != Running {
		t.Errorf("listing: %d bytes more, %+v, %v", grown, list, err)
	}
	w.Close()
	before = heap()
	r := read(t, dir, "r1")
	if grown := heap() - before; grown > 16<<20 || len(r.Steps) != 10_000 {
		t.Errorf("reading: %d bytes more, %d steps", grown, len(r.Steps))
	} else {
		t.Logf("reading: %d bytes", grown)
	}
	runtime.KeepAlive(r)
}

func TestEmitFromMany(t *testing.T) {
	dir := t.TempDir()
	w := Open(Options{Dirs: []string{dir}})
	done := make(chan bool)
	w.Emit(started("r1", "p", instant))
	for range 4 {
		go func() {
			for range 50 {
				w.Emit(engine.StepLog{Plugin: "p", Level: "warn", Message: "x"})
				_ = w.Dir()
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	w.Emit(ended("r1", engine.Succeeded))
	w.Close()
	if r := read(t, dir, "r1"); len(r.Logs) != 200 || len(r.Problems) > 0 {
		t.Errorf("%d lines, %q", len(r.Logs), r.Problems)
	}
}

// Records that had to be written elsewhere come home: those that belong there, and of runs that are over.
func TestMove(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, run := range []struct{ id, home string }{{"r1", "fs"}, {"r2", ""}, {"r3", "fs"}} {
		w, _ := record(t, Options{Dirs: []string{from}, Home: run.home}, scenario(run.id)...)
		w.Close()
	}
	living, _ := record(t, Options{Dirs: []string{from}, Home: "fs"}, started("r4", "p", instant))
	defer living.Close()
	put(t, to, "r3", []byte("somebody else's"))
	before, err := os.ReadFile(file(from, "r1"))
	if err != nil {
		t.Fatal(err)
	}
	moved, err := Move(from, to, "fs")
	if err == nil || !strings.Contains(err.Error(), "r3.jsonl is another one") || strings.Join(moved, " ") != "r1" {
		t.Errorf("moved %q, %v", moved, err)
	}
	if after, err := os.ReadFile(file(to, "r1")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("r1 is not what it was: %v", err)
	}
	if there, err := os.ReadFile(file(to, "r3")); err != nil || string(there) != "somebody else's" {
		t.Errorf("r3 was replaced: %q, %v", there, err)
	}
	left, err := namesIn(from)
	if err != nil || strings.Join(left, " ") != "r2.jsonl r3.jsonl r4.jsonl" {
		t.Errorf("left: %q, %v", left, err)
	}
	if names, _ := namesIn(to); strings.Join(names, " ") != "r1.jsonl r3.jsonl" {
		t.Errorf("there: %q", names)
	}
	if _, err := Move(filepath.Join(from, "none"), filepath.Join(to, "none"), ""); err != nil {
		t.Errorf("nothing to move: %v", err)
	}
}
