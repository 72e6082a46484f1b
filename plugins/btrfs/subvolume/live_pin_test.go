package subvolume

import (
	"os"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestPin(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home")
	r.snapshots(4, "root")
	path := func(n int) string { return "snapshots/root/" + StampOf(r.Instants[n]) }
	prune := func(prior ...sdk.Change) []string {
		return rig.Names(r.Plan(r.Request(9, "prune", rig.Inputs{"last": 1}, prior...)).Changes)
	}

	// Of a preview: what a planned pin keeps, a later step leaves alone.
	pin := r.Request(9, "pin", rig.Inputs{"subvolumes": []string{path(0), r.UUIDOf(path(1)), path(0)}, "reason": "before the upgrade"})
	plan := r.Plan(pin)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"update " + path(0), "update " + path(1)})
	rig.Contains(t, rig.Show(plan.Changes), "pinned by admin", "before the upgrade")
	rig.Same(t, "prune after a planned pin", prune(plan.Changes...), []string{"delete " + path(2)})
	r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{path(0)}}, plan.Changes...), "pinned: before the upgrade")

	// And of the run.
	if done := r.Apply(pin, plan).Done; len(done) != 2 {
		t.Errorf("done: %v", done)
	}
	rig.Same(t, "prune after the pin", prune(), []string{"delete " + path(2)})
	if result := r.Apply(pin, plan); len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", rig.Show(result))
	}
	again, _ := r.Run(pin)
	if len(again.Changes) != 0 || len(again.Kept) != 2 {
		t.Errorf("planned again: %s", rig.Show(again))
	}

	// Several holders, an end, another reason.
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	r.Run(r.Request(10, "pin", rig.Inputs{"subvolumes": []string{path(0)}, "who": "backup", "until": until}))
	p, _ := r.Run(r.Request(11, "pin", rig.Inputs{"subvolumes": []string{path(0)}, "reason": "another"}))
	rig.Same(t, "pins", rig.Outputs[PinOutput](t, p.Outputs).Subvolumes[0].Pins,
		[]Pin{{Who: "backup", Until: until}, {Who: "admin", Reason: "another"}})
	unpin := r.Request(12, "unpin", rig.Inputs{"subvolumes": []string{path(0), path(1), path(3)}})
	p, result := r.Run(unpin)
	rig.Same(t, "unpin", rig.Names(p.Changes), []string{"update " + path(0), "update " + path(1)})
	rig.Contains(t, rig.Told(p.Diagnostics), "warning", "stays pinned by backup")
	if len(result.Done) != 2 {
		t.Errorf("done: %v", result.Done)
	}
	rig.Same(t, "prune after the planned end of the other pin", prune(r.Plan(r.Request(12, "unpin", rig.Inputs{
		"subvolumes": []string{path(0)}, "who": "backup"})).Changes...), []string{"delete " + path(0), "delete " + path(1), "delete " + path(2)})
	rig.Same(t, "prune", prune(), []string{"delete " + path(1), "delete " + path(2)})
	if p, _ = r.Run(unpin); len(p.Changes) != 0 {
		t.Errorf("again: %s", rig.Show(p))
	}

	// A snapshot that an earlier step would take.
	take := r.Plan(r.Request(20, "snapshot", rig.Inputs{"sources": []string{"home"}}))
	q := r.Request(20, "pin", rig.Inputs{"subvolumes": []string{take.Changes[0].Resource.Name}}, take.Changes...)
	p = r.Plan(q)
	rig.Same(t, "unknown", p.Unknown, []string{"/subvolumes/0/uuid"})
	both := append(take.Changes, p.Changes...)
	r.Refuses(r.Request(20, "delete", rig.Inputs{"subvolumes": []string{take.Changes[0].Resource.Name}}, both...), "must stay: pinned by admin")

	r.Refuses(r.Request(9, "pin", rig.Inputs{"subvolumes": []string{"snapshots/root/none"}}), "/subvolumes/0", "there is no subvolume")
	r.Refuses(r.Request(9, "pin", rig.Inputs{"subvolumes": []string{path(0)}, "until": time.Now().Add(-time.Hour)}), "/until", "is over already")
	hold := r.FS.Path(holdPath(fakeID(1)))
	hold = hold[:len(hold)-36] + r.UUIDOf(path(3))
	if err := os.WriteFile(hold, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Refuses(r.Request(9, "pin", rig.Inputs{"subvolumes": []string{path(3)}}), "/subvolumes/0", "can't be read")
	r.Refuses(r.Request(9, "unpin", rig.Inputs{"subvolumes": []string{path(3)}}), "/subvolumes/0", "can't be read")
}

// Pins that a snapshot has left behind are taken away by its UUID, and no others.
func TestUnpinWhatIsGone(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(2, "root")
	path := func(n int) string { return "snapshots/root/" + StampOf(r.Instants[n]) }
	gone, there := r.UUIDOf(path(0)), r.UUIDOf(path(1))
	for n, who := range []string{"admin", "backup:usb"} {
		r.Run(r.Request(10+n, "pin", rig.Inputs{"subvolumes": []string{path(0), path(1)}, "who": who}))
	}
	r.Btrfs("subvolume", "delete", r.FS.Path(path(0)))

	unpin := func(n int, who string, what ...string) sdk.Request {
		return r.Request(n, "unpin", rig.Inputs{"subvolumes": what, "who": who})
	}
	rig.Same(t, "by its path", rig.Names(r.Plan(unpin(20, "backup:usb", path(0))).Changes), []string{})
	rig.Same(t, "another holder", rig.Names(r.Plan(unpin(20, "nobody", gone)).Changes), []string{})
	first := unpin(20, "backup:usb", gone, gone)
	p := r.Plan(first)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update " + holdPath(fakeID(1))[:len(holdPath(fakeID(1)))-36] + gone})
	rig.Contains(t, rig.Told(p.Diagnostics), "stays pinned by admin")
	rig.Same(t, "a later step of a preview", rig.Names(r.Plan(r.Request(20, "unpin", rig.Inputs{"subvolumes": []string{gone}, "who": "backup:usb"}, p.Changes...)).Changes), []string{})
	if result := r.Apply(first, p); len(result.Done) != 1 {
		t.Error(rig.Show(result))
	}
	p, _ = r.Run(unpin(21, "admin", gone))
	rig.Same(t, "changes", len(p.Changes), 1)
	rig.Same(t, "again", rig.Names(r.Plan(unpin(22, "admin", gone)).Changes), []string{})
	left, err := os.ReadDir(r.FS.Path(".coppice/holds"))
	if err != nil || len(left) != 1 || left[0].Name() != there {
		t.Errorf("%v %v", err, left)
	}
	r.Refuses(r.Request(23, "pin", rig.Inputs{"subvolumes": []string{gone}}), "there is no subvolume")
}
