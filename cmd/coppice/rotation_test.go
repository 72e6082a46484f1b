package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk"
)

// planned is what these tests read of a plan's or a run's JSON.
type planned struct {
	Step struct {
		ID string `json:"id"`
	} `json:"step"`
	Planned struct {
		Changes []sdk.Change `json:"changes"`
	} `json:"planned"`
	Made    []sdk.Change    `json:"made"`
	Outputs json.RawMessage `json:"outputs"`
}

// planOf is the JSON plan, and its changes as "kind name uuid".
func planOf(t *testing.T, args ...string) []string {
	t.Helper()
	var doc struct {
		Steps []planned `json:"steps"`
	}
	out := must(t, append([]string{"plan", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range doc.Steps {
		all = append(all, lines(s.Planned.Changes)...)
	}
	return all
}

func lines(changes []sdk.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, string(c.Kind)+" "+c.Resource.Name+" "+c.Resource.ID)
	}
	return all
}

// runOf runs, and returns the changes that were made and the output of the step.
func runOf(t *testing.T, step string, args ...string) (made []string, outputs json.RawMessage) {
	t.Helper()
	out := must(t, append([]string{"run", "--json"}, args...)...)
	for line := range strings.Lines(out) {
		var e struct {
			Type string `json:"type"`
			planned
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "step_finished" {
			made = append(made, lines(e.Made)...)
			if e.Step.ID == step {
				outputs = e.Outputs
			}
		}
	}
	return made, outputs
}

var critical = []string{"root", "persist", "services", "caddy"}

// TestRotationOf1000 is the main job at its full size: 4 × 250 snapshots, a
// count-based policy that the new ones push old ones out of.
func TestRotationOf1000(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 2 << 30})
	ctx := context.Background()
	if err := history.Create(ctx, fs, history.Layout); err != nil {
		t.Fatal(err)
	}
	if err := history.Take(ctx, fs, critical, history.Every(6*time.Hour, 250, time.Now().Add(-5*time.Hour))); err != nil {
		t.Fatal(err)
	}
	before := snapshots(t, fs.Mount)
	if len(before) != 1000 {
		t.Fatalf("%d snapshots to begin with", len(before))
	}
	args := []string{"snapshot-rotation", "-i", "filesystem=" + fs.Mount, "-i", "clock=rtc", "-i", "retention=1h", "-i", "last=200"}
	digest := digestOf(t, fs)
	plan := planOf(t, args...)
	if got := digestOf(t, fs); got != digest {
		t.Error("the preview has left a trace on the filesystem")
	}
	made, outputs := runOf(t, "take", args...)

	// The names of the new snapshots carry the instant of the run, which is not that
	// of the plan: all else is equal.
	isNew := func(c string) bool { return strings.HasPrefix(c, "create ") }
	planDeletes, runDeletes := slices.DeleteFunc(slices.Clone(plan), isNew), slices.DeleteFunc(slices.Clone(made), isNew)
	if len(planDeletes) != 4*(250+1-200) {
		t.Errorf("%d deletions planned", len(planDeletes))
	}
	if !slices.Equal(planDeletes, runDeletes) {
		t.Errorf("planned:\n%s\nmade:\n%s", strings.Join(planDeletes, "\n"), strings.Join(runDeletes, "\n"))
	}
	var taken struct {
		Atomic    bool `json:"atomic"`
		Snapshots []struct {
			Path        string `json:"path"`
			Transaction int64  `json:"transaction"`
		} `json:"snapshots"`
	}
	if err := json.Unmarshal(outputs, &taken); err != nil {
		t.Fatal(err)
	}
	if len(taken.Snapshots) != 4 {
		t.Fatalf("taken: %+v", taken)
	}
	// On a busy machine they may not get into one transaction; then it says so.
	differs := func(s int) bool { return taken.Snapshots[s].Transaction != taken.Snapshots[0].Transaction }
	if one := !differs(1) && !differs(2) && !differs(3); one != taken.Atomic {
		t.Errorf("they are said to be of one transaction, or not, and it is not so: %+v", taken)
	}
	// What btrfs says is what the plan said.
	want := slices.Clone(before)
	for _, d := range planDeletes {
		path := strings.Fields(d)[1]
		want = slices.DeleteFunc(want, func(p string) bool { return p == path })
	}
	for _, s := range taken.Snapshots {
		want = append(want, s.Path)
	}
	after := snapshots(t, fs.Mount)
	slices.Sort(want)
	slices.Sort(after)
	if !slices.Equal(after, want) {
		t.Errorf("btrfs lists %d snapshots, want %d", len(after), len(want))
	}

	// Again, right behind it: a new group, one old one out of each source.
	made, _ = runOf(t, "take", args...)
	if len(made) != 8 {
		t.Errorf("the second run: %s", strings.Join(made, "\n"))
	}
}

