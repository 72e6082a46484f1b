package upkeep

import (
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func TestUsage(t *testing.T) {
	r := rig.New(t, loopfs.Options{MkfsArgs: []string{"-L", "a label"}}, Actions)
	r.Write("file", string(make([]byte, 3<<20)))
	r.Exec("sync", "-f", r.FS.Mount)
	out := rig.Outputs[UsageOutput](t, r.Plan(r.Request(1, "usage", nil)).Outputs)
	text := r.Btrfs("filesystem", "usage", "-b", r.FS.Mount)
	number := func(label string) sdk.Size {
		t.Helper()
		found := regexp.MustCompile(label + `:?\s*([0-9]+)`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no %q in %s", label, text)
		}
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return sdk.Size(n)
	}
	for label, got := range map[string]sdk.Size{
		"Device size": out.Size, "Device unallocated": out.Unallocated, `\n\s+Used`: out.Used,
		`Free \(estimated\)`: out.Free, `Data,single: Size`: out.DataSize,
	} {
		if want := number(label); got != want {
			t.Errorf("%s is %d, expected %d", label, got, want)
		}
	}
	if out.Label != "a label" || out.Devices != 1 || out.FreeRatio <= 0 || out.FreeRatio >= 1 {
		t.Errorf("%s", rig.Show(out))
	}
}

// How full it will be after a deletion that is only planned nobody can tell, so nothing is refused for it either.
func TestUsageAfterPlannedDeletion(t *testing.T) {
	r := rig.New(t, loopfs.Options{}, Actions)
	r.Write("file", string(make([]byte, 3<<20)))
	r.Exec("sync", "-f", r.FS.Mount)
	id := string(rig.Outputs[UsageOutput](t, r.Plan(r.Request(1, "usage", nil)).Outputs).UUID)
	gone := sdk.Change{Kind: sdk.Delete, Resource: sdk.Resource{Type: volume.ResourceType, Scope: id, Name: "snapshots/root/x"}}
	elsewhere := gone
	elsewhere.Resource.Scope = "another"
	for _, c := range []struct {
		prior   sdk.Change
		virtual sdk.Virtual
		unknown bool
	}{{gone, sdk.NotVirtual, true}, {elsewhere, sdk.NotVirtual, false}, {gone, sdk.VirtualExisting, false}} {
		q := r.Request(1, "usage", rig.Inputs{"require_free": 1}, c.prior)
		q.Virtual = c.virtual
		plan := r.Plan(q)
		if unknown := slices.Contains(plan.Unknown, "/free_ratio"); unknown != c.unknown || sdk.HasErrors(plan.Diagnostics) == c.unknown {
			t.Errorf("%+v: unknown %q, told %+v", c, plan.Unknown, plan.Diagnostics)
		}
	}
}
