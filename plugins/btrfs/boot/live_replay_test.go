package boot

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// The power goes between any two writes of a rollback, with all, some or none of what the disk had in its cache. Each time there
// is a root, the next boot converges, and everything is in one of them, once.
func TestReplay(t *testing.T) { // not parallel: the server's mounts are those of its start
	need.Root(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		need.Missing(t, "btrfs", "there is no /dev/fuse")
	}
	most := 0 // boundaries of each: all; COPPICE_TEST_CUTS is another number
	if text := os.Getenv("COPPICE_TEST_CUTS"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range map[string]struct {
		inputs rig.Inputs
		before func(*testRig)
		first  string // what the recorded boot comes to
	}{
		"blank":   {cutInputs, func(*testRig) {}, rolledBack},
		"empty":   {rig.Inputs{"reset": []string{"cache"}}, func(*testRig) {}, rolledBack},
		"missing": {cutInputs, func(r *testRig) { r.sh("mkdir old_roots; mv root old_roots/2026-01-01_00:00:00") }, rolledBack},
		"use": {cutInputs, func(r *testRig) {
			r.sh("btrfs -q subvolume create root/inner; echo inner >root/inner/mark")
			r.ask("use", rig.Inputs{"from": "blank", "once": true})
		}, usedOnce},
		"fall back": {cutInputs, func(r *testRig) {
			r.Write("root/state", "good")
			r.confirm()
			for n := 2; n < 5; n++ {
				r.rollback(n, cutInputs)
				r.Write("root/mark", fmt.Sprint("bad ", n))
				r.sync()
			}
		}, fellBack},
	} {
		t.Run(name, func(t *testing.T) { replay(t, most, s.inputs, s.before, s.first) })
	}
}

func replay(t *testing.T, most int, inputs rig.Inputs, before func(*testRig), first string) {
	r := cutRig(t)
	before(r)
	r.sync()
	if err := r.FS.Unmount(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	base, tape := unnamed(t, dir), unnamed(t, dir)
	image, err := os.OpenFile(r.FS.Image[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := cutdisk.Copy(base, image); err != nil {
		t.Fatal(err)
	}
	recording, err := cutdisk.Record(server(), tape, 1<<30, image)
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	want := r.recorded(recording, inputs, first)
	if err := recording.End(); err != nil {
		t.Fatal(err)
	}
	recorded, err := cutdisk.ReadTape(tape)
	if err != nil {
		t.Fatal(err)
	}
	cuts := recorded.Cuts(cutdisk.Sample{Most: most, Subset: 10, Seed: 1})
	tally.Add(t, "%d of %d boundaries, and %d states in which a part of the cache was written", cuts.Chosen, cuts.Boundaries, cuts.Subsets)
	replaying, err := cutdisk.Replay(server(), tape, dir, base)
	if err != nil {
		t.Fatal(err)
	}
	defer replaying.Close()
	for i, c := range cuts.List {
		if err := replaying.Cut(c); err != nil {
			t.Fatal(err)
		}
		r.afterPowerCut(replaying.Disk(0), fmt.Sprint(c), 100+i, inputs, want, i%16 == 0)
		if t.Failed() {
			return
		}
	}
}

// unnamed makes a file that is gone with the test.
func unnamed(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := cutdisk.TempFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// recorded rolls back on a disk that is recorded, and returns all marks that there are.
func (r *testRig) recorded(recording *cutdisk.Recording, inputs rig.Inputs, first string) []string {
	r.T.Helper()
	loop, err := loopfs.Attach(recording.Disk(0), "cutdisk")
	if err != nil {
		r.T.Fatal(err)
	}
	defer loop.Close()
	// Open all the time: whoever still has the original mounted, in a namespace of his own, makes the kernel give each new mount of
	// this one another UUID.
	f, err := kernel.OpenDevice(context.Background(), loop.Name(), false)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	want := r.marksIn(f)
	if out := r.rollback(50, with(inputs, loop.Name())); out.Result != first {
		r.T.Fatalf("%s", rig.Show(out))
	}
	if found := r.marksIn(f); !covers(found, want) {
		r.T.Fatalf("without a cut there is %q of %q", found, want)
	}
	return want
}

// covers reports whether all marks are there. A copy that came back has one more of its own.
func covers(found, want []string) bool {
	for _, w := range want {
		if !slices.Contains(found, w) {
			return false
		}
	}
	return true
}

func with(in rig.Inputs, device string) rig.Inputs {
	all := rig.Inputs{"filesystem": device}
	for k, v := range in {
		all[k] = v
	}
	return all
}

// afterPowerCut boots from a disk as a cut has left it.
func (r *testRig) afterPowerCut(disk *os.File, name string, n int, inputs rig.Inputs, want []string, check bool) {
	r.T.Helper()
	loop, err := loopfs.Attach(disk, "cutdisk")
	if err != nil {
		r.T.Fatal(err)
	}
	defer loop.Close()
	f, err := kernel.OpenDevice(context.Background(), loop.Name(), false) // open all the time: mounting is what takes long
	if err != nil {
		r.T.Fatalf("%s: %v", name, err)
	}
	if found := r.marksIn(f); !covers(found, want) {
		r.T.Errorf("%s: there is %q, expected %q", name, found, want)
	}
	out := r.rollback(n, with(inputs, loop.Name()))
	if found := r.marksIn(f); !covers(found, want) {
		r.T.Errorf("%s: after the next boot there is %q, expected %q: %s", name, found, want, rig.Show(out))
	}
	root, found, err := f.AtPath("root")
	data, _ := f.ReadFile(statePath)
	s, bad := decodeState(data)
	if err != nil || !found || root.UUID.String() != out.UUID || bad != nil || s.Intent != nil {
		r.T.Errorf("%s: the root is %v, %v, %v, %v: %s", name, root, found, err, bad, rig.Show(out))
	}
	f.Close()
	if check {
		r.Btrfs("check", "--readonly", loop.Name())
	}
}

// marksIn finds the content of all files "mark" in the places and the archives.
func (r *testRig) marksIn(f *kernel.Filesystem) []string {
	r.T.Helper()
	all, err := f.List()
	if err != nil {
		r.T.Fatal(err)
	}
	marks := []string{}
	for _, s := range all {
		if data, err := f.ReadFile(s.Path + "/mark"); err == nil && !strings.HasPrefix(s.Path, ".") {
			marks = append(marks, string(data))
		}
	}
	slices.Sort(marks)
	return marks
}
