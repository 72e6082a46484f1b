package upkeep

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func TestTrim(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	weekly := rig.Inputs{"if_older": "7d"}
	q := r.request("trim", weekly)
	plan := r.Plan(q)
	if len(plan.Changes) != 1 {
		t.Fatalf("%s", rig.Show(plan))
	}
	result := r.Apply(q, plan)
	out := rig.Outputs[TrimOutput](t, result.Outputs)
	if !out.Supported || out.Bytes == 0 || !out.Next.Equal(r.now.Add(7*24*time.Hour)) || len(result.Diagnostics) != 0 {
		t.Errorf("%s", rig.Show(result))
	}
	if again := r.Apply(q, plan); len(again.Done) != 0 || string(again.Outputs) != string(result.Outputs) {
		t.Errorf("applied twice: %s", rig.Show(again))
	}
	r.later(6 * 24 * time.Hour)
	plan = r.Plan(r.request("trim", weekly))
	rig.Same(t, "changes", len(plan.Changes), 0)
	rig.Contains(t, plan.Summary, "not due: last finished")
	r.later(24 * time.Hour)
	rig.Same(t, "a week later", len(r.Plan(r.request("trim", weekly)).Changes), 1)

	// A read-only filesystem is trimmed all the same.
	r.remount("ro", nil)
	q = r.request("trim", nil)
	rig.Contains(t, rig.Told(r.Apply(q, r.Plan(q)).Diagnostics), "warning", "read-only, so this trim can't be recorded")
	r.remount("", nil)

	// Devices that can't.
	dir, remove, err := loopfs.WithoutDiscard(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, remove()) })
	r = newRig(t, loopfs.Options{Size: 128 << 20, Dir: dir})
	r.Refuses(r.request("trim", nil), "none of its devices can discard blocks ("+r.FS.Loop[0]+")")
	plan = r.Plan(r.request("trim", rig.Inputs{"if_unsupported": "skip"}))
	if out := rig.Outputs[TrimOutput](t, plan.Outputs); out.Supported || out.Due.Due || len(plan.Changes) != 0 {
		t.Errorf("%s", rig.Show(plan))
	}
}

func TestSync(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a", "b", "c")
	r.Write("a/file", string(make([]byte, 8<<20)))
	r.Exec("sync", "-f", r.FS.Mount)
	r.Btrfs("subvolume", "delete", r.FS.Path("a"), r.FS.Path("b"))
	q := r.request("sync", rig.Inputs{"until_clean": true})
	_, result := r.Run(q)
	if out := rig.Outputs[SyncOutput](t, result.Outputs); out.Left != 0 || out.Freed < 8<<20 {
		t.Errorf("%s", rig.Show(out))
	}
	if list := r.Btrfs("subvolume", "list", "-d", r.FS.Mount); list != "" {
		t.Errorf("btrfs still lists %s", list)
	}

	// A process with its working directory there.
	c := exec.Command("sleep", "1000")
	c.Dir = r.FS.Path("c")
	must(t, c.Start())
	r.Btrfs("subvolume", "delete", r.FS.Path("c"))
	q = r.request("sync", rig.Inputs{"until_clean": true, "wait": "200ms"})
	result = r.Apply(q, r.Plan(q))
	rig.Same(t, "held", reasons(result.Diagnostics), []string{"error failed"})
	rig.Contains(t, rig.Told(result.Diagnostics), "not freed after 200ms: 1 deleted subvolume, held by process", "working directory")
	if out := rig.Outputs[SyncOutput](t, result.Outputs); out.Left != 1 {
		t.Errorf("%s", rig.Show(out))
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	r.Run(r.request("sync", rig.Inputs{"until_clean": true}))

	r.remount("ro", nil)
	plan := r.Plan(r.request("sync", nil))
	if len(plan.Changes) != 0 || !strings.Contains(rig.Show(plan), "read-only") {
		t.Errorf("%s", rig.Show(plan))
	}
}