// digestOf tells whether anything on the filesystem has changed: the generation
// of the superblock moves with every transaction.
func digestOf(t *testing.T, fs *loopfs.Filesystem) string {
	t.Helper()
	// The kernel's cleaner writes too, some time after a deletion, or when it is woken.
	top, err := kernel.Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	for looks := 0; looks < 40; looks++ { // one that is mounted stays
		if err := top.Sync(); err != nil {
			t.Fatal(err)
		}
		if left, err := top.Orphans(); err != nil {
			t.Fatal(err)
		} else if len(left) == 0 {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if err := top.Sync(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("btrfs", "inspect-internal", "dump-super", fs.Loop[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "generation") {
			return line
		}
	}
	t.Fatal("dump-super prints no generation")
	return ""
}

func TestStrangeNames(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	names := []string{"with space", "new\nline", "käse-ü", "-dash", "quote'\"$x"}
	if err := history.Create(context.Background(), fs, append(names, "snapshots")); err != nil {
		t.Fatal(err)
	}
	inputs := filepath.Join(t.TempDir(), "inputs.yaml")
	list, _ := json.Marshal(names)
	if err := os.WriteFile(inputs, []byte("subvolumes: "+string(list)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What is no snapshot of ours, among the snapshots.
	foreign := fs.Path("snapshots", "with space")
	for _, dir := range []string{foreign, filepath.Join(foreign, "plain\x1bfolder")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(foreign, "20200101T000000.000Z")); err != nil {
		t.Fatal(err)
	}
	args := []string{"snapshot-rotation", "-i", "filesystem=" + fs.Mount, "--inputs", inputs, "-i", "clock=rtc", "-i", "retention=1h", "-i", "last=1"}
	for range 3 {
		code, out, errs := coppice(t, nil, append([]string{"run"}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
		if strings.Contains(out, "new\nline") || strings.ContainsRune(out+errs, '\x1b') {
			t.Errorf("a name reaches the terminal as it is:\n%q", out)
		}
		if !strings.Contains(errs, `plain\x1bfolder`) || !strings.Contains(errs, "20200101T000000.000Z") {
			t.Errorf("no warning about what is not ours:\n%s", errs)
		}
	}
	for _, name := range names {
		entries, err := os.ReadDir(fs.Path("snapshots", name))
		if err != nil {
			t.Fatal(err)
		}
		want := 3 // all within retention
		if name == "with space" {
			want += 2
		}
		if len(entries) != want {
			t.Errorf("%q has %d entries, want %d", name, len(entries), want)
		}
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Error("something was done behind the symlink")
	}
}

// A reader that goes away does not stop a run in the middle.
func TestClosedPipe(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	if err := history.Create(context.Background(), fs, append(critical, "snapshots")); err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: raced, Args: []string{"coppice", "run", "snapshot-rotation", "-i", "filesystem=" + fs.Mount}}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = w, w
	r.Close()
	if err := c.Run(); err != nil {
		t.Errorf("the run ended with %v", err)
	}
	w.Close()
	if n := len(snapshots(t, fs.Mount)); n != 4 {
		t.Errorf("%d snapshots were taken", n)
	}
}

// SIGTERM before the steps that change something: the always-section runs, the
// exit code is 143, and no process is left.
func TestSigterm(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	if err := history.Create(context.Background(), fs, append(critical, "snapshots")); err != nil {
		t.Fatal(err)
	}
	playbook := filepath.Join(t.TempDir(), "many.yaml")
	text := "version: 1\nname: many\nsteps:\n  - id: look\n    for_each: " + "[" + strings.Repeat("1, ", 4000) + "1]\n" +
		"    uses: btrfs.list\n    with: {filesystem: " + fs.Mount + "}\n" +
		"  - {id: take, uses: btrfs.snapshot, with: {filesystem: " + fs.Mount + ", sources: [root]}}\n" +
		"always:\n  - {id: last, uses: btrfs.usage, with: {filesystem: " + fs.Mount + "}}\n"
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: raced, Args: []string{"coppice", "run", playbook}}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	var all []string
	for scanner.Scan() {
		all = append(all, scanner.Text())
		if len(all) == 5 {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
	}
	err = c.Wait()
	if c.ProcessState.ExitCode() != 143 {
		t.Errorf("ended with %v", err)
	}
	text = strings.Join(all, "\n")
	for _, want := range []string{"step take: not reached: the run was stopped on request", "step last: ok", "cancelled"} {
		if !strings.Contains(text, want) {
			t.Errorf("output lacks %q:\n%s", want, text[max(0, len(text)-1000):])
		}
	}
	if n := len(snapshots(t, fs.Mount)); n != 0 {
		t.Errorf("%d snapshots were taken", n)
	}
}

// Under write load the report tells the truth about the transaction.
func TestTruthUnderWriteLoad(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 2 << 30})
	if err := history.Create(context.Background(), fs, append(critical, "snapshots")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for _, name := range critical {
		go func() {
			data := make([]byte, 64<<10)
			for i := 0; ctx.Err() == nil; i++ {
				f, err := os.Create(fs.Path(name, "busy"))
				if err != nil {
					return
				}
				_, _ = f.Write(data)
				_ = f.Sync()
				_ = f.Close()
			}
		}()
	}
	for range 8 {
		_, outputs := runOf(t, "take", "snapshot-rotation", "-i", "filesystem="+fs.Mount)
		var taken struct {
			Atomic    bool `json:"atomic"`
			Snapshots []struct {
				Path string `json:"path"`
			} `json:"snapshots"`
		}
		if err := json.Unmarshal(outputs, &taken); err != nil {
			t.Fatal(err)
		}
		transactions := map[string]bool{}
		for _, s := range taken.Snapshots {
			transactions[creationGeneration(t, fs.Path(s.Path))] = true
		}
		if taken.Atomic != (len(transactions) == 1) {
			t.Errorf("atomic: %v, and btrfs says %d transactions", taken.Atomic, len(transactions))
		}
	}
}

// creationGeneration is "Gen at creation" of btrfs subvolume show.
func creationGeneration(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("btrfs", "subvolume", "show", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Gen at creation:"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatal("btrfs subvolume show prints no generation")
	return ""
}
