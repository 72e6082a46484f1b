package subvolume

import (
	"context"
	"errors"
	"path"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// apart makes the first attempts fail to be in one transaction, by taking one snapshot after the other.
func apart(attempts int, each func(attempt int)) func(*kernel.Filesystem, string, []kernel.SnapshotSpec) kernel.SnapshotGroup {
	n := 0
	return func(f *kernel.Filesystem, dir string, specs []kernel.SnapshotSpec) kernel.SnapshotGroup {
		n++
		each(n)
		if n > attempts {
			return f.SnapshotTogether(dir, specs)
		}
		var g kernel.SnapshotGroup
		for _, s := range specs {
			made, err := f.Snapshot(s)
			g.Results = append(g.Results, kernel.SnapshotResult{Subvolume: made, Err: err})
		}
		return g
	}
}

func TestAttempts(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "b", "c")
	sources := []string{"a", "b", "c"}
	take := func(n, failures int, atomic bool) (sdk.Request, SnapshotOutput, *sdk.Result) {
		t.Helper()
		h := r.Host
		h.Together = apart(failures, func(int) {})
		r.Use(h, Actions)
		q := r.Request(n, "snapshot", rig.Inputs{"sources": sources, "require_atomic": atomic})
		result := r.Apply(q, r.Plan(q))
		return q, rig.Outputs[SnapshotOutput](t, result.Outputs), result
	}
	q, out, result := take(1, 1, true)
	// On a busy machine attempts in earnest fail too. Then nothing is kept, and there is a next time.
	for n := 10; n < 20 && !out.Atomic; n++ {
		rig.Same(t, "subvolumes", len(r.all()), 3)
		q, out, result = take(n, 1, true)
	}
	if !out.Atomic || out.Attempts < 2 || len(result.Done) != 3 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("together after a failed attempt: %s", rig.Show(result))
	}
	rig.Same(t, "subvolumes", len(r.all()), 6)
	rig.Same(t, "of a second plan", len(r.Plan(q).Changes), 0)

	_, out, result = take(2, 99, false)
	if out.Atomic || out.Attempts != 5 || len(out.Snapshots) != 3 || len(result.Done) != 3 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("never together: %s", rig.Show(result))
	}
	rig.Contains(t, rig.Told(result.Diagnostics), "the snapshots are not of one moment: 5 attempts did not get them into one transaction")
	rig.Same(t, "subvolumes", len(r.all()), 9)

	_, out, result = take(3, 99, true)
	rig.Contains(t, rig.Told(result.Diagnostics), "could not be taken in one transaction, in 5 attempts; none is kept")
	if len(out.Snapshots) != 0 || len(result.Done) != 0 {
		t.Errorf("atomic, never together: %s", rig.Show(result))
	}
	rig.Same(t, "subvolumes", len(r.all()), 9)
	rig.Same(t, "records", len(r.records()), 2)
}

// One of a group can't be taken: the others stay and are known.
func TestPartOfGroup(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "b")
	full := func(f *kernel.Filesystem, dir string, specs []kernel.SnapshotSpec) kernel.SnapshotGroup {
		g := f.SnapshotTogether(dir, specs[:1])
		g.Results = append(g.Results, kernel.SnapshotResult{Err: &kernel.Error{Op: "make snapshot", Subject: path.Join(specs[1].DestDir, specs[1].Name), Err: unix.ENOSPC}})
		return g
	}
	for n, atomic := range []bool{false, true} {
		h := r.Host
		h.Together = full
		r.Use(h, Actions)
		q := r.Request(n, "snapshot", rig.Inputs{"sources": []string{"a", "b"}, "require_atomic": atomic})
		result := r.Apply(q, r.Plan(q))
		rig.Contains(t, rig.Told(result.Diagnostics), `cannot snapshot "b"`, "no space left on device", "btrfs.prune does too")
		out := rig.Outputs[SnapshotOutput](t, result.Outputs)
		switch taken := len(out.Snapshots); {
		case atomic && (taken != 0 || len(result.Done) != 0):
			t.Errorf("a part of an atomic group stays: %s", rig.Show(result))
		case !atomic && (taken != 1 || len(result.Done) != 1 || out.Atomic):
			t.Errorf("the rest of the group: %s", rig.Show(result))
		}
	}
	r.Use(r.Host, Actions)
	list := rig.Outputs[ListOutput](t, r.Plan(r.Request(5, "list", rig.Inputs{"under": "snapshots"})).Outputs)
	if list.Count != 1 || !list.Subvolumes[0].Managed || len(r.records()) != 1 {
		t.Errorf("left: %s, %q", rig.Show(list), r.records())
	}
	// The same run again takes what is missing.
	plan, _ := r.Run(r.Request(0, "snapshot", rig.Inputs{"sources": []string{"a", "b"}}))
	rig.Same(t, "the rest", rig.Names(plan.Changes), []string{"create snapshots/b/" + StampOf(r.Instants[0])})
}

// Nothing is left behind when nothing was taken, and a cancelled run keeps what it has.
func TestNothingTaken(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "b")
	h := r.Host
	h.Together = func(_ *kernel.Filesystem, _ string, specs []kernel.SnapshotSpec) kernel.SnapshotGroup {
		return kernel.SnapshotGroup{Results: []kernel.SnapshotResult{{Err: unix.EIO}, {Err: errors.New("broken")}}}
	}
	r.Use(h, Actions)
	q := r.Request(1, "snapshot", rig.Inputs{"sources": []string{"a", "b"}})
	result := r.Apply(q, r.Plan(q))
	rig.Contains(t, rig.Told(result.Diagnostics), "btrfs device stats", "broken")
	if there := r.Exec("ls", r.FS.Mount); there != "a\nb\n" || len(r.records()) != 0 {
		t.Errorf("left: %s %q", there, r.records())
	}

	ctx, cancel := context.WithCancel(context.Background())
	h.Together = apart(99, func(attempt int) {
		if attempt == 2 {
			cancel()
		}
	})
	q = r.Request(2, "snapshot", rig.Inputs{"sources": []string{"a", "b"}})
	result, err := (&sdk.Plugin{Name: "btrfs", Actions: Actions(h)}).Apply(ctx, q, r.Plan(q), nil)
	if err != nil || len(result.Done) != 2 || rig.Outputs[SnapshotOutput](t, result.Outputs).Attempts != 2 {
		t.Errorf("cancelled: %s, %v", rig.Show(result), err)
	}
	rig.Same(t, "subvolumes", len(r.all()), 4)
}
