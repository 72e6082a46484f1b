package subvolume

import (
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// A crash leaves the record and the snapshots as they are between two writes.
func TestCrash(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home")
	r.snapshots(4, "root", "home")
	stamp := func(n int) string { return StampOf(r.Instants[n]) }

	edit := func(n int, change func(*record)) {
		t.Helper()
		name := r.FS.Path(recordsFolder, recordName(stamp(n), "run-"+string(rune('0'+n))))
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := decodeRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		change(&rec)
		if err := os.WriteFile(name, encodeRecord(rec), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Run 0 ended after the snapshots, before their UUIDs were noted.
	edit(0, func(rec *record) {
		for i := range rec.Members {
			rec.Members[i].UUID = [16]byte{}
		}
	})
	// Run 1 ended after one of two snapshots.
	r.Btrfs("subvolume", "delete", r.FS.Path("snapshots/home/"+stamp(1)))
	edit(1, func(rec *record) { rec.Members[0].UUID, rec.Members[1].UUID = [16]byte{}, [16]byte{} })
	// The record of run 2 is lost: nobody knows its snapshots.
	if err := os.Remove(r.FS.Path(recordsFolder, recordName(stamp(2), "run-2"))); err != nil {
		t.Fatal(err)
	}
	// Run 7 ended before its snapshots. What somebody else put in the place of one is not claimed.
	r.Request(7, "snapshot", nil)
	r.Write(recordsFolder+"/"+recordName(stamp(7), "run-7"), strings.ReplaceAll(`{"run":"run-7","stamp":"STAMP","taken_by":"btrfs.snapshot","members":[
		{"path":"snapshots/root/STAMP","source":"root","source_uuid":"01234567-89ab-cdef-0123-456789abcdef"},
		{"path":"snapshots/home/STAMP","source":"home","source_uuid":"01234567-89ab-cdef-0123-456789abcdef"}]}`, "STAMP", stamp(7)))
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/root/"+stamp(7)))
	r.Write(recordsFolder+"/.coppice-tmp-ABC", "half a rec")

	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{
		"delete snapshots/home/" + stamp(0), "delete snapshots/root/" + stamp(0), "delete snapshots/root/" + stamp(1),
	})
	rig.Same(t, "foreign", rig.Outputs[PruneOutput](t, plan.Outputs).Foreign,
		[]string{"snapshots/home/" + stamp(2), "snapshots/root/" + stamp(2), "snapshots/root/" + stamp(7)})
	if len(r.Apply(q, plan).Done) != 3 {
		t.Error("not deleted")
	}
	// The record of run 7 stays as long as something is at one of its paths.
	if left := r.records(); len(left) != 2 {
		t.Errorf("records: %q", left)
	}
	if _, err := os.Lstat(r.FS.Path(recordsFolder, ".coppice-tmp-ABC")); err == nil {
		t.Error("the temporary file is still there")
	}

	// A run that was interrupted goes on where it was.
	take := r.Request(20, "snapshot", rig.Inputs{"sources": []string{"root"}})
	r.Run(take)
	take = r.Request(20, "snapshot", rig.Inputs{"sources": []string{"root", "home"}})
	p, result := r.Run(take)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create snapshots/home/" + stamp(20)})
	out := rig.Outputs[SnapshotOutput](t, result.Outputs)
	if len(out.Snapshots) != 2 || out.Snapshots[0].UUID == "" || out.Snapshots[1].UUID == "" || out.Atomic {
		t.Errorf("resumed: %s", rig.Show(out))
	}
	before := r.all()
	result = r.Apply(take, p)
	if len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", rig.Show(result))
	}
	p, _ = r.Run(take)
	if len(p.Changes) != 0 || len(p.Unknown) != 0 || len(p.Kept) != 2 {
		t.Errorf("planned again: %s", rig.Show(p))
	}
	rig.Same(t, "subvolumes", r.all(), before)

	// The name is taken by somebody else.
	r.Request(21, "snapshot", nil)
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/root/"+stamp(21)))
	p = r.Plan(r.Request(21, "snapshot", rig.Inputs{"sources": []string{"root", "home"}}))
	rig.Contains(t, rig.Told(p.Diagnostics), "error", "exists already and is not of this run")
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create snapshots/home/" + stamp(21)})
}

func TestBrokenState(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(3, "root")
	prune := r.Request(9, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(prune)
	take := r.Request(10, "snapshot", rig.Inputs{"sources": []string{"root"}})
	takePlan := r.Plan(take)
	before := r.all()

	nothing := func(want ...string) {
		t.Helper()
		r.Refuses(prune, want...)
		r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{plan.Changes[0].Resource.Name}}), want...)
		result := r.Apply(prune, plan)
		rig.Contains(t, rig.Told(result.Diagnostics), want...)
		rig.Same(t, "subvolumes", r.all(), before)
	}
	record := r.records()[1]
	good, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{", string(good) + "x", strings.Replace(string(good), `"stamp": "`, `"stamp": "x`, 1)} {
		if err := os.WriteFile(record, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		nothing("a record of the catalogue can't be read, so nothing is deleted", ".coppice/snapshots/"+StampOf(r.Instants[1]))
	}
	if err := os.WriteFile(record, good, 0o600); err != nil {
		t.Fatal(err)
	}

	for _, command := range [][]string{{"ln", "-s", "/tmp", r.FS.Path(volume.HoldsFolder)}, {"touch", r.FS.Path(volume.HoldsFolder)}} {
		r.Exec(command[0], command[1:]...)
		nothing("a hold can't be read, so nothing is deleted")
		r.Exec("rm", r.FS.Path(volume.HoldsFolder))
	}
	r.Exec("mv", r.FS.Path(volume.StateFolder), r.FS.Path("state"))
	r.Exec("ln", "-s", "state", r.FS.Path(volume.StateFolder))
	nothing("coppice's records on the filesystem can't be used", "symbolic link")
	r.Exec("rm", r.FS.Path(volume.StateFolder))
	r.Exec("mv", r.FS.Path("state"), r.FS.Path(volume.StateFolder))

	r.Write(volume.VersionPath, "2\n")
	nothing(`are of version "2"; this coppice knows version 1 and touches nothing`)
	r.Refuses(take, `are of version "2"`)
	rig.Contains(t, rig.Told(r.Apply(take, takePlan).Diagnostics), `are of version "2"`)
	rig.Contains(t, rig.Told(r.Plan(r.Request(9, "list", nil)).Diagnostics), "warning", "no snapshot is shown as managed")
	if err := os.Remove(r.FS.Path(volume.VersionPath)); err != nil {
		t.Fatal(err)
	}
	nothing("is missing beside the records")
	r.Write(volume.VersionPath, "1\n")
	if err := os.Chmod(r.FS.Path(volume.StateFolder), 0o777); err != nil {
		t.Fatal(err)
	}
	nothing("can be written by others than root")
	if err := os.Chmod(r.FS.Path(volume.StateFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if len(r.Apply(prune, plan).Done) != 2 {
		t.Error("not deleted once all is well")
	}
}
