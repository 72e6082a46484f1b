package subvolume

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// What is in a folder and is not ours stays, whatever it looks like.
func TestForeign(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(3, "root")
	folder := "snapshots/root/"
	old := time.Now().Add(-30 * 24 * time.Hour)
	r.Exec("mkdir", r.FS.Path(folder+StampOf(old)))
	r.Write(folder+"file", "")
	r.Exec("ln", "-s", StampOf(r.Instants[0]), r.FS.Path(folder+"link"))
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path(folder+StampOf(time.Now())))
	r.Btrfs("subvolume", "snapshot", r.FS.Path("root"), r.FS.Path(folder+"writable\nname"))
	writable := folder + StampOf(r.Instants[0])
	r.Btrfs("property", "set", "-ts", r.FS.Path(writable), "ro", "false")
	r.Exec("mv", r.FS.Path(folder+StampOf(r.Instants[1])), r.FS.Path(folder+"renamed"))
	r.snapshot(3, "root")

	before := r.all()
	plan, _ := r.Run(r.Request(4, "prune", rig.Inputs{"last": 1}))
	gone := folder + StampOf(r.Instants[2])
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"delete " + gone})
	rig.Same(t, "subvolumes", r.all(), slices.DeleteFunc(before, func(p string) bool { return p == gone }))
	if n := len(rig.Outputs[PruneOutput](t, plan.Outputs).Foreign); n != 7 {
		t.Errorf("%d are foreign", n)
	}
	rig.Contains(t, rig.Told(plan.Diagnostics), "plain directory", "and 2 more", "writable", `file" (it is a file)`)
	if len(plan.Diagnostics) != 1 {
		t.Errorf("not one warning a source: %s", rig.Told(plan.Diagnostics))
	}
	for _, k := range plan.Kept {
		if strings.HasSuffix(k.Resource.Name, "/renamed") && !strings.Contains(k.Reason, "not a stamp") {
			t.Errorf("kept: %s", rig.Show(k))
		}
	}
}

func TestProtected(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(6, "root")
	paths := make([]string, 6)
	for i := range paths {
		paths[i] = "snapshots/root/" + StampOf(r.Instants[i])
	}
	at := r.FS.Dir + "/elsewhere"
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(r.FS.Loop[0], at, "btrfs", 0, "subvol="+paths[0]); err != nil {
		t.Fatal(err)
	}
	r.Btrfs("subvolume", "set-default", r.FS.Path(paths[1]))
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf(paths[2]), `{"reason":"before upgrade","who":"me","until":"`+future.Format(time.RFC3339)+`"}`)
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf(paths[3]), `{"reason":"over","until":"`+past.Format(time.RFC3339)+`"}`)

	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"delete " + paths[3], "delete " + paths[4]})
	rig.Contains(t, rig.Show(plan.Kept), "mounted at", "default subvolume", "pinned: before upgrade")

	for i, want := range []string{"mounted at", "default subvolume", "pinned: before upgrade"} {
		r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{paths[4], paths[i]}}), "/subvolumes/1", want)
	}

	// All of it comes between plan and run.
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf(paths[3]), `{"reason":"just now"}`)
	result := r.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "drifted", "pinned: just now")
	rig.Same(t, "done", result.Done, []int{1})
	if out := rig.Outputs[PruneOutput](t, result.Outputs); len(out.Deleted) != 1 || out.Deleted[0].Path != paths[4] {
		t.Errorf("deleted: %s", rig.Show(out.Deleted))
	}
	r.Write(volume.HoldsFolder+"/"+r.UUIDOf(paths[2]), `{"until": 5}`)
	r.Refuses(r.Request(9, "prune", rig.Inputs{"last": 1}), "a hold can't be read, so nothing is deleted", r.UUIDOf(paths[2]))
	r.Refuses(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{paths[3]}}), "a hold can't be read")
	result = r.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "a hold can't be read")
}

