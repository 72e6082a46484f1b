package btrfs

import (
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
)

// A crash leaves the record and the snapshots as they are between two writes.
func TestCrash(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home")
	r.snapshots(4, "root", "home")
	stamp := func(n int) string { return stampOf(r.runs[n]) }

	edit := func(n int, change func(*record)) {
		t.Helper()
		name := r.fs.Path(recordsFolder, recordName(stamp(n), "run-"+string(rune('0'+n))))
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
	r.btrfs("subvolume", "delete", r.fs.Path("snapshots/home/"+stamp(1)))
	edit(1, func(rec *record) { rec.Members[0].UUID, rec.Members[1].UUID = [16]byte{}, [16]byte{} })
	// The record of run 2 is lost: nobody knows its snapshots.
	if err := os.Remove(r.fs.Path(recordsFolder, recordName(stamp(2), "run-2"))); err != nil {
		t.Fatal(err)
	}
	// Run 7 ended before its snapshots. What somebody else put in the place of one is not claimed.
	r.request(7, "snapshot", nil)
	r.write(recordsFolder+"/"+recordName(stamp(7), "run-7"), strings.ReplaceAll(`{"run":"run-7","stamp":"STAMP","taken_by":"btrfs.snapshot","members":[
		{"path":"snapshots/root/STAMP","source":"root","source_uuid":"01234567-89ab-cdef-0123-456789abcdef"},
		{"path":"snapshots/home/STAMP","source":"home","source_uuid":"01234567-89ab-cdef-0123-456789abcdef"}]}`, "STAMP", stamp(7)))
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("root"), r.fs.Path("snapshots/root/"+stamp(7)))
	r.write(recordsFolder+"/.coppice-tmp-ABC", "half a rec")

	q := r.request(9, "prune", inputs{"last": 1})
	plan := r.plan(q)
	same(t, "changes", names(plan.Changes), []string{
		"delete snapshots/home/" + stamp(0), "delete snapshots/root/" + stamp(0), "delete snapshots/root/" + stamp(1),
	})
	same(t, "foreign", outputs[PruneOutput](t, plan.Outputs).Foreign,
		[]string{"snapshots/home/" + stamp(2), "snapshots/root/" + stamp(2), "snapshots/root/" + stamp(7)})
	if len(r.apply(q, plan).Done) != 3 {
		t.Error("not deleted")
	}
	// The record of run 7 stays as long as something is at one of its paths.
	if left := r.records(); len(left) != 2 {
		t.Errorf("records: %q", left)
	}
	if _, err := os.Lstat(r.fs.Path(recordsFolder, ".coppice-tmp-ABC")); err == nil {
		t.Error("the temporary file is still there")
	}

	// A run that was interrupted goes on where it was.
	take := r.request(20, "snapshot", inputs{"sources": []string{"root"}})
	r.run(take)
	take = r.request(20, "snapshot", inputs{"sources": []string{"root", "home"}})
	p, result := r.run(take)
	same(t, "changes", names(p.Changes), []string{"create snapshots/home/" + stamp(20)})
	out := outputs[SnapshotOutput](t, result.Outputs)
	if len(out.Snapshots) != 2 || out.Snapshots[0].UUID == "" || out.Snapshots[1].UUID == "" || out.Atomic {
		t.Errorf("resumed: %s", show(out))
	}
	before := r.all()
	result = r.apply(take, p)
	if len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", show(result))
	}
	p, _ = r.run(take)
	if len(p.Changes) != 0 || len(p.Unknown) != 0 || len(p.Kept) != 2 {
		t.Errorf("planned again: %s", show(p))
	}
	same(t, "subvolumes", r.all(), before)

	// The name is taken by somebody else.
	r.request(21, "snapshot", nil)
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("root"), r.fs.Path("snapshots/root/"+stamp(21)))
	p = r.plan(r.request(21, "snapshot", inputs{"sources": []string{"root", "home"}}))
	contains(t, told(p.Diagnostics), "error", "exists already and is not of this run")
	same(t, "changes", names(p.Changes), []string{"create snapshots/home/" + stamp(21)})
}

func TestBrokenState(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(3, "root")
	prune := r.request(9, "prune", inputs{"last": 1})
	plan := r.plan(prune)
	take := r.request(10, "snapshot", inputs{"sources": []string{"root"}})
	takePlan := r.plan(take)
	before := r.all()

	nothing := func(want ...string) {
		t.Helper()
		r.refuses(prune, want...)
		r.refuses(r.request(9, "delete", inputs{"subvolumes": []string{plan.Changes[0].Resource.Name}}), want...)
		result := r.apply(prune, plan)
		contains(t, told(result.Diagnostics), want...)
		same(t, "subvolumes", r.all(), before)
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
		nothing("a record of the catalogue can't be read, so nothing is deleted", ".coppice/snapshots/"+stampOf(r.runs[1]))
	}
	if err := os.WriteFile(record, good, 0o600); err != nil {
		t.Fatal(err)
	}

	for _, command := range [][]string{{"ln", "-s", "/tmp", r.fs.Path(holdsFolder)}, {"touch", r.fs.Path(holdsFolder)}} {
		r.exec(command[0], command[1:]...)
		nothing("a hold can't be read, so nothing is deleted")
		r.exec("rm", r.fs.Path(holdsFolder))
	}
	r.exec("mv", r.fs.Path(stateFolder), r.fs.Path("state"))
	r.exec("ln", "-s", "state", r.fs.Path(stateFolder))
	nothing("coppice's records on the filesystem can't be used", "symbolic link")
	r.exec("rm", r.fs.Path(stateFolder))
	r.exec("mv", r.fs.Path("state"), r.fs.Path(stateFolder))

	r.write(versionPath, "2\n")
	nothing(`are of version "2"; this coppice knows version 1 and touches nothing`)
	r.refuses(take, `are of version "2"`)
	contains(t, told(r.apply(take, takePlan).Diagnostics), `are of version "2"`)
	contains(t, told(r.plan(r.request(9, "list", nil)).Diagnostics), "warning", "no snapshot is shown as managed")
	if err := os.Remove(r.fs.Path(versionPath)); err != nil {
		t.Fatal(err)
	}
	nothing("is missing beside the records")
	r.write(versionPath, "1\n")
	if err := os.Chmod(r.fs.Path(stateFolder), 0o777); err != nil {
		t.Fatal(err)
	}
	nothing("can be written by others than root")
	if err := os.Chmod(r.fs.Path(stateFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if len(r.apply(prune, plan).Done) != 2 {
		t.Error("not deleted once all is well")
	}
}
