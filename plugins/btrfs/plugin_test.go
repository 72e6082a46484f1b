package btrfs

import (
	"context"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestDescribe(t *testing.T) {
	d, err := New().Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sdk.Effect{
		"create": sdk.Writes, "delete": sdk.Destroys, "list": sdk.Reads, "prune": sdk.Destroys, "snapshot": sdk.Writes, "usage": sdk.Reads,
		"scrub": sdk.Writes, "balance": sdk.Writes, "trim": sdk.Writes, "defragment": sdk.Writes, "device_errors": sdk.Writes, "sync": sdk.Writes,
		"rename": sdk.Writes, "set_default": sdk.Writes, "property": sdk.Writes, "delete_tree": sdk.Destroys, "layout": sdk.Writes,
		"quota": sdk.Writes, "limit": sdk.Writes, "quota_usage": sdk.Reads,
		"pin": sdk.Writes, "unpin": sdk.Writes, "adopt": sdk.Writes,
		"find": sdk.Reads, "diff": sdk.Reads, "restore": sdk.Writes, "replace": sdk.Writes,
		"receive": sdk.Writes, "send": sdk.Writes,
		"rollback": sdk.Writes, "boot_status": sdk.Reads, "boot_confirm": sdk.Writes, "boot_expired": sdk.Reads, "boot_tidy": sdk.Writes,
		"boot_request": sdk.Writes, "boot_diff": sdk.Reads, "boot_rebase": sdk.Writes, "boot_adopt": sdk.Writes,
	}
	again := map[string]bool{"snapshot": true, "scrub": true, "balance": true, "trim": true, "defragment": true, "sync": true, "boot_rebase": true} // do something each time
	if len(d.Actions) != len(want) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || a.Converges == again[a.Name] || a.Summary == "" || a.Description == "" {
			t.Errorf("%s: %s", a.Name, rig.Show(a))
		}
	}
}
