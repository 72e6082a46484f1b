package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// points of a replacement, in their order.
var points = []string{"start", "folders", "record", "pin", "copy", "ready", "exchanged", "synced"}

// broken makes a root with a good snapshot that has gone bad since, and returns the snapshot.
func (r *testRig) broken(n int) string {
	r.T.Helper()
	if n == 1 {
		r.Create("root")
	}
	r.Write("root/state", "good")
	snap := r.snapshot(n, "root")[0]
	r.Write("root/state", "bad")
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	return snap
}

func TestReplace(t *testing.T) {
	r := newRig(t)
	snap := r.broken(1)
	old := r.UUIDOf("root")
	r.sh(`btrfs -q subvolume create root/machines; btrfs -q subvolume create root/machines/m; mkdir mnt; mount -o subvol=root $(findmnt -no SOURCE .) mnt`)
	q := r.Request(2, "replace", rig.Inputs{"subvolume": r.FS.Path("mnt"), "from": snap})
	p := r.Plan(q)
	archived := "old_roots/" + subvolume.StampOf(r.Instants[2])
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update root", "create root"})
	rig.Contains(t, rig.Told(p.Diagnostics), "2 subvolumes in \"root\" goes into the archive with it: machines, machines/m", "is mounted at", "what is written there goes into the archived one")
	// Later steps of a preview see it as it will be.
	list := rig.Show(rig.Outputs[subvolume.ListOutput](t, r.Plan(r.Request(2, "list", nil, p.Changes...)).Outputs))
	rig.Contains(t, list, `"path": "`+archived+`"`, `"path": "`+archived+`/machines/m"`, `"path": "root"`)

	result := r.Apply(q, p)
	out := rig.Outputs[ReplaceOutput](t, result.Outputs)
	if sdk.HasErrors(result.Diagnostics) || len(result.Done) != 2 || out.Archived != archived || out.ArchivedUUID != old || string(out.UUID) != r.UUIDOf("root") {
		t.Fatalf("%s", rig.Show(result))
	}
	if r.UUIDOf(archived) != old || r.read("root/state") != "good" || r.read(archived+"/state") != "bad" || r.read("mnt/state") != "bad" {
		t.Error("not exchanged")
	}
	r.UUIDOf(archived + "/machines/m")
	r.Write("root/new", "writable")
	rig.Contains(t, r.read(volume.HoldsFolder+"/"+old), `"who": "btrfs.replace"`, "root until")
	if again, _ := r.Run(q); len(again.Changes) != 0 || len(again.Kept) != 1 {
		t.Errorf("again: %s", rig.Show(again))
	}
	if result := r.Apply(q, p); len(result.Done) != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("applied again: %s", rig.Show(result))
	}
	r.sh("umount mnt")

	// Once more, on request; and an archived one can be put back.
	p, _ = r.Run(r.Request(3, "replace", rig.Inputs{"subvolume": "root", "from": r.UUIDOf(snap), "again": true}))
	if len(p.Changes) != 2 {
		t.Errorf("again: %s", rig.Show(p))
	}
	p, _ = r.Run(r.Request(4, "replace", rig.Inputs{"subvolume": "root", "from": archived}))
	rig.Contains(t, rig.Told(p.Diagnostics), "will not be in the copy: machines")
	if r.read("root/state") != "bad" || len(r.entries("old_roots")) != 3 {
		t.Errorf("an archived one: %q", r.entries("old_roots"))
	}

	r.sh(`mkdir -p root/etc; printf 'UUID=x / btrfs defaults,subvolid=256 0 0\n# x /y btrfs subvolid=7 0 0\nUUID=x /home btrfs subvol=home 0 0\nUUID=x /mnt btrfs subvolid=5,noatime 0 0\n' >root/etc/fstab; btrfs -q subvolume snapshot -r root by-id; btrfs -q subvolume snapshot -r root ro; echo x >file`)
	p = r.Plan(r.Request(5, "replace", rig.Inputs{"subvolume": "root", "from": "by-id"}))
	if n := strings.Count(rig.Told(p.Diagnostics), "subvolid="); n != 1 {
		t.Errorf("%s", rig.Told(p.Diagnostics))
	}
	r.Create("home")
	other := r.snapshot(6, "home")[0]
	p = r.Plan(r.Request(7, "replace", rig.Inputs{"subvolume": "root", "from": other}))
	rig.Contains(t, rig.Told(p.Diagnostics), `is a snapshot of "home", not of "root" (is it the right one?`)
	for want, in := range map[string]rig.Inputs{
		"in its own place":                  {"subvolume": "root", "from": "root"},
		"there is no subvolume":             {"subvolume": "root", "from": "none"},
		"is no subvolume":                   {"subvolume": "file", "from": snap},
		"it can't be moved":                 {"subvolume": "ro", "from": snap},
		"would be archived":                 {"subvolume": "root", "from": snap, "archive": "root/old"},
		"which is read-only":                {"subvolume": "root", "from": snap, "archive": "ro/old"},
		"is a file, not a folder":           {"subvolume": "root", "from": snap, "archive": "file"},
		`where the snapshots of "root" are`: {"subvolume": "root", "from": snap, "archive": "snapshots/root"},
		"is reserved for coppice's":         {"subvolume": "root", "from": snap, "archive": ".coppice"},
	} {
		r.Refuses(r.Request(6, "replace", in), want)
	}
	r.Btrfs("subvolume", "set-default", r.FS.Path("root"))
	r.Refuses(r.Request(6, "replace", rig.Inputs{"subvolume": "root", "from": snap}), "default subvolume", "set-default")
	r.Btrfs("subvolume", "set-default", "5", r.FS.Mount)
	r.sh("mount -o remount,ro .")
	r.Refuses(r.Request(6, "replace", rig.Inputs{"subvolume": "root", "from": snap}), "is read-only")
}

