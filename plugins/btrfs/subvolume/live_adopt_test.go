package subvolume

import (
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// foreignSnapshots are made as the seed, btrbk and snapper make them.
func foreignSnapshots(r *testRig) {
	r.Create("root", "home")
	r.Exec("mkdir", "-p", r.FS.Path("snapshots/root"), r.FS.Path("snapshots/.snapshots/7"), r.FS.Path("snapshots/.snapshots/8"), r.FS.Path("elsewhere"))
	for _, to := range []string{"snapshots/root-20260101_000000", "snapshots/root-20260102_000000", "snapshots/root/root.20260103T0000",
		"snapshots/.snapshots/7/snapshot", "snapshots/.snapshots/8/snapshot", "elsewhere/root-1"} {
		r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path(to))
	}
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("home"), r.FS.Path("snapshots/root-of-home"))
	r.Btrfs("subvolume", "snapshot", r.FS.Path("root"), r.FS.Path("snapshots/root-writable"))
	r.Write("snapshots/.snapshots/7/info.xml", "<snapshot/>")
	r.Exec("ln", "-s", "root-20260101_000000", r.FS.Path("snapshots/root-link"))
}

func TestAdopt(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	foreignSnapshots(r)
	before := r.all()
	adopt := r.Request(1, "adopt", rig.Inputs{"source": "root", "folder": "snapshots", "prefix": "root-"})
	plan := r.Plan(adopt)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"update snapshots/root-20260101_000000", "update snapshots/root-20260102_000000"})
	rig.Same(t, "left", rig.Outputs[AdoptOutput](t, plan.Outputs).Left, []LeftSnapshot{
		{"snapshots/root-of-home", `it is a snapshot of "home"`}, {"snapshots/root-writable", "it is writable"}})
	prune := r.Request(2, "prune", rig.Inputs{"last": 1, "shared_with": "others"}, plan.Changes...)
	rig.Same(t, "prune after a planned adoption", rig.Names(r.Plan(prune).Changes), []string{"delete snapshots/root-20260101_000000"})
	if done := r.Apply(adopt, plan).Done; len(done) != 2 {
		t.Errorf("done: %v", done)
	}
	rig.Same(t, "subvolumes", r.all(), before)
	if again, _ := r.Run(adopt); len(again.Changes) != 0 {
		t.Errorf("again: %s", rig.Show(again))
	}
	if result := r.Apply(adopt, plan); len(result.Done) != 0 || len(r.records()) != 1 {
		t.Errorf("applied again: %s, %q", rig.Show(result), r.records())
	}

	// What was adopted, and what coppice takes itself, is expired together; btrbk's is foreign until it is adopted.
	taken := r.snapshot(3, "root").Snapshots[0].Path
	prune = r.Request(4, "prune", rig.Inputs{"last": 1})
	p := r.Plan(prune)
	rig.Contains(t, rig.Told(p.Diagnostics), "btrbk keeps snapshots in the folder")
	p, _ = r.Run(r.Request(5, "adopt", rig.Inputs{"source": r.FS.Path("root"), "subvolumes": []string{
		"snapshots/root/root.20260103T0000", r.UUIDOf("snapshots/.snapshots/8/snapshot"), "snapshots/root-20260101_000000"}}))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update snapshots/.snapshots/8/snapshot", "update snapshots/root/root.20260103T0000"})
	rig.Contains(t, rig.Told(p.Diagnostics), "warning", "named as btrbk does it")
	p, result := r.Run(prune)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"delete snapshots/root-20260101_000000", "delete snapshots/root-20260102_000000",
		"delete snapshots/root/root.20260103T0000", "delete snapshots/.snapshots/8/snapshot"})
	if len(result.Done) != 4 {
		t.Errorf("done: %v", result.Done)
	}
	r.Refuses(r.Request(6, "delete", rig.Inputs{"subvolumes": []string{taken}}), "the last snapshot")
	rig.Same(t, "subvolumes", r.all(), []string{"elsewhere/root-1", "home", "root", "snapshots/.snapshots/7/snapshot", "snapshots/root-of-home", "snapshots/root-writable", taken})
	if left := r.records(); len(left) != 1 {
		t.Errorf("records: %q", left)
	}

	// Moved or renamed afterwards it is foreign again.
	r.Run(r.Request(7, "adopt", rig.Inputs{"source": "home", "subvolumes": []string{"snapshots/root-of-home"}}))
	r.snapshot(8, "home")
	r.Exec("mv", r.FS.Path("snapshots/root-of-home"), r.FS.Path("snapshots/renamed"))
	r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{"snapshots/renamed"}}), "it was adopted at")

	for want, in := range map[string]rig.Inputs{
		"name what to adopt":           {"source": "root"},
		"is not in the folder":         {"source": "root", "subvolumes": []string{"elsewhere/root-1"}},
		"it is writable":               {"source": "root", "subvolumes": []string{"snapshots/root-writable"}},
		"snapper has it in its books":  {"source": "root", "subvolumes": []string{"snapshots/.snapshots/7/snapshot"}},
		"there is no subvolume":        {"source": "root", "subvolumes": []string{"snapshots/none"}},
		"is a symbolic link":           {"source": "root", "subvolumes": []string{"snapshots/root-link"}},
		"there is no folder":           {"source": "root", "folder": "snapshots/none"},
		"of snapshots \"snapshots\"":   {"source": "root", "folder": "elsewhere"},
		"it is about the names":        {"source": "root", "subvolumes": []string{"x"}, "prefix": "y"},
		"managed snapshot of \"root\"": {"source": "home", "subvolumes": []string{taken}},
	} {
		r.Refuses(r.Request(9, "adopt", in), want)
	}
	p, _ = r.Run(r.Request(10, "adopt", rig.Inputs{"source": "root", "subvolumes": []string{taken}}))
	if len(p.Changes) != 0 || len(p.Kept) != 1 {
		t.Errorf("its own: %s", rig.Show(p))
	}
}

// A root that was put back has a parent itself. Its snapshots are not taken for those of another source for that, wherever they
// lie, and what lies in the folder of another source is not either.
func TestAdoptOfOther(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("blank", "home")
	r.Btrfs("subvolume", "snapshot", r.FS.Path("blank"), r.FS.Path("root"))
	taken := r.snapshot(1, "root").Snapshots[0].Path
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/by-hand"))
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("blank"), r.FS.Path("snapshots/root/by-hand"))
	for folder, why := range map[string][]LeftSnapshot{
		"snapshots":      {{"snapshots/by-hand", `it is a snapshot of "root"`}},
		"snapshots/root": {{taken, `it is a managed snapshot of "root" already`}, {"snapshots/root/by-hand", `it is a snapshot of "root"`}},
	} {
		p := r.Plan(r.Request(2, "adopt", rig.Inputs{"source": "home", "folder": folder}))
		rig.Same(t, "changes", rig.Names(p.Changes), []string{})
		rig.Same(t, "left", rig.Outputs[AdoptOutput](t, p.Outputs).Left, why)
	}
	p := r.Plan(r.Request(2, "adopt", rig.Inputs{"source": "root", "folder": "snapshots/root"}))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{})
	p = r.Plan(r.Request(2, "adopt", rig.Inputs{"source": "root", "folder": "snapshots"}))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update snapshots/by-hand"})
}
