package layout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// shown are the groups that btrfs prints: referenced, exclusive and their limits, by id.
func (r *testRig) shown() map[string][4]string {
	r.T.Helper()
	groups := map[string][4]string{}
	for line := range strings.Lines(r.Btrfs("qgroup", "show", "--raw", "-re", r.FS.Mount)) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.Contains(f[0], "/") {
			continue
		}
		groups[f[0]] = [4]string{f[1], f[2], f[3], f[4]}
	}
	return groups
}

// agree expects btrfs.quota_usage to say what btrfs says.
func (r *testRig) agree() QuotaUsageOutput {
	r.T.Helper()
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	out := rig.Outputs[QuotaUsageOutput](r.T, r.plans("quota_usage", nil).Outputs)
	shown := r.shown()
	if len(shown) != len(out.Groups) || len(shown) == 0 {
		r.T.Errorf("btrfs shows %d groups, not %d", len(shown), len(out.Groups))
	}
	limit := func(n sdk.Size) string {
		if n == 0 {
			return "none"
		}
		return strconv.FormatInt(int64(n), 10)
	}
	for _, g := range out.Groups {
		got := [4]string{fmt.Sprint(int64(g.Referenced)), fmt.Sprint(int64(g.Exclusive)), limit(g.MaxReferenced), limit(g.MaxExclusive)}
		if got != shown[g.Group] {
			r.T.Errorf("group %s of %q is %q, and btrfs shows %q", g.Group, g.Path, got, shown[g.Group])
		}
	}
	return out
}

func TestQuota(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	r.Write("a/file", strings.Repeat("x", 1<<20))
	if out := rig.Outputs[QuotaUsageOutput](t, r.plans("quota_usage", nil).Outputs); out.Mode != "off" || len(out.Groups) != 0 {
		t.Errorf("%s", rig.Show(out))
	}
	r.refused("limit", rig.Inputs{"subvolume": "a", "max_referenced": 1 << 20}, "quotas are off", "never done silently")
	p, result := r.converges("quota", rig.Inputs{"mode": "classic"})
	rig.Contains(t, string(p.Changes[0].Before)+string(p.Changes[0].After), `{"quotas":"off"}{"quotas":"classic"}`)
	rig.Same(t, "output", rig.Outputs[QuotaOutput](t, result.Outputs), QuotaOutput{Previous: "off", Mode: "classic"})
	out := r.agree()
	for _, g := range out.Groups {
		if g.Path == "a" && (g.Referenced < 1<<20 || g.UUID != r.UUIDOf("a")) {
			t.Errorf("not counted: %s", rig.Show(g))
		}
	}
	// The kernel would say nothing and leave them as they are.
	r.refused("quota", rig.Inputs{"mode": "simple", "acknowledge_incompat": true}, "quotas are classic", "mode: off")
	r.Run(r.Request(1, "limit", rig.Inputs{"subvolume": "a", "max_referenced": 8 << 20}))
	p, _ = r.converges("quota", rig.Inputs{"mode": "off"})
	rig.Contains(t, rig.Told(p.Diagnostics), "all limits (1) are lost")
	r.refused("quota", rig.Inputs{"mode": "simple"}, "kernels before 6.7 can't mount it", "/acknowledge_incompat")
	r.converges("quota", rig.Inputs{"mode": "simple", "acknowledge_incompat": true})
	r.Write("a/more", strings.Repeat("x", 1<<20))
	r.agree()
	r.converges("limit", rig.Inputs{"subvolume": "a", "max_referenced": 8 << 20})
	r.converges("quota", rig.Inputs{"mode": "off"})
	// The mark is there already: nothing more to acknowledge.
	r.converges("quota", rig.Inputs{"mode": "simple"})
}

// The kernel would pass over what the plan must find out: the mode is read back.
func TestQuotaDrift(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	q := r.Request(1, "quota", rig.Inputs{"mode": "simple", "acknowledge_incompat": true})
	p := r.Plan(q)
	r.Btrfs("quota", "enable", r.FS.Mount)
	result := r.Apply(q, p)
	rig.Contains(t, rig.Told(result.Diagnostics), "drifted", "quotas are classic now, and were off")
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if mode, err := switchQuotas(f, kernel.QuotaSimple); err == nil || mode != "classic" {
		t.Errorf("the mode is %s, %v", mode, err)
	}
}

// Numbers that are wrong are counted anew.
func TestQuotaInconsistent(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	r.Write("a/file", strings.Repeat("x", 1<<20))
	r.Btrfs("subvolume", "snapshot", r.FS.Path("a"), r.FS.Path("b")) // what is shared the kernel can't add up by itself
	r.Run(r.Request(1, "quota", rig.Inputs{"mode": "classic"}))
	r.Btrfs("qgroup", "create", "1/7", r.FS.Mount)
	r.Exec("sh", "-c", "btrfs qgroup assign --no-rescan 0/256 1/7 '"+r.FS.Mount+"' 2>&1")
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	if out := rig.Outputs[QuotaUsageOutput](t, r.plans("quota_usage", nil).Outputs); !out.Inconsistent {
		t.Fatal("the kernel finds its numbers right")
	}
	rig.Contains(t, rig.Told(r.plans("quota_usage", nil).Diagnostics), "not right")
	p, _ := r.converges("quota", rig.Inputs{"mode": "classic"})
	if p.Changes[0].Kind != sdk.Run {
		t.Errorf("%s", rig.Show(p.Changes))
	}
	if out := r.agree(); out.Inconsistent {
		t.Error("still inconsistent")
	}
}

