package notify

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
	converges := map[string]bool{"send": false, "alertmanager": false, "metrics": false, "ping": false}
	if len(d.Actions) != len(converges) {
		t.Errorf("%d actions", len(d.Actions))
	}
	for _, a := range d.Actions {
		if want, known := converges[a.Name]; !known || a.Converges != want || a.Effect != sdk.Writes || a.Summary == "" || a.Description == "" {
			t.Errorf("%+v", a)
		}
	}
}
