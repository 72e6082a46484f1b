package btrfs

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
)

// What is in a folder and is not ours stays, whatever it looks like.
func TestForeign(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(3, "root")
	folder := "snapshots/root/"
	old := time.Now().Add(-30 * 24 * time.Hour)
	r.exec("mkdir", r.fs.Path(folder+stampOf(old)))
	r.write(folder+"file", "")
	r.exec("ln", "-s", stampOf(r.runs[0]), r.fs.Path(folder+"link"))
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("root"), r.fs.Path(folder+stampOf(time.Now())))
	r.btrfs("subvolume", "snapshot", r.fs.Path("root"), r.fs.Path(folder+"writable\nname"))
	writable := folder + stampOf(r.runs[0])
	r.btrfs("property", "set", "-ts", r.fs.Path(writable), "ro", "false")
	r.exec("mv", r.fs.Path(folder+stampOf(r.runs[1])), r.fs.Path(folder+"renamed"))
	r.snapshot(3, "root")

	before := r.all()
	plan, _ := r.run(r.request(4, "prune", inputs{"last": 1}))
	gone := folder + stampOf(r.runs[2])
	same(t, "changes", names(plan.Changes), []string{"delete " + gone})
	same(t, "subvolumes", r.all(), slices.DeleteFunc(before, func(p string) bool { return p == gone }))
	if n := len(outputs[PruneOutput](t, plan.Outputs).Foreign); n != 7 {
		t.Errorf("%d are foreign", n)
	}
	contains(t, told(plan.Diagnostics), "plain directory", "and 2 more", "writable", `file" (it is a file)`)
	if len(plan.Diagnostics) != 1 {
		t.Errorf("not one warning a source: %s", told(plan.Diagnostics))
	}
	for _, k := range plan.Kept {
		if strings.HasSuffix(k.Resource.Name, "/renamed") && !strings.Contains(k.Reason, "not a stamp") {
			t.Errorf("kept: %s", show(k))
		}
	}
}

func TestProtected(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(6, "root")
	paths := make([]string, 6)
	for i := range paths {
		paths[i] = "snapshots/root/" + stampOf(r.runs[i])
	}
	at := r.fs.Dir + "/elsewhere"
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.fs.Loop[0], at, "btrfs", 0, "subvol="+paths[0]); err != nil {
		t.Fatal(err)
	}
	r.btrfs("subvolume", "set-default", r.fs.Path(paths[1]))
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	r.write(holdsFolder+"/"+r.uuidOf(paths[2]), `{"reason":"before upgrade","who":"me","until":"`+future.Format(time.RFC3339)+`"}`)
	r.write(holdsFolder+"/"+r.uuidOf(paths[3]), `{"reason":"over","until":"`+past.Format(time.RFC3339)+`"}`)

	q := r.request(9, "prune", inputs{"last": 1})
	plan := r.plan(q)
	same(t, "changes", names(plan.Changes), []string{"delete " + paths[3], "delete " + paths[4]})
	contains(t, show(plan.Kept), "mounted at", "default subvolume", "pinned: before upgrade")

	for i, want := range []string{"mounted at", "default subvolume", "pinned: before upgrade"} {
		r.refuses(r.request(9, "delete", inputs{"subvolumes": []string{paths[4], paths[i]}}), "/subvolumes/1", want)
	}

	// All of it comes between plan and run.
	r.write(holdsFolder+"/"+r.uuidOf(paths[3]), `{"reason":"just now"}`)
	result := r.apply(q, plan)
	contains(t, told(result.Diagnostics), "drifted", "pinned: just now")
	same(t, "done", result.Done, []int{1})
	if out := outputs[PruneOutput](t, result.Outputs); len(out.Deleted) != 1 || out.Deleted[0].Path != paths[4] {
		t.Errorf("deleted: %s", show(out.Deleted))
	}
	r.write(holdsFolder+"/"+r.uuidOf(paths[2]), `{"until": 5}`)
	r.refuses(r.request(9, "prune", inputs{"last": 1}), "a hold can't be read, so nothing is deleted", r.uuidOf(paths[2]))
	r.refuses(r.request(9, "delete", inputs{"subvolumes": []string{paths[3]}}), "a hold can't be read")
	result = r.apply(q, plan)
	contains(t, told(result.Diagnostics), "a hold can't be read")
}

