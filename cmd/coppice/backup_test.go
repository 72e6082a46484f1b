package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// backupWorld is a server with snapshots and a disk for their copies.
type backupWorld struct {
	t          *testing.T
	from, to   *loopfs.Filesystem
	dice       *rand.Rand
	generation int
}

func newBackupWorld(t *testing.T) *backupWorld {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &backupWorld{t: t, dice: rand.New(rand.NewPCG(seed, 0)),
		from: loopfs.ForTest(t, loopfs.Options{Size: 512 << 20}), to: loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})}
	if err := history.Create(context.Background(), w.from, []string{"root", "persist"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.to.Path("server"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// change makes the next generation of the sources: files that come, change, move and go.
func (w *backupWorld) change() {
	w.t.Helper()
	w.generation++
	for _, source := range []string{"root", "persist"} {
		dir := w.from.Path(source)
		name := func(n int) string { return filepath.Join(dir, fmt.Sprintf("file %d\n", n)) }
		data := make([]byte, 100_000+w.dice.IntN(400_000))
		for i := range data {
			data[i] = byte(w.dice.Uint32())
		}
		var err error
		step := func(e error) {
			if err == nil && e != nil && !os.IsNotExist(e) {
				err = e
			}
		}
		step(os.WriteFile(name(w.generation), data, 0o640))
		step(os.Rename(name(w.generation-3), name(w.generation-3)+" moved"))
		step(os.Remove(name(w.generation-5) + " moved"))
		step(os.WriteFile(filepath.Join(dir, "log"), data[:w.dice.IntN(len(data))], 0o600))
		step(os.MkdirAll(filepath.Join(dir, "dir", strconv.Itoa(w.generation%4)), 0o755))
		step(os.Symlink(strconv.Itoa(w.generation), filepath.Join(dir, "dir", "link"+strconv.Itoa(w.generation))))
		step(unix.Setxattr(dir, "user.generation", []byte(strconv.Itoa(w.generation)), 0))
		if err != nil {
			w.t.Fatal(err)
		}
	}
	must(w.t, "run", "snapshot-rotation", "-i", "filesystem="+w.from.Mount, "-i", "clock=rtc", "-i", "subvolumes=root,persist")
}

func (w *backupWorld) args(more ...string) []string {
	return append([]string{"run", "backup", "-i", "filesystem=" + w.from.Mount, "-i", "target=" + w.to.Path("server"), "-i", "clock=rtc"}, more...)
}

// descendants are the processes below one.
func descendants(pid int) []int {
	var all []int
	out, err := exec.Command("ps", "-eo", "pid=,ppid=").Output()
	if err != nil {
		return nil
	}
	below := map[int]bool{pid: true}
	for line := range strings.Lines(string(out)) { // in the order of their start, mostly
		var id, parent int
		if _, err := fmt.Sscan(line, &id, &parent); err == nil && below[parent] {
			below[id] = true
			all = append(all, id)
		}
	}
	return all
}

// cut starts a backup and kills something of it at some moment.
func (w *backupWorld) cut() string {
	w.t.Helper()
	mark := fmt.Sprintf("BACKUP_OF=%s-%d", w.from.Dir, w.generation)
	c := &exec.Cmd{Path: plain, Args: append([]string{"coppice"}, w.args("-i", "rate_limit=4MiB", "-i", "verify=content")...), Env: append(os.Environ(), mark)}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Duration(w.dice.IntN(600)) * time.Millisecond)
	victim, what := c.Process.Pid, "the runner"
	signal := syscall.SIGKILL
	switch all := descendants(victim); w.dice.IntN(4) {
	case 0:
		signal, what = syscall.SIGTERM, "the runner, politely"
	case 1:
		if len(all) > 0 {
			victim, what = all[0], "the plugin"
		}
	case 2:
		if len(all) > 0 {
			victim, what = all[len(all)-1], "the last process"
		}
	}
	_ = syscall.Kill(victim, signal)
	_ = c.Wait() // whatever comes of it
	vanish(w.t, mark)
	return what
}

// whole expects that every copy that looks complete is one.
func (w *backupWorld) whole() int {
	w.t.Helper()
	n := 0
	for _, source := range []string{"root", "persist"} {
		copies, err := filepath.Glob(w.to.Path("server/" + source + "/2*"))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range copies {
			n++
			original := w.from.Path("snapshots/" + source + "/" + filepath.Base(c))
			if out, err := exec.Command("diff", "-r", "--no-dereference", original, c).CombinedOutput(); err != nil {
				w.t.Fatalf("%s is not whole: %v\n%s", c, err, out)
			}
			if out, err := exec.Command("btrfs", "property", "get", "-ts", c, "ro").Output(); err != nil || string(out) != "ro=true\n" {
				w.t.Fatalf("%s: %v %s", c, err, out)
			}
		}
	}
	return n
}

// Thirty generations, with cuts at random moments in between: no copy that looks complete ever is not, and in the
// end all are there and nothing else.
func TestBackupSurvivesCuts(t *testing.T) {
	t.Parallel()
	w := newBackupWorld(t)
	const generations = 30
	cuts := map[string]int{}
	for g := range generations {
		w.change()
		if w.dice.IntN(3) > 0 || g < 3 {
			cuts[w.cut()]++
			w.whole()
		}
		if w.dice.IntN(4) == 0 {
			must(t, w.args()...)
		}
	}
	t.Logf("cut off: %v", cuts)
	must(t, w.args("-i", "verify=content")...)
	if n := w.whole(); n != 2*generations {
		t.Errorf("%d copies", n)
	}
	for _, pattern := range []string{"server/*/.coppice-tmp-*", ".coppice/receiving/*"} {
		if left, _ := filepath.Glob(w.to.Path(pattern)); len(left) > 0 {
			t.Errorf("left over: %q", left)
		}
	}
	if out := must(t, append([]string{"plan"}, w.args()[1:]...)...); !strings.Contains(out, "No changes") {
		t.Errorf("a second run would do something:\n%s", out)
	}
}

// "coppice receive" that waits for its other side ends when it is told to.
func TestReceiveEnds(t *testing.T) {
	c := &exec.Cmd{Path: plain, Args: []string{"coppice", "receive"}}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// Its first reply says that it listens to signals.
	if _, err := in.Write([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d", code)
	}
}

// In virtual time, what was copied on one day is there on the next; and a saved plan is executed to its end.
func TestBackupIsSimulated(t *testing.T) {
	w := newBackupWorld(t)
	w.change()
	args := w.args()[1:]
	out := must(t, append([]string{"simulate", "--days", "5"}, args...)...)
	if n := strings.Count(out, "1 created, 0 deleted"); n != 6 {
		t.Errorf("what is copied once is copied again and again:\n%s", out)
	}
	plan := filepath.Join(t.TempDir(), "plan")
	must(t, append([]string{"plan", "--out", plan}, args...)...)
	must(t, "apply", plan)
	if n := w.whole(); n == 0 {
		t.Error("nothing was copied")
	}
	if out := must(t, append([]string{"plan"}, args...)...); !strings.Contains(out, "No changes") {
		t.Errorf("a second run would do something:\n%s", out)
	}
}
