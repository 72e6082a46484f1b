package subvolume

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func pruneFake(t *testing.T, m *machine, in PruneInput) prunePlan {
	t.Helper()
	in.AtLeast = max(1, in.AtLeast)
	policy, err := in.policy()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range pruneSources(m, "snapshots") {
		if _, known := m.folders[s.folder]; !known {
			m.folders[s.folder] = listing{}
		}
	}
	p, err := planPrune(m, in, "snapshots", policy, fakeNow)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanPrune(t *testing.T) {
	day := func(n int) sdk.Duration { return sdk.Duration(time.Duration(n) * 24 * time.Hour) }
	at := func(source string, hours int) string {
		return "snapshots/" + FolderOf(source) + "/" + stampBefore(hours)
	}
	for name, c := range map[string]struct {
		m    *machine
		in   PruneInput
		want []string
	}{
		"by age": {fake().taken("root", 1, 48, 50), PruneInput{Within: day(1)}, []string{
			"delete " + at("root", 50) + ": taken 2026-10-22 04:00 UTC [older than 1d (2d 1h), no rule keeps it]",
			"delete " + at("root", 48) + ": taken 2026-10-22 06:00 UTC [older than 1d (1d 23h), no rule keeps it]",
			"keep " + at("root", 1) + ": newest; within 1d, until replaced",
		}},
		"by age, clock not trusted": {func() *machine { m := fake().taken("root", 1, 48); m.unsynced = "unset"; return m }(), PruneInput{Within: day(1)}, []string{
			"keep " + at("root", 1) + ": newest; clock is not trusted: unset",
			"keep " + at("root", 48) + ": clock is not trusted: unset",
			`warning : "root": clock is not trusted: unset; nothing is deleted`,
		}},
		"two sources in one folder": {fake().taken("a/b", 3, 2).taken("a-b", 9), PruneInput{Last: 1}, []string{
			"delete " + at("a/b", 3) + ": taken 2026-10-24 03:00 UTC [no rule keeps it (2h 59m old)]",
			"keep " + at("a-b", 9) + ": newest; last 1 of 1, until replaced",
			"keep " + at("a/b", 2) + ": newest; last 1 of 1, until replaced",
		}},
		"named, one of them unknown": {fake().taken("a", 3, 2).taken("b", 3, 2).naming("b", "c"), PruneInput{Last: 1}, []string{
			"delete " + at("b", 3) + ": taken 2026-10-24 03:00 UTC [no rule keeps it (2h 59m old)]",
			"keep " + at("b", 2) + ": newest; last 1 of 1, until replaced",
			`error /sources/1: there are no snapshots of "c": the folder "snapshots/c" does not exist`,
		}},
		"nothing there": {fake(), PruneInput{Last: 1}, []string{`warning : there is no folder "snapshots", so there is nothing to prune`}},
		"a folder that can't be read": {func() *machine {
			m := fake().taken("a", 3, 2).taken("b", 3, 2)
			m.folders["snapshots/a"] = listing{found: true, err: errors.New("input/output error")}
			return m
		}(), PruneInput{Last: 1}, []string{
			"delete " + at("b", 3) + ": taken 2026-10-24 03:00 UTC [no rule keeps it (2h 59m old)]",
			"keep " + at("b", 2) + ": newest; last 1 of 1, until replaced",
			`error : the snapshots of "a" are left alone: input/output error`,
		}},
		"the cap": {fake().taken("a", 4, 3, 2), PruneInput{Last: 1, MaxDeletes: 1}, []string{
			"delete " + at("a", 4) + ": taken 2026-10-24 02:00 UTC [no rule keeps it (3h 59m old)]",
			"keep " + at("a", 2) + ": newest; last 1 of 1, until replaced",
			"keep " + at("a", 3) + ": delete cap of 1",
			`warning : "a": delete cap of 1 reached; 1 more would be deleted`,
		}},
		"foreign ones": {func() *machine {
			m := fake().taken("a", 3, 2).with("snapshots/a/x\ny")
			m.folders["snapshots/a"] = listing{found: true, entries: []kernel.Entry{{Name: "d", Type: kernel.EntryDir}, {Name: "l", Type: kernel.EntrySymlink}}}
			return m
		}(), PruneInput{Last: 9}, []string{
			"keep " + at("a", 2) + ": newest; last 1 of 9, until replaced",
			"keep " + at("a", 3) + ": last 2 of 9, until replaced",
			"keep snapshots/a/d: foreign: it is a plain directory",
			"keep snapshots/a/l: foreign: it is a symbolic link",
			"keep snapshots/a/x\ny: foreign: coppice has no record of having taken it",
			`warning : left alone in "snapshots/a", as no snapshots that coppice may expire: "d" (it is a plain directory), "l" (it is a symbolic link), "x\ny" (coppice has no record of having taken it)`,
		}},
		"held": {func() *machine { m := fake().taken("a", 3, 2); m.switches = []string{"x", "y"}; return m }(), PruneInput{Last: 1}, []string{
			"keep " + at("a", 2) + ": newest; last 1 of 1; deleting is switched off by x and y",
			"keep " + at("a", 3) + ": deleting is switched off by x and y",
			"warning : nothing is deleted: deleting is switched off by x and y",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pruneFake(t, c.m, c.in)
			rig.Same(t, "plan", lines(p.Changes, p.Kept, p.Diagnostics), c.want)
			if len(p.Private.Items) != len(p.Changes) || len(p.Outputs.Deleted) != len(p.Changes) {
				t.Error("items, outputs and changes do not belong together")
			}
			for i, item := range p.Private.Items {
				if item.UUID.String() != p.Changes[i].Resource.ID || item.Path != p.Outputs.Deleted[i].Path {
					t.Errorf("item %d: %s", i, rig.Show(item))
				}
			}
		})
	}
}

// A preview that lays the planned snapshot over the machine decides as the run does that has taken it.
func TestPrunePreviewEqualsRun(t *testing.T) {
	for name, in := range map[string]PruneInput{
		"last": {Last: 2}, "hourly": {Hourly: 2}, "daily and floor": {Daily: 1, AtLeast: 3}, "within": {Within: sdk.Duration(3 * time.Hour)},
		"weekly, fresh": {Weekly: 1, FreshWithin: sdk.Duration(time.Hour)},
	} {
		before := func() *machine { return fake().with("root").taken("root", 1, 2, 3, 5, 8, 13, 21, 34) }
		take := before().naming("root")
		planned, err := planSnapshot(take, SnapshotInput{ReadOnly: true}, "snapshots", "now", fakeNow)
		if err != nil {
			t.Fatal(err)
		}
		m := before()
		m.overlay(planned.Changes)
		preview := pruneFake(t, m, in)
		run := pruneFake(t, before().taken("root", 0), in)
		rig.Same(t, name, run.Changes, preview.Changes)
		rig.Same(t, name+": facts", run.Facts, preview.Facts)
		if len(preview.Changes) == 0 || len(preview.Unknown) != 1 || preview.Unknown[0] != "/kept/0/uuid" {
			t.Errorf("%s: %s", name, rig.Show(preview))
		}
	}
}

func TestPlanSnapshot(t *testing.T) {
	stamp := StampOf(fakeNow)
	m := fake().with("root", "a/b").naming("root", "a/b", "gone")
	p, err := planSnapshot(m, SnapshotInput{ReadOnly: true, OnMissing: "skip"}, "snapshots", "run", fakeNow)
	if err != nil {
		t.Fatal(err)
	}
	rig.Same(t, "plan", lines(p.Changes, p.Kept, p.Diagnostics), []string{
		"create snapshots/root/" + stamp + ": read-only snapshot of root []",
		"create snapshots/a-b/" + stamp + ": read-only snapshot of a/b []",
		`warning /sources/2: the subvolume "gone" does not exist and is skipped`,
	})
	rig.Same(t, "facts", p.Facts.(snapshotFacts).Sources, []sourceFact{
		{"root", fakeID(1).String(), "take"}, {"a/b", fakeID(2).String(), "take"}, {"gone", "", "missing"},
	})

	many := fake().naming("gone")
	for c := range strings.SplitSeq("abcdefghijklmn", "") {
		many.with(c)
	}
	_, err = planSnapshot(many.with("snapshots/a/x"), SnapshotInput{OnMissing: "fail"}, "snapshots", "run", fakeNow)
	rig.Contains(t, rig.Told(sdk.Diagnose(err)), `none of the sources exists: "gone"`, `"l" and 2 more`)

	// In the way, or not where it can be written.
	for want, m := range map[string]*machine{
		"exists already":     fake().with("root", "snapshots/root/"+stamp).naming("root"),
		"which is read-only": fake().with("root", "snapshots").change("snapshots", func(s *subvolume) { s.ReadOnly = true }).naming("root"),
		`a file "snapshots/root/` + stamp + `" is in the way`: func() *machine {
			m := fake().with("root").naming("root")
			m.things["snapshots/root/"+stamp] = thing{found: true, kind: kernel.EntryFile}
			return m
		}(),
		`its folder "snapshots/root" is a symbolic link`: func() *machine {
			m := fake().with("root").naming("root")
			m.things["snapshots/root"] = thing{found: true, kind: kernel.EntrySymlink}
			return m
		}(),
	} {
		_, err := planSnapshot(m, SnapshotInput{ReadOnly: true}, "snapshots", "run", fakeNow)
		rig.Contains(t, rig.Told(sdk.Diagnose(err)), want)
	}
}

func TestPlanDelete(t *testing.T) {
	at := func(hours int) string { return "snapshots/root/" + stampBefore(hours) }
	m := fake().with("root").taken("root", 3, 2, 1)
	s, _ := m.at(at(2))
	p, err := planDelete(m, DeleteInput{Subvolumes: []string{at(3), s.UUID.String(), at(2), at(77)}}, "snapshots", fakeNow)
	if err != nil {
		t.Fatal(err)
	}
	rig.Same(t, "plan", lines(p.Changes, p.Kept, p.Diagnostics), []string{
		"delete " + at(3) + ": taken 2026-10-24 03:00 UTC [named in the playbook]",
		"delete " + at(2) + ": taken 2026-10-24 04:00 UTC [named in the playbook]",
	})
	_, err = planDelete(m, DeleteInput{Subvolumes: []string{at(3), at(1), at(2)}}, "snapshots", fakeNow)
	rig.Contains(t, rig.Told(sdk.Diagnose(err)), `/subvolumes/1: "`+at(1)+`" is the last snapshot of "root"`)
	_, err = planDelete(m, DeleteInput{Subvolumes: []string{at(3)}}, "elsewhere", fakeNow)
	rig.Contains(t, rig.Told(sdk.Diagnose(err)), "is not in the folder of snapshots")

	// What is left must be worth something.
	m.change(at(1), func(s *subvolume) { s.OTime = time.Time{} })
	_, err = planDelete(m, DeleteInput{Subvolumes: []string{at(3), at(2)}}, "snapshots", fakeNow)
	rig.Contains(t, rig.Told(sdk.Diagnose(err)), "is the last snapshot")
}

// The order of what is observed has no influence.
func TestPlansAreStable(t *testing.T) {
	build := func(reverse bool) *machine {
		m := fake().with("root", "home").taken("root", 1, 2, 3).taken("home", 1, 2, 3)
		if reverse {
			slices.Reverse(m.subvolumes)
			m.settle()
		}
		return m
	}
	rig.Same(t, "prune", pruneFake(t, build(true), PruneInput{Last: 1}), pruneFake(t, build(false), PruneInput{Last: 1}))
}
