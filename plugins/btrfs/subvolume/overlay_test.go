package subvolume

import (
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

// What a planned snapshot brings with it, later steps of a preview see as those of a run do: its folders, also where a step
// in between deletes it, and a writable one as what prune leaves alone.
func TestPlannedFolders(t *testing.T) {
	stamp := StampOf(fakeNow)
	taken, err := planSnapshot(fake().with("root").naming("root"), SnapshotInput{}, "snapshots", "run", fakeNow)
	if err != nil || len(taken.Changes) != 1 {
		t.Fatalf("%+v %v", taken.Changes, err)
	}
	want := []string{
		"keep snapshots/root/" + stamp + ": foreign: it is writable",
		`warning : left alone in "snapshots/root", as no snapshots that coppice may expire: "` + stamp + `" (it is writable)`,
	}
	for _, m := range []*machine{fake().with("root"), fake().with("root").naming("root")} {
		m.overlay(taken.Changes)
		p := pruneFake(t, m, PruneInput{Last: 1})
		if got := lines(p.Changes, p.Kept, p.Diagnostics); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	}

	gone := sdk.Change{Kind: sdk.Delete, Resource: taken.Changes[0].Resource}
	for _, prior := range [][]sdk.Change{taken.Changes, {taken.Changes[0], gone}} {
		m := fake().with("root")
		m.overlay(prior)
		if p, err := planCreate(m, "snapshots/root/new", fakeNow); err != nil || len(p.Changes) != 1 {
			t.Errorf("in a planned folder: %+v %v", p.Changes, err)
		}
		if _, err := planCreate(m, "snapshots/root", fakeNow); err == nil || !strings.Contains(err.Error(), "exists and is a directory") {
			t.Errorf("in the place of a planned folder: %v", err)
		}
	}
}

// What a transfer that was cut off has left is gone for later steps where an earlier one removes it; any other change that runs
// leaves what it is about.
func TestPlannedRemoval(t *testing.T) {
	m := fake().with("copies/root/half")
	there, _ := m.at("copies/root/half")
	run := sdk.Change{Kind: sdk.Run, Resource: m.resource(there.Path, there.id())}
	removed := run
	removed.After = Removed
	m.overlay([]sdk.Change{run})
	if _, there := m.at("copies/root/half"); !there {
		t.Error("it is gone after a change that only runs")
	}
	m.overlay([]sdk.Change{removed})
	if _, there := m.at("copies/root/half"); there {
		t.Error("it is still there")
	}
}