func TestHoldSwitch(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(3, "root")
	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	open := r.Plan(q)
	if len(open.Changes) != 2 {
		t.Fatalf("changes: %q", rig.Names(open.Changes))
	}
	victim := open.Changes[0].Resource.Name
	for name, set := range map[string]string{
		r.FS.Path(volume.HoldPath): ".coppice/hold on the filesystem",
		r.Host.HoldFile:            r.Host.HoldFile,
		r.Host.Cmdline:             "coppice.hold=1 on the kernel command line",
	} {
		if err := os.WriteFile(name, []byte("quiet coppice.hold=1 root=x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		plan := r.Plan(q)
		if len(plan.Changes) != 0 || len(plan.Kept) != 3 {
			t.Errorf("planned: %s", rig.Show(plan))
		}
		rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "nothing is deleted: deleting is switched off by "+set)
		plan = r.Plan(r.Request(9, "delete", rig.Inputs{"subvolumes": []string{victim}}))
		if len(plan.Changes) != 0 || len(plan.Kept) != 1 {
			t.Errorf("planned: %s", rig.Show(plan))
		}
		result := r.Apply(q, open)
		if len(result.Done) != 0 || !strings.Contains(rig.Told(result.Diagnostics), set) {
			t.Errorf("deleted %v: %s", result.Done, rig.Told(result.Diagnostics))
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Apply(q, open).Done) != 2 {
		t.Error("not deleted after the switches are off")
	}
}

func TestOtherTools(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home")
	r.snapshots(3, "root", "home")
	prune := func(more rig.Inputs) *sdk.Plan {
		t.Helper()
		in := rig.Inputs{"last": 1}
		for k, v := range more {
			in[k] = v
		}
		return r.Plan(r.Request(9, "prune", in))
	}
	r.Write("snapshots/home/17/info.xml", "<snapshot/>")
	plan := prune(nil)
	if len(plan.Changes) != 2 || !strings.Contains(rig.Told(plan.Diagnostics), `"home": snapper keeps snapshots in the folder "snapshots/home"`) {
		t.Errorf("snapper in a source's folder: %q %s", rig.Names(plan.Changes), rig.Told(plan.Diagnostics))
	}
	rig.Contains(t, rig.Show(plan.Kept), "snapper keeps snapshots")
	if plan = prune(rig.Inputs{"shared_with": "others"}); len(plan.Changes) != 4 || len(plan.Diagnostics) != 0 {
		t.Errorf("shared: %q %s", rig.Names(plan.Changes), rig.Told(plan.Diagnostics))
	}
	r.Exec("rm", "-r", r.FS.Path("snapshots/home/17"))
	r.Write("snapshots/home/18/other.xml", "no snapshot of snapper")
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path("snapshots/root.20260101T1200_1"))
	plan = prune(nil)
	if len(plan.Changes) != 0 || !strings.Contains(rig.Told(plan.Diagnostics), `"home", "root": btrbk keeps snapshots in the folder "snapshots"`) {
		t.Errorf("btrbk in the folder of all: %q %s", rig.Names(plan.Changes), rig.Told(plan.Diagnostics))
	}
}

func TestRefusedFolders(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home", "var")
	r.snapshots(3, "root", "home", "var")
	r.Exec("mv", r.FS.Path("snapshots/root"), r.FS.Path("moved"))
	r.Exec("ln", "-s", "../moved", r.FS.Path("snapshots/root"))
	q := r.Request(9, "prune", rig.Inputs{"last": 1, "sources": []string{"home", "root", "nobody"}})
	plan := r.Plan(q)
	if len(plan.Changes) != 2 || !strings.HasPrefix(plan.Changes[0].Resource.Name, "snapshots/home/") {
		t.Errorf("changes: %q", rig.Names(plan.Changes))
	}
	rig.Contains(t, rig.Told(plan.Diagnostics), "/sources/1", "symbolic link", "/sources/2", `"snapshots/nobody" does not exist`)
	if n := len(r.Apply(q, plan).Done); n != 2 {
		t.Errorf("%d were deleted", n)
	}

	p := r.Plan(r.Request(10, "snapshot", rig.Inputs{"sources": []string{"root", "home"}}))
	rig.Contains(t, rig.Told(p.Diagnostics), "/sources/0", "symbolic link")
	rig.Same(t, "changes", len(p.Changes), 1)

	r.Exec("mv", r.FS.Path("snapshots"), r.FS.Path("all"))
	r.Exec("ln", "-s", "all", r.FS.Path("snapshots"))
	r.Refuses(r.Request(11, "prune", rig.Inputs{"last": 1}), "/snapshots", "symbolic link")
	r.Refuses(r.Request(11, "snapshot", rig.Inputs{"sources": []string{"home"}}), "/into", "symbolic link")
}

// Between plan and run everything can change.
func TestDrift(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "home")
	r.snapshots(5, "root")
	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(q)
	r.Btrfs("subvolume", "delete", r.FS.Path(plan.Changes[0].Resource.Name))
	r.Exec("mv", r.FS.Path(plan.Changes[1].Resource.Name), r.FS.Path("snapshots/root/elsewhere"))
	r.Btrfs("property", "set", "-ts", r.FS.Path(plan.Changes[2].Resource.Name), "ro", "false")
	result := r.Apply(q, plan)
	rig.Same(t, "done", result.Done, []int{3})
	rig.Contains(t, rig.Told(result.Diagnostics), `is at "snapshots/root/elsewhere" now`, "it is writable")
	if len(result.Diagnostics) != 2 {
		t.Errorf("%s", rig.Told(result.Diagnostics))
	}

	r.snapshots(4, "home") // the runs of before, other records
	plan = r.Plan(q)
	newest := "snapshots/home/" + StampOf(r.Instants[3])
	r.Btrfs("subvolume", "delete", r.FS.Path(newest))
	result = r.Apply(q, plan)
	if len(result.Done) != 0 {
		t.Errorf("the last snapshots were deleted: %v", result.Done)
	}
	rig.Contains(t, rig.Told(result.Diagnostics), `no other snapshot of "home" would be left`)

	take := r.Request(12, "snapshot", rig.Inputs{"sources": []string{"root", "home"}})
	plan = r.Plan(take)
	r.Btrfs("subvolume", "delete", r.FS.Path("home"))
	r.Create("home")
	result = r.Apply(take, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "drifted", `"home" is another subvolume now`)
	if slices.Contains(r.all(), "snapshots/root/"+StampOf(r.Instants[12])) {
		t.Error("a part of the group was taken")
	}
}

func TestBusyAndCancelled(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.snapshots(3, "root")
	q := r.Request(9, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(q)

	f, err := volume.Open(context.Background(), volume.Target{Filesystem: sdk.Filesystem(r.FS.Mount)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unlock, err := f.LockNames(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	result := r.Apply(q, plan)
	if len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Busy {
		t.Errorf("locked: %s", rig.Told(result.Diagnostics))
	}
	unlock()

	ctx, cancel := context.WithCancel(context.Background())
	result, err = r.Plugin.Apply(ctx, q, plan, func(e sdk.Event) {
		if _, ok := e.(sdk.Done); ok {
			cancel()
		}
	})
	if err != nil || len(result.Done) != 1 || len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled {
		t.Errorf("cancelled after the first: %s, %v", rig.Show(result), err)
	}
	rig.Same(t, "the rest", r.Apply(q, plan).Done, []int{1})

	locks, err := r.Plugin.Resolve(context.Background(), q)
	if err != nil || len(locks) != 1 || locks[0].Key != "btrfs:"+f.UUID().String()+":names" {
		t.Errorf("locks: %s, %v", rig.Show(locks), err)
	}
}