// killed is the process of TestReplaceKilled that is killed at a point.
func TestKilled(t *testing.T) {
	point := os.Getenv("COPPICE_TEST_CUT")
	if point == "" {
		return // a test only as a process of another one
	}
	cut = func(at string) {
		if at == point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	var q sdk.Request
	if err := json.Unmarshal([]byte(os.Getenv("COPPICE_TEST_REQUEST")), &q); err != nil {
		t.Fatal(err)
	}
	plugin := &sdk.Plugin{Name: "btrfs", Version: "0", Actions: actions(volume.Host{
		HoldFile: "/nonexistent", Cmdline: "/nonexistent", Now: time.Now, LockWait: time.Minute, Clock: func() (string, error) { return "", nil }})}
	plan, err := plugin.Plan(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	result, err := plugin.Apply(context.Background(), q, plan, func(sdk.Event) {})
	t.Fatalf("not killed at %q: %s, %v", point, rig.Show(result), err)
}

// Wherever the process is killed, the path leads to the old root or to the new one, and a second run goes on.
func TestReplaceKilled(t *testing.T) {
	r := newRig(t)
	for i, point := range points {
		snap := r.broken(10*i + 1)
		old := r.UUIDOf("root")
		q := r.Request(10*i+2, "replace", rig.Inputs{"subvolume": "root", "from": snap})
		data, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "COPPICE_TEST_CUT="+point, "COPPICE_TEST_REQUEST="+string(data))
		out, _ := child.CombinedOutput()
		if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("%s: the process was not killed: %s", point, out)
		}
		r.afterCut(point, 10*i+3, snap, old, i+1)
	}
}

// afterCut looks at what a cut has left, and runs again.
func (r *testRig) afterCut(point string, n int, snap, old string, archived int) {
	r.T.Helper()
	exchanged := point == "exchanged" || point == "synced"
	state := r.read("root/state")
	if (state == "good") != exchanged && point != "exchanged" { // which need not be on disk
		r.T.Errorf("cut at %s: the state is %q", point, state)
	}
	if found := r.UUIDOf("root"); (found == old) != (state == "bad") {
		r.T.Errorf("cut at %s: root is %s with state %q", point, found, state)
	}
	p, result := r.Run(r.Request(n, "replace", rig.Inputs{"subvolume": "root", "from": snap}))
	if r.read("root/state") != "good" || (len(result.Done) == 0) != (state == "good") {
		r.T.Errorf("cut at %s, run again: %s, the state is %q", point, rig.Show(p.Changes), r.read("root/state"))
	}
	all := r.entries("old_roots")
	last := "old_roots/" + all[len(all)-1]
	if len(all) != archived || r.UUIDOf(last) != old || r.read(last+"/state") != "bad" {
		r.T.Errorf("cut at %s, run again: the archive has %q", point, all)
	}
	rig.Contains(r.T, r.read(volume.HoldsFolder+"/"+old), "btrfs.replace")
	if again := r.Plan(r.Request(n, "replace", rig.Inputs{"subvolume": "root", "from": snap})); len(again.Changes) != 0 {
		r.T.Errorf("cut at %s, third run: %s", point, rig.Show(again.Changes))
	}
	r.Write("root/state", "good") // it is writable
}

// The same when the power goes: what is in the image at each point is all that is left.
func TestReplacePowerCut(t *testing.T) {
	r := newRig(t)
	snap := r.broken(1)
	old := r.UUIDOf("root")
	image := r.FS.Image[0]
	defer func() { cut = func(string) {} }()
	cut = func(point string) { r.Exec("cp", "--sparse=always", image, image+"."+point) }
	r.Run(r.Request(2, "replace", rig.Inputs{"subvolume": "root", "from": snap}))
	cut = func(string) {}
	for i, point := range points {
		if err := r.FS.Unmount(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(image+"."+point, image); err != nil {
			t.Fatal(err)
		}
		if err := r.FS.MountAgain(""); err != nil {
			t.Fatalf("cut at %s: %v", point, err)
		}
		r.afterCut(point, 10+i, snap, old, 1)
	}
}

// A full disk fails without harm, at whatever point it is noticed.
func TestReplaceFull(t *testing.T) {
	r := newRig(t)
	snap := r.broken(1)
	old := r.UUIDOf("root")
	big, err := os.Create(r.FS.Path("big"))
	if err != nil {
		t.Fatal(err)
	}
	for piece := make([]byte, 1<<20); err == nil; { // the data
		_, err = big.Write(piece)
	}
	err = big.Close()
	for i := 0; err == nil; i++ { // and the metadata: small files lie in it
		err = os.WriteFile(r.FS.Path("root", fmt.Sprintf("%d-%s", i, strings.Repeat("x", 200))), make([]byte, 2000), 0o600)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	q := r.Request(2, "replace", rig.Inputs{"subvolume": "root", "from": snap})
	plan, err := r.Plugin.Plan(t.Context(), q)
	if err != nil {
		rig.Contains(t, rig.Told(sdk.Diagnose(err)), "is full", "free some space")
	} else {
		rig.Contains(t, rig.Told(r.Apply(q, plan).Diagnostics), "no space")
	}
	if r.UUIDOf("root") != old {
		t.Error("replaced on a full disk, with an error")
	}
	r.sh("rm big; find root -name '*-x*' -delete")
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	r.Run(r.Request(3, "replace", rig.Inputs{"subvolume": "root", "from": snap}))
	if r.read("root/state") != "good" || r.UUIDOf("root") == old {
		t.Error("not replaced when there is room again")
	}
}
