package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/runner/simulate"
	"github.com/hbohlen/coppice/sdk"
)

// simulated is the JSON of a simulation.
func simulated(t *testing.T, args ...string) simulate.Result {
	t.Helper()
	var document struct{ Simulation simulate.Result }
	if err := json.Unmarshal([]byte(must(t, append([]string{"simulate", "--json"}, args...)...)), &document); err != nil {
		t.Fatal(err)
	}
	return document.Simulation
}

// TestSimulationEqualsRuns: what three days of simulated runs leave behind is what twelve real runs at those instants
// leave: across the last change of the clocks, with rules of all kinds in a zone that has it.
func TestSimulationEqualsRuns(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	ctx := context.Background()
	sources := []string{"root", "persist"}
	if err := history.Create(ctx, fs, []string{"root", "persist", "snapshots"}); err != nil {
		t.Fatal(err)
	}
	from := lastChange(t, "Europe/Berlin", time.Now().AddDate(0, 0, -7)).Add(-24*time.Hour + 30*time.Minute)
	if err := history.Take(ctx, fs, sources, history.Every(4*time.Hour, 15, from)); err != nil {
		t.Fatal(err)
	}
	playbook := t.TempDir() + "/keep.yaml"
	policy := map[string]any{"within": "12h", "last": 2, "hourly": 5, "daily": 3, "weekly_within": "3d", "monthly": 1, "frequently": 3,
		"frequent_period": "30m", "timezone": "Europe/Berlin", "day_start": 2, "at_least": 3, "fresh_within": "1h", "clock": "rtc"}
	encoded, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	text := `version: 1
name: keep
steps:
  - id: take
    uses: btrfs.snapshot
    with: {filesystem: ` + fs.Mount + `, sources: [root, persist], clock: rtc}
  - id: expire
    uses: btrfs.prune
    with: {filesystem: ` + fs.Mount + `, ` + strings.TrimPrefix(string(encoded), "{") + "\n"
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	digest := digestOf(t, fs)
	r := simulated(t, playbook, "--days", "3", "--every", "6h", "--from", from.Format(time.RFC3339))
	if got := digestOf(t, fs); got != digest {
		t.Error("the simulation has left a trace on the filesystem")
	}
	if len(r.Runs) != 12 || len(r.Failures) > 0 || len(r.Groups) != 2 {
		t.Fatalf("%d runs, failures %v, %d groups", len(r.Runs), r.Failures, len(r.Groups))
	}
	var want []string
	for _, g := range r.Groups {
		if g.Start != 15 || g.Created != 12 || g.Start+g.Created-g.Deleted != len(g.Resources) || g.Deleted < 10 {
			t.Errorf("%s: %d before, %d created, %d deleted, %d at the end", g.Folder, g.Start, g.Created, g.Deleted, len(g.Resources))
		}
		for _, s := range g.Resources {
			want = append(want, s.Name)
		}
	}

	plugin := btrfs.New()
	policy["filesystem"] = fs.Mount
	inputs, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		instant := from.Add(time.Duration(i) * 6 * time.Hour)
		if err := history.Take(ctx, fs, sources, []time.Time{instant}); err != nil {
			t.Fatal(err)
		}
		q := sdk.Request{Run: "run", Step: "expire", Action: "prune", Instant: instant, Inputs: inputs}
		plan, err := plugin.Plan(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		result, err := plugin.Apply(ctx, q, plan, func(sdk.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		if told := append(plan.Diagnostics, result.Diagnostics...); len(told) > 0 {
			t.Fatal(told[0].Summary)
		}
		var gone []string
		for _, n := range result.Done {
			gone = append(gone, plan.Changes[n].Resource.Name)
		}
		var virtual []string
		for _, d := range r.Runs[i].Deleted {
			virtual = append(virtual, d.Name)
		}
		slices.Sort(gone)
		slices.Sort(virtual)
		if !slices.Equal(gone, virtual) {
			t.Errorf("run %d at %v deletes\n%s\nsimulated\n%s", i, instant, strings.Join(gone, "\n"), strings.Join(virtual, "\n"))
		}
	}
	got := snapshots(t, fs.Mount)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("exist:\n%s\nsimulated:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// lastChange is when the clocks of a zone last changed before an instant.
func lastChange(t *testing.T, zone string, before time.Time) time.Time {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	start, _ := before.In(location).ZoneBounds()
	return start.UTC()
}
