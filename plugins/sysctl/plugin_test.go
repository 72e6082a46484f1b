package sysctl

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
	want := map[string]sdk.Effect{"get": sdk.Reads, "set": sdk.Writes, "remove": sdk.Destroys}
	if len(d.Actions) != len(want) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || !a.Converges || a.Summary == "" || a.Description == "" {
			t.Errorf("%+v", a)
		}
	}
}
