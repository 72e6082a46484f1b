package recovery

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestRestore(t *testing.T) {
	r := newRig(t)
	r.Create("home")
	r.sh(`mkdir -p home/alice/docs; echo lost >home/alice/docs/letter; echo x >"home/alice/docs/ä b"; chown -R 1000:1000 home/alice; chmod 700 home/alice/docs; touch -d 2020-01-01 home/alice/docs/letter`)
	snap := r.snapshot(1, "home")[0]
	restore := func(n int, in rig.Inputs) (*sdk.Plan, RestoreOutput) {
		t.Helper()
		p, result := r.Run(r.Request(n, "restore", in))
		out := rig.Outputs[RestoreOutput](t, result.Outputs)
		rig.Same(t, "planned outputs", rig.Outputs[RestoreOutput](t, p.Outputs), out)
		if len(result.Done) != len(p.Changes) {
			t.Errorf("done: %v of %s", result.Done, rig.Show(p.Changes))
		}
		return p, out
	}
	stat := func(path string) string { return r.Exec("stat", "-c", "%a %u:%g %s %y", r.FS.Path(path)) }

	// What is there as it was needs nothing; what is gone comes back as it was.
	letter := rig.Inputs{"snapshot": snap, "path": "alice/docs/letter"}
	if p, _ := restore(2, letter); len(p.Changes) != 0 || len(p.Kept) != 1 {
		t.Errorf("%s", rig.Show(p))
	}
	r.sh("rm home/alice/docs/letter")
	p, out := restore(3, letter)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create home/alice/docs/letter"})
	if r.read("home/alice/docs/letter") != "lost\n" || stat("home/alice/docs/letter") != stat(snap+"/alice/docs/letter") || out.Bytes != 5 {
		t.Errorf("restored: %s", stat("home/alice/docs/letter"))
	}
	if again, _ := restore(3, letter); len(again.Changes) != 0 {
		t.Errorf("again: %s", rig.Show(again))
	}

	// What is different is never overwritten without being told.
	r.Write("home/alice/docs/letter", "changed since")
	r.Refuses(r.Request(4, "restore", letter), "/to", "is not the same", "existing: replace")
	_, out = restore(4, rig.Inputs{"snapshot": snap, "path": "alice/docs/letter", "existing": "beside"})
	if out.Path != "home/alice/docs/letter.restored" || r.read(out.Path) != "lost\n" || r.read("home/alice/docs/letter") != "changed since" {
		t.Errorf("beside: %s", rig.Show(out))
	}
	if p, _ := restore(5, rig.Inputs{"snapshot": snap, "path": "alice/docs/letter", "existing": "beside"}); len(p.Changes) != 0 {
		t.Errorf("beside, again: %s", rig.Show(p))
	}
	r.Write("home/alice/docs/letter.restored", "changed too")
	if _, out = restore(6, rig.Inputs{"snapshot": snap, "path": "alice/docs/letter", "existing": "beside"}); out.Path != "home/alice/docs/letter.restored-2" {
		t.Errorf("beside, the third: %s", rig.Show(out))
	}
	p, _ = restore(7, rig.Inputs{"snapshot": r.UUIDOf(snap), "path": "alice/docs/letter", "existing": "replace"})
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"update home/alice/docs/letter"})
	if r.read("home/alice/docs/letter") != "lost\n" {
		t.Error("not replaced")
	}

	// Other content of the same size and time is other content.
	r.sh(`cd home/alice/docs; printf xxxx | dd of=letter conv=notrunc status=none; touch -d 2020-01-01 letter`)
	r.Refuses(r.Request(7, "restore", letter), "is not the same")
	restore(7, rig.Inputs{"snapshot": snap, "path": "alice/docs/letter", "existing": "replace"})
	if r.read("home/alice/docs/letter") != "lost\n" {
		t.Error("not replaced")
	}

	// A folder; one that is replaced stays beside.
	p, out = restore(8, rig.Inputs{"snapshot": snap, "path": "alice/docs", "existing": "replace"})
	rig.Contains(t, rig.Show(p.Changes), "folder with 2 files", "which stays as")
	rig.Same(t, "restored", r.entries("home/alice/docs"), []string{"letter", "ä b"})
	if !strings.HasPrefix(out.Kept, "home/alice/docs.replaced-") || len(r.entries(out.Kept)) != 4 || stat("home/alice/docs") != stat(snap+"/alice/docs") {
		t.Errorf("replaced: %s, %q", rig.Show(out), r.entries(out.Kept))
	}
	rig.Same(t, "nothing is left", len(r.entries("home/alice")), 2)
	r.sh("rm -r home/alice")
	r.Refuses(r.Request(9, "restore", letter), "/to", `there is no "home/alice"`)
	restore(9, rig.Inputs{"snapshot": snap, "path": "alice"})

	// Elsewhere: on this filesystem by either kind of path, on another one only as a copy.
	_, out = restore(10, rig.Inputs{"snapshot": snap, "path": "alice/docs/letter", "to": r.FS.Path("home/here")})
	if out.Path != "home/here" || r.read("home/here") != "lost\n" {
		t.Errorf("%s", rig.Show(out))
	}
	dir := real(t, t.TempDir())
	r.Refuses(r.Request(11, "restore", rig.Inputs{"snapshot": snap, "path": "alice", "to": dir + "/alice"}), "/to", "another filesystem", "set copy")
	_, out = restore(11, rig.Inputs{"snapshot": snap, "path": "alice", "to": dir + "/alice", "copy": true})
	if data, err := os.ReadFile(dir + "/alice/docs/letter"); string(data) != "lost\n" || err != nil || out.Path != dir+"/alice" {
		t.Errorf("%s: %v", rig.Show(out), err)
	}

	// Nobody is led astray by links.
	r.sh("ln -s /etc home/link; btrfs -q subvolume snapshot -r home snap2; btrfs -q subvolume create home/nested; btrfs -q subvolume snapshot -r home snap3; rm home/link")
	restore(12, rig.Inputs{"snapshot": "snap2", "path": "link"})
	if to, err := os.Readlink(r.FS.Path("home/link")); to != "/etc" || err != nil {
		t.Errorf("a link: %q, %v", to, err)
	}
	for want, in := range map[string]rig.Inputs{
		`"snap2/link" is a symbolic link`: {"snapshot": "snap2", "path": "link/passwd"},
		`"home/link" is a symbolic link`:  {"snapshot": snap, "path": "alice/docs/letter", "to": "home/link/x"},
		"/to":                             {"snapshot": snap, "path": "alice/docs/letter", "to": r.FS.Path("home/link/x")},
		"has no \"alice/none\"":           {"snapshot": snap, "path": "alice/none"},
		"is all of the snapshot":          {"snapshot": snap, "path": "."},
		"of its own":                      {"snapshot": "snap3", "path": "nested"},
		"which is read-only":              {"snapshot": snap, "path": "alice", "to": "snap2/new"},
		"coppice's own":                   {"snapshot": snap, "path": "alice", "to": ".coppice/x"},
		"there is no subvolume":           {"snapshot": "none", "path": "alice"},
		"is not replaced":                 {"snapshot": snap, "path": "alice", "to": "home/nested", "existing": "replace"},
	} {
		r.Refuses(r.Request(13, "restore", in), want)
	}

	// In a preview: out of a snapshot that an earlier step would take.
	take := r.Plan(r.Request(14, "snapshot", rig.Inputs{"sources": []string{"home"}}))
	q := r.Request(14, "restore", rig.Inputs{"snapshot": take.Changes[0].Resource.Name, "path": "alice/docs/letter", "to": "home/there"}, take.Changes...)
	p = r.Plan(q)
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create home/there"})
	r.Refuses(r.Request(14, "restore", rig.Inputs{"snapshot": snap, "path": "alice", "to": "home/there"}, p.Changes...), "is not the same")
}

