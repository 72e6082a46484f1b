package subvolume

import (
	"path"
	"slices"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// A group on an idle filesystem, then pruning by count as a preview and as a run see it.
func TestRotation(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	sources := []string{"root", "a b", "-dash", "line\nbreak", "häuser/öl"}
	r.Exec("mkdir", r.FS.Path("häuser"))
	r.Create(sources...)
	together := 0
	for i := range 4 {
		out := r.snapshot(i, sources...)
		if out.Attempts < 1 || len(out.Snapshots) != len(sources) {
			t.Errorf("not the whole group: %s", rig.Show(out))
		}
		if out.Atomic {
			together++
		} else if out.Attempts != maxAttempts { // a machine that is busy with other things may well need more
			t.Errorf("given up early: %s", rig.Show(out))
		}
		for j, s := range out.Snapshots {
			if s.Source != sources[j] || s.UUID == "" || string(s.UUID) != r.UUIDOf(s.Path) || out.Atomic && s.Transaction != out.Snapshots[0].Transaction {
				t.Errorf("snapshot %d: %s", j, rig.Show(s))
			}
			if path.Base(s.Path) != out.Stamp || path.Dir(s.Path) != "snapshots/"+FolderOf(sources[j]) {
				t.Errorf("it is at %q", s.Path)
			}
		}
	}
	if together == 0 {
		t.Error("no group is of one transaction")
	}
	rules := rig.Inputs{"last": 2}

	take := r.Request(9, "snapshot", rig.Inputs{"sources": sources})
	takePlan := r.Plan(take)
	if len(takePlan.Changes) != len(sources) {
		t.Fatalf("planned: %s", rig.Show(takePlan))
	}
	preview := r.Plan(r.Request(9, "prune", rules, takePlan.Changes...))
	if len(preview.Changes) != 3*len(sources) {
		t.Errorf("the preview deletes %q", rig.Names(preview.Changes))
	}

	r.Apply(take, takePlan)
	q := r.Request(9, "prune", rules)
	plan := r.Plan(q)
	rig.Same(t, "changes of the run", plan.Changes, preview.Changes)
	rig.Same(t, "facts of the run", string(plan.Fingerprint), string(preview.Fingerprint))
	if len(preview.Unknown) != len(sources) || len(plan.Unknown) != 0 {
		t.Errorf("unknown: %q, then %q", preview.Unknown, plan.Unknown)
	}

	before := r.all()
	result := r.Apply(q, plan)
	if sdk.HasErrors(result.Diagnostics) || len(result.Done) != len(plan.Changes) {
		t.Errorf("deleted %v: %s", result.Done, rig.Told(result.Diagnostics))
	}
	want := slices.DeleteFunc(before, func(p string) bool { return slices.Contains(rig.Names(plan.Changes), "delete "+p) })
	rig.Same(t, "subvolumes", r.all(), want)
	if n := len(r.records()); n != 2 {
		t.Errorf("%d records are left: %q", n, r.records())
	}

	again := r.Apply(q, plan)
	if sdk.HasErrors(again.Diagnostics) || len(again.Done) != 0 {
		t.Errorf("applied again: %v %s", again.Done, rig.Told(again.Diagnostics))
	}
	if out := rig.Outputs[PruneOutput](t, again.Outputs); len(out.Deleted) != 0 {
		t.Errorf("applied again: %s", rig.Show(out.Deleted))
	}
	rig.Same(t, "subvolumes", r.all(), want)
	if p := r.Plan(q); len(p.Changes) != 0 {
		t.Errorf("pruning does not converge: %q", rig.Names(p.Changes))
	}
}