func TestHoldSwitch(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(3, "root")
	q := r.request(9, "prune", inputs{"last": 1})
	open := r.plan(q)
	if len(open.Changes) != 2 {
		t.Fatalf("changes: %q", names(open.Changes))
	}
	victim := open.Changes[0].Resource.Name
	for name, set := range map[string]string{
		r.fs.Path(holdPath): ".coppice/hold on the filesystem",
		r.host.holdFile:     r.host.holdFile,
		r.host.cmdline:      "coppice.hold=1 on the kernel command line",
	} {
		if err := os.WriteFile(name, []byte("quiet coppice.hold=1 root=x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		plan := r.plan(q)
		if len(plan.Changes) != 0 || len(plan.Kept) != 3 {
			t.Errorf("planned: %s", show(plan))
		}
		contains(t, told(plan.Diagnostics), "warning", "nothing is deleted: deleting is switched off by "+set)
		plan = r.plan(r.request(9, "delete", inputs{"subvolumes": []string{victim}}))
		if len(plan.Changes) != 0 || len(plan.Kept) != 1 {
			t.Errorf("planned: %s", show(plan))
		}
		result := r.apply(q, open)
		if len(result.Done) != 0 || !strings.Contains(told(result.Diagnostics), set) {
			t.Errorf("deleted %v: %s", result.Done, told(result.Diagnostics))
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.apply(q, open).Done) != 2 {
		t.Error("not deleted after the switches are off")
	}
}

func TestOtherTools(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home")
	r.snapshots(3, "root", "home")
	prune := func(more inputs) *sdk.Plan {
		t.Helper()
		in := inputs{"last": 1}
		for k, v := range more {
			in[k] = v
		}
		return r.plan(r.request(9, "prune", in))
	}
	r.write("snapshots/home/17/info.xml", "<snapshot/>")
	plan := prune(nil)
	if len(plan.Changes) != 2 || !strings.Contains(told(plan.Diagnostics), `"home": snapper keeps snapshots in the folder "snapshots/home"`) {
		t.Errorf("snapper in a source's folder: %q %s", names(plan.Changes), told(plan.Diagnostics))
	}
	contains(t, show(plan.Kept), "snapper keeps snapshots")
	if plan = prune(inputs{"shared_with": "others"}); len(plan.Changes) != 4 || len(plan.Diagnostics) != 0 {
		t.Errorf("shared: %q %s", names(plan.Changes), told(plan.Diagnostics))
	}
	r.exec("rm", "-r", r.fs.Path("snapshots/home/17"))
	r.write("snapshots/home/18/other.xml", "no snapshot of snapper")
	r.btrfs("subvolume", "snapshot", "-r", r.fs.Path("root"), r.fs.Path("snapshots/root.20260101T1200_1"))
	plan = prune(nil)
	if len(plan.Changes) != 0 || !strings.Contains(told(plan.Diagnostics), `"home", "root": btrbk keeps snapshots in the folder "snapshots"`) {
		t.Errorf("btrbk in the folder of all: %q %s", names(plan.Changes), told(plan.Diagnostics))
	}
}

func TestRefusedFolders(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home", "var")
	r.snapshots(3, "root", "home", "var")
	r.exec("mv", r.fs.Path("snapshots/root"), r.fs.Path("moved"))
	r.exec("ln", "-s", "../moved", r.fs.Path("snapshots/root"))
	q := r.request(9, "prune", inputs{"last": 1, "sources": []string{"home", "root", "nobody"}})
	plan := r.plan(q)
	if len(plan.Changes) != 2 || !strings.HasPrefix(plan.Changes[0].Resource.Name, "snapshots/home/") {
		t.Errorf("changes: %q", names(plan.Changes))
	}
	contains(t, told(plan.Diagnostics), "/sources/1", "symbolic link", "/sources/2", `"snapshots/nobody" does not exist`)
	if n := len(r.apply(q, plan).Done); n != 2 {
		t.Errorf("%d were deleted", n)
	}

	p := r.plan(r.request(10, "snapshot", inputs{"sources": []string{"root", "home"}}))
	contains(t, told(p.Diagnostics), "/sources/0", "symbolic link")
	same(t, "changes", len(p.Changes), 1)

	r.exec("mv", r.fs.Path("snapshots"), r.fs.Path("all"))
	r.exec("ln", "-s", "all", r.fs.Path("snapshots"))
	r.refuses(r.request(11, "prune", inputs{"last": 1}), "/snapshots", "symbolic link")
	r.refuses(r.request(11, "snapshot", inputs{"sources": []string{"home"}}), "/into", "symbolic link")
}

// Between plan and run everything can change.
func TestDrift(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root", "home")
	r.snapshots(5, "root")
	q := r.request(9, "prune", inputs{"last": 1})
	plan := r.plan(q)
	r.btrfs("subvolume", "delete", r.fs.Path(plan.Changes[0].Resource.Name))
	r.exec("mv", r.fs.Path(plan.Changes[1].Resource.Name), r.fs.Path("snapshots/root/elsewhere"))
	r.btrfs("property", "set", "-ts", r.fs.Path(plan.Changes[2].Resource.Name), "ro", "false")
	result := r.apply(q, plan)
	same(t, "done", result.Done, []int{3})
	contains(t, told(result.Diagnostics), `is at "snapshots/root/elsewhere" now`, "it is writable")
	if len(result.Diagnostics) != 2 {
		t.Errorf("%s", told(result.Diagnostics))
	}

	r.snapshots(4, "home") // the runs of before, other records
	plan = r.plan(q)
	newest := "snapshots/home/" + stampOf(r.runs[3])
	r.btrfs("subvolume", "delete", r.fs.Path(newest))
	result = r.apply(q, plan)
	if len(result.Done) != 0 {
		t.Errorf("the last snapshots were deleted: %v", result.Done)
	}
	contains(t, told(result.Diagnostics), `no other snapshot of "home" would be left`)

	take := r.request(12, "snapshot", inputs{"sources": []string{"root", "home"}})
	plan = r.plan(take)
	r.btrfs("subvolume", "delete", r.fs.Path("home"))
	r.create("home")
	result = r.apply(take, plan)
	contains(t, told(result.Diagnostics), "drifted", `"home" is another subvolume now`)
	if slices.Contains(r.all(), "snapshots/root/"+stampOf(r.runs[12])) {
		t.Error("a part of the group was taken")
	}
}

func TestBusyAndCancelled(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.create("root")
	r.snapshots(3, "root")
	q := r.request(9, "prune", inputs{"last": 1})
	plan := r.plan(q)

	f, err := open(context.Background(), Target{sdk.Filesystem(r.fs.Mount)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unlock, err := f.LockNames(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	result := r.apply(q, plan)
	if len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Busy {
		t.Errorf("locked: %s", told(result.Diagnostics))
	}
	unlock()

	ctx, cancel := context.WithCancel(context.Background())
	result, err = r.plugin.Apply(ctx, q, plan, func(e sdk.Event) {
		if _, ok := e.(sdk.Done); ok {
			cancel()
		}
	})
	if err != nil || len(result.Done) != 1 || len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled {
		t.Errorf("cancelled after the first: %s, %v", show(result), err)
	}
	same(t, "the rest", r.apply(q, plan).Done, []int{1})

	locks, err := r.plugin.Resolve(context.Background(), q)
	if err != nil || len(locks) != 1 || locks[0].Key != "btrfs:"+f.UUID().String()+":names" {
		t.Errorf("locks: %s, %v", show(locks), err)
	}
}
