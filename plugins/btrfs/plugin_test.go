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
		"create": sdk.Writes, "delete": sdk.Destroys, "list": sdk.Reads, "prune": sdk.Destroys, "receive": sdk.Writes, "send": sdk.Writes,
		"snapshot": sdk.Writes, "usage": sdk.Reads,
	}
	if len(d.Actions) != len(want) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || a.Converges != (a.Name != "snapshot") || a.Summary == "" || a.Description == "" {
			t.Errorf("%s: %s", a.Name, rig.Show(a))
		}
	}
}