func TestLimit(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create(odd...)
	r.Run(r.Request(1, "quota", rig.Inputs{"mode": "classic"}))
	for _, name := range odd {
		r.converges("limit", rig.Inputs{"subvolume": name, "max_referenced": 8 << 20, "max_exclusive": 4 << 20})
		r.agree()
		r.converges("limit", rig.Inputs{"subvolume": name, "max_exclusive": 0})
	}
	for _, g := range r.agree().Groups {
		if g.Path != "/" && g.Path != "" && (g.MaxReferenced != 8<<20 || g.MaxExclusive != 0) {
			t.Errorf("%s", rig.Show(g))
		}
	}
	// A limit that is reached.
	full := r.FS.Path(odd[0], "file")
	if err := os.WriteFile(full, make([]byte, 16<<20), 0o600); !errors.Is(err, unix.EDQUOT) {
		file, _ := os.OpenFile(full, os.O_WRONLY, 0)
		if err := errors.Join(err, file.Sync()); !errors.Is(err, unix.EDQUOT) {
			t.Errorf("16 MiB fit below a limit of 8 MiB: %v", err)
		}
	}
	r.Btrfs("filesystem", "sync", r.FS.Mount)
	p, _ := r.converges("limit", rig.Inputs{"subvolume": odd[0], "max_referenced": 1 << 20})
	rig.Contains(t, rig.Told(p.Diagnostics), "uses more than the limit already")
	p = r.plans("quota_usage", rig.Inputs{"require_below": 0.9})
	rig.Contains(t, rig.Told(p.Diagnostics), "error [failed] /require_below", `"with space" uses`)
	if out := rig.Outputs[QuotaUsageOutput](t, p.Outputs); out.Fullest <= 1 {
		t.Errorf("fullest is %v", out.Fullest)
	}
	p = r.plans("layout", rig.Inputs{"subvolumes": []rig.Inputs{{"path": odd[0] + "/in"}}})
	result := r.Apply(r.Request(1, "layout", rig.Inputs{"subvolumes": []rig.Inputs{{"path": odd[0] + "/in"}}}), p)
	rig.Contains(t, rig.Told(result.Diagnostics), "the limit of a quota group is reached", "raise the limit")

	r.refused("limit", rig.Inputs{"subvolume": "none", "max_referenced": 1}, `there is no subvolume "none"`)
	r.refused("limit", rig.Inputs{"subvolume": ".", "max_referenced": 1}, "the top level can't be limited")
	r.refused("limit", rig.Inputs{"subvolume": odd[0]}, "there is no limit to set")
	r.Btrfs("subvolume", "delete", "-C", r.FS.Path(odd[1]))
	r.agree() // with what is stale
}

// A preview of quotas, then limits, then what they are.
func TestLimitPreview(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("a")
	var prior []sdk.Change
	step := func(action string, in rig.Inputs, changes int) *sdk.Plan {
		t.Helper()
		p := r.plans(action, in, prior...)
		if len(p.Changes) != changes {
			t.Errorf("%s %v: %s", action, in, rig.Show(p.Changes))
		}
		prior = append(prior, p.Changes...)
		return p
	}
	step("quota", rig.Inputs{"mode": "classic"}, 1)
	step("quota", rig.Inputs{"mode": "classic"}, 0)
	step("limit", rig.Inputs{"subvolume": "a", "max_referenced": 8 << 20}, 1)
	step("limit", rig.Inputs{"subvolume": "a", "max_referenced": 8 << 20}, 0)
	step("create", rig.Inputs{"subvolume": "b"}, 1)
	step("rename", rig.Inputs{"subvolume": "a", "to": "c"}, 1)
	step("limit", rig.Inputs{"subvolume": "c", "max_referenced": 8 << 20}, 0)
	step("limit", rig.Inputs{"subvolume": "b", "max_exclusive": 1 << 20}, 1)
	p := step("quota_usage", nil, 0)
	if out := rig.Outputs[QuotaUsageOutput](t, p.Outputs); out.Mode != "classic" || len(p.Unknown) != 2 {
		t.Errorf("%s", rig.Show(p))
	}
	step("quota", rig.Inputs{"mode": "off"}, 1)
	r.Refuses(r.Request(1, "limit", rig.Inputs{"subvolume": "b", "max_exclusive": 2 << 20}, prior...), "quotas are off")
}

// A thousand subvolumes, and more than a hundred snapshots.
func TestQuotaOfMany(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	f, err := volume.Open(context.Background(), volume.Target{Filesystem: sdk.Filesystem(r.FS.Mount)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source, err := f.CreateSubvolume("source")
	if err != nil {
		t.Fatal(err)
	}
	var entries []rig.Inputs
	for i := range 1000 {
		path := fmt.Sprintf("n %d", i)
		if i%9 == 0 { // snapshots
			if _, err := f.Snapshot(kernel.SnapshotSpec{SourceUUID: source.UUID, Name: path}); err != nil {
				t.Fatal(err)
			}
		} else if _, err := f.CreateSubvolume(path); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, rig.Inputs{"path": path, "compression": "zstd", "max_referenced": (i + 1) << 20})
	}
	p, _ := r.converges("quota", rig.Inputs{"mode": "classic"})
	rig.Contains(t, rig.Told(p.Diagnostics), "there are 112 snapshots", "mode: simple")
	if out := r.agree(); len(out.Groups) != 1002 {
		t.Errorf("%d groups", len(out.Groups))
	}
	p, _ = r.converges("layout", rig.Inputs{"subvolumes": entries})
	if len(p.Changes) != 1000 {
		t.Errorf("%d changes", len(p.Changes))
	}
	r.agree()
	if out := rig.Outputs[QuotaUsageOutput](t, r.plans("quota_usage", rig.Inputs{"under": "n 7"}).Outputs); len(out.Groups) != 0 {
		t.Errorf("%d groups", len(out.Groups))
	}
}
