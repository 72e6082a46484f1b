//go:build race

package plugintest_test

import (
	"context"
	"slices"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest"
)

// A plugin that was built with the race detector is caught when two of its calls meet.
func TestDataRace(t *testing.T) {
	report := plugintest.Test(context.Background(), plugintest.Options{Cases: notes(t)[:2], Env: []string{broken + "=races"}})
	if !slices.ContainsFunc(report.Failed(), func(f plugintest.Finding) bool { return f.Check == "concurrent" }) {
		t.Errorf("found: %+v", report.Failed())
	}
}
