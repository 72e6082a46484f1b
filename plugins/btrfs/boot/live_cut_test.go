package boot

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// points of a rollback of a root and a cache, in their order.
var points = []string{"start", "folders", "recovered", "intent", "made 0", "made 1", "records", "ready", "exchanged 0", "exchanged 1", "synced", "finished", "consumed"}

// job is what the process of TestKilled is to do.
type job struct {
	Point          string
	Request        sdk.Request
	Cmdline        string
	Root, HoldFile string
}

// TestKilled is the process that is killed at a point.
func TestKilled(t *testing.T) {
	var j job
	if text := os.Getenv("COPPICE_TEST_JOB"); text == "" {
		return // a test only as a process of another one
	} else if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	r := &testRig{Rig: &rig.Rig{T: t}}
	r.m.root, r.m.Cmdline, r.m.HoldFile = j.Root, j.Cmdline, j.HoldFile
	r.m.Clock = func() (string, error) { return "", nil }
	r.m.LockWait = 1e9
	cut = func(at string) {
		if at == j.Point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	plugin := &sdk.Plugin{Name: "btrfs", Version: "0", Actions: actions(r.m)}
	plan, err := plugin.Plan(context.Background(), j.Request)
	if err != nil {
		t.Fatal(err)
	}
	result, err := plugin.Apply(context.Background(), j.Request, plan, func(sdk.Event) {})
	t.Fatalf("not killed at %q: %s, %v", j.Point, rig.Show(result), err)
}

// kill rolls back in boot n in a process that is killed at a point.
func (r *testRig) kill(n int, point string, in rig.Inputs) {
	r.T.Helper()
	r.boot(n)
	data, err := json.Marshal(job{Point: point, Request: r.request("rollback", in), Root: r.m.root, Cmdline: r.m.Cmdline, HoldFile: r.m.HoldFile})
	if err != nil {
		r.T.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "COPPICE_TEST_JOB="+string(data))
	out, _ := child.CombinedOutput()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		r.T.Fatalf("%s: the process was not killed: %s", point, out)
	}
}

var cutInputs = rig.Inputs{"blank": "blank", "reset": []string{"cache"}}

func cutRig(t *testing.T) *testRig {
	r := newRig(t, loopfs.Options{})
	r.Create("blank", "root", "cache")
	r.Write("blank/state", "clean")
	r.Write("root/mark", "root 0")
	r.Write("cache/mark", "cache 0")
	r.sync()
	return r
}

// converges expects that one more boot comes to a clean root, and that each mark is still somewhere, once.
func (r *testRig) converges(n int, point string, want []string) {
	r.T.Helper()
	if _, err := os.Stat(r.FS.Path("root")); err != nil {
		r.T.Fatalf("cut at %s: there is no root: %v", point, err)
	}
	if found := r.marks(); !slices.Equal(found, want) {
		r.T.Errorf("cut at %s: there is %q, expected %q", point, found, want)
	}
	out := r.rollback(n, cutInputs)
	if _, err := os.Stat(r.FS.Path("root/mark")); err == nil || r.read("root/state") != "clean" {
		r.T.Errorf("cut at %s: the next boot leaves a used root: %s", point, rig.Show(out))
	}
	if found := r.marks(); !slices.Equal(found, want) {
		r.T.Errorf("cut at %s: after the next boot there is %q, expected %q", point, found, want)
	}
	if out := r.rollback(n, cutInputs); out.Result != already {
		r.T.Errorf("cut at %s: again: %s", point, rig.Show(out))
	}
	s := r.state()
	if s.Intent != nil {
		r.T.Errorf("cut at %s: %s", point, rig.Show(s))
	}
}

func (r *testRig) state() state {
	r.T.Helper()
	s, err := decodeState([]byte(r.read(statePath)))
	if err != nil {
		r.T.Fatal(err)
	}
	return s
}

// Wherever the process is killed, and whether or not the kernel has written what it did, the next boot converges, and nothing
// is lost.
func TestRollbackKilled(t *testing.T) {
	t.Parallel()
	r := cutRig(t)
	want := []string{"cache 0", "root 0"}
	for i, point := range points {
		n := 10 * (i + 1)
		r.kill(n, point, cutInputs)
		r.sync() // as a commit in between would
		r.converges(n+1, point, want)
		mark := strconv.Itoa(i + 1)
		r.Write("root/mark", "root "+mark)
		r.Write("cache/mark", "cache "+mark)
		r.sync()
		want = append(want, "root "+mark, "cache "+mark)
		slices.Sort(want)
	}
	r.Btrfs("check", "--readonly", "--force", r.FS.Loop[0])
}

// The same when the power goes: what is in the image at each point is all that is left.
func TestRollbackPowerCut(t *testing.T) { // not parallel: cut is of the whole process
	r := cutRig(t)
	image := r.FS.Image[0]
	defer func() { cut = func(string) {} }()
	cut = func(point string) { r.Exec("cp", "--sparse=always", image, image+"."+point) }
	r.rollback(2, cutInputs)
	cut = func(string) {}
	for i, point := range points {
		r.image(image + "." + point)
		r.converges(10+i, point, []string{"cache 0", "root 0"})
	}
}

// image puts another image in the place of the one that is mounted.
func (r *testRig) image(path string) {
	r.T.Helper()
	if err := r.FS.Unmount(); err != nil {
		r.T.Fatal(err)
	}
	if err := os.Rename(path, r.FS.Image[0]); err != nil {
		r.T.Fatal(err)
	}
	if err := r.FS.MountAgain(""); err != nil {
		r.T.Fatalf("%s: %v", path, err)
	}
}