// What has changed between plan and run is not touched.
func TestRestoreDrift(t *testing.T) {
	r := newRig(t)
	r.Create("home")
	r.sh(`mkdir home/d; for i in 1 2 3 4 5 6 7 8; do echo $i >home/d/$i; done`)
	snap := r.snapshot(1, "home")[0]
	r.sh("rm -r home/d")
	q := r.Request(2, "restore", rig.Inputs{"snapshot": snap, "path": "d"})
	p := r.Plan(q)
	r.Write("home/d/mine", "x")
	rig.Contains(t, rig.Told(r.Apply(q, p).Diagnostics), "drifted", "is there now and was not")
	r.sh("rm -r home/d")

	// Cancelled, nothing is left.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := r.Plugin.Apply(ctx, q, p, func(sdk.Event) {})
	if err == nil {
		rig.Contains(t, rig.Told(result.Diagnostics), "cancelled")
	}
	rig.Same(t, "left", r.entries("home"), []string{})
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	result, err = r.Plugin.Apply(ctx, q, p, func(e sdk.Event) {
		if _, is := e.(sdk.Progress); is { // in the middle of it
			cancel()
		}
	})
	if err != nil || len(result.Done) > 0 {
		t.Errorf("cancelled while it copies: %s, %v", rig.Show(result), err)
	}
	rig.Contains(t, rig.Told(result.Diagnostics), "cancelled")
	rig.Same(t, "left", r.entries("home"), []string{})
	r.Run(q)
	r.Write("home/d/1", "other")
	replace := r.Request(3, "restore", rig.Inputs{"snapshot": snap, "path": "d/1", "existing": "replace"})
	p = r.Plan(replace)
	r.Write("home/d/1", "and another")
	rig.Contains(t, rig.Told(r.Apply(replace, p).Diagnostics), "drifted", "has changed")
	r.Btrfs("subvolume", "delete", r.FS.Path(snap))
	rig.Contains(t, rig.Told(r.Apply(replace, p).Diagnostics), "drifted", "is not there any more")
	if left, _ := filepath.Glob(r.FS.Path("home/d/" + kernel.TempPrefix + "*")); len(left) > 0 || r.read("home/d/1") != "and another" {
		t.Errorf("left: %q", left)
	}
}
