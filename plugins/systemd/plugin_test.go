package systemd

import (
	"context"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

func TestDescribe(t *testing.T) {
	d, err := New().Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sdk.Effect{
		"start": sdk.Writes, "stop": sdk.Writes, "restart": sdk.Writes, "reload": sdk.Writes, "reload_or_restart": sdk.Writes,
		"enable": sdk.Writes, "disable": sdk.Writes, "mask": sdk.Writes, "unmask": sdk.Writes, "daemon_reload": sdk.Writes,
		"status": sdk.Reads, "health": sdk.Reads, "wait": sdk.Writes, "run": sdk.Destroys,
	}
	again := map[string]bool{"restart": true, "reload": true, "reload_or_restart": true, "daemon_reload": true, "run": true} // do something each time
	if len(d.Actions) != len(want) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || a.Converges == again[a.Name] || a.Summary == "" || a.Description == "" {
			t.Errorf("%s: %+v", a.Name, a)
		}
	}
}
