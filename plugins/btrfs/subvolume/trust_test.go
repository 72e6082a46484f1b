package subvolume

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// doubted adds a snapshot that was taken while the clock could not be believed
// and said at, as the seq-th snapshot of all.
func (m *machine) doubted(source string, at time.Time, seq uint64) *machine {
	path := "snapshots/" + FolderOf(source) + "/" + StampOf(at)
	m.with(path)
	s, _ := m.at(path)
	m.change(path, func(s *subvolume) { s.ReadOnly, s.OTime, s.OTransID = true, at.Add(time.Second), seq })
	m.state.catalogue.add(fmt.Sprintf("%s-doubted.json", StampOf(at)), record{
		Run: "earlier", Stamp: StampOf(at), Untrusted: "the system clock is not synchronised",
		Members: []member{{Path: path, Source: source, UUID: s.UUID}},
	})
	m.settle()
	return m
}

func deletes(t *testing.T, m *machine, in PruneInput, instant time.Time) []string {
	t.Helper()
	policy, err := in.policy()
	if err != nil {
		t.Fatal(err)
	}
	p, err := planPrune(m, in, "snapshots", policy, instant)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, d := range p.Outputs.Deleted {
		paths = append(paths, d.Path)
	}
	return paths
}

var monthOld = PruneInput{Snapshots: "snapshots", Within: sdk.Duration(30 * 24 * time.Hour), AtLeast: 1, Clock: "rtc", OnMissing: "fail"}

// A clock that jumps three years ahead deletes nothing, on the first run or on
// any later one, although it takes snapshots of its own time.
func TestWrongClockDoesNotProveItself(t *testing.T) {
	m := fake().with("root").taken("root", 24, 48, 72, 24*40)
	if got := deletes(t, m, monthOld, fakeNow); len(got) != 1 {
		t.Fatalf("with the right clock: %v", got)
	}
	wrong := fakeNow.Add(3 * 366 * 24 * time.Hour)
	if got := deletes(t, m, monthOld, wrong); len(got) != 0 {
		t.Errorf("the first run: %v", got)
	}
	if c := m.trust("rtc", wrong); c.Trusted {
		t.Error("the clock is trusted when the snapshot is taken")
	}
	m.doubted("root", wrong, 200000)
	if got := deletes(t, m, monthOld, wrong.Add(6*time.Hour)); len(got) != 0 {
		t.Errorf("the second run: %v", got)
	}
	// Back to the right time: the snapshot from the future is in nobody's way.
	if got := deletes(t, m, monthOld, fakeNow.Add(time.Hour)); len(got) != 1 {
		t.Errorf("with the right clock again: %v", got)
	}
}

// Snapshots that a dead clock dates to the year 2000 are the newest data, not
// the oldest: their age counts from the first one after them with a trusted clock.
func TestDeadClock(t *testing.T) {
	m := fake().with("root").taken("root", 24, 48)
	dead := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		m.doubted("root", dead.Add(time.Duration(i)*time.Hour), uint64(200000+i))
	}
	if got := deletes(t, m, monthOld, fakeNow); len(got) != 0 {
		t.Errorf("while none was taken since: %v", got)
	}
	at := fakeNow.Add(time.Hour)
	m.taken("root", -1) // one with a trusted clock, after them
	m.change("snapshots/root/"+StampOf(at), func(s *subvolume) { s.OTransID = 300000 })
	if got := deletes(t, m, monthOld, at.Add(time.Hour)); len(got) != 0 {
		t.Errorf("an hour after the next trusted one: %v", got)
	}
	if got := deletes(t, m, monthOld, at.Add(31*24*time.Hour)); len(got) != 5 {
		t.Errorf("a month later: %d deleted, want all but the newest: %v", len(got), got)
	}
}

// The record says whether the clock was trusted when the snapshots were made.
func TestRecordSaysWhetherTheClockWasTrusted(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "snapshots")
	r.Host.Clock = func() (string, error) { return "the system clock is not synchronised", nil }
	r.Use(r.Host, Actions)
	r.snapshot(1, "root")
	r.Run(r.Request(2, "snapshot", rig.Inputs{"sources": []string{"root"}, "clock": "rtc"}))
	var doubts []string
	for _, file := range r.records() {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one, err := decodeRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		doubts = append(doubts, one.Untrusted)
	}
	rig.Same(t, "doubts", doubts, []string{"the system clock is not synchronised", ""})
}

// The policy of one source is no business of another.
func TestPruneOnlyTheNamedSources(t *testing.T) {
	m := fake().with("root", "scratch").taken("root", 1, 24, 48).taken("scratch", 1, 24, 48)
	in := PruneInput{Snapshots: "snapshots", Last: 1, AtLeast: 1, Clock: "rtc", OnMissing: "skip"}
	in.Sources = []sdk.Subvolume{"scratch", "gone"}
	m.sources = []source{{given: "scratch", path: "scratch"}, {given: "gone", path: "gone"}}
	policy, _ := in.policy()
	p, err := planPrune(m, in, "snapshots", policy, fakeNow)
	if err != nil || len(p.Changes) != 2 || sdk.HasErrors(p.Diagnostics) || len(p.Diagnostics) != 1 {
		t.Errorf("%v %d changes, diagnostics %+v", err, len(p.Changes), p.Diagnostics)
	}
	for _, c := range p.Changes {
		if !strings.HasPrefix(c.Resource.Name, "snapshots/scratch/") {
			t.Errorf("%s would be deleted", c.Resource.Name)
		}
	}
	in.OnMissing = "fail"
	if p, _ = planPrune(m, in, "snapshots", policy, fakeNow); !sdk.HasErrors(p.Diagnostics) {
		t.Error("a missing source is no error")
	}
	in.Sources = []sdk.Subvolume{}
	if _, err := planPrune(m, in, "snapshots", policy, fakeNow); err == nil {
		t.Error("an empty list of sources means all of them")
	}
}

func TestHoldNamesAreCanonical(t *testing.T) {
	id := "0d2eb4a8-1b9b-41fe-9d4e-fce85b1ad5de"
	if _, _, err := volume.DecodeHolds(id, []byte(`{}`)); err != nil {
		t.Error(err)
	}
	if _, _, err := volume.DecodeHolds(strings.ToUpper(id), []byte(`{}`)); err == nil {
		t.Error("two files can hold one snapshot")
	}
}

// What somebody mounts or pins while a long list is being deleted stays.
func TestNewsWhileDeleting(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "snapshots")
	r.snapshots(40, "root")
	q := r.Request(100, "prune", rig.Inputs{"last": 1})
	plan := r.Plan(q)
	if len(plan.Changes) != 39 {
		t.Fatalf("%d changes", len(plan.Changes))
	}
	mounted, pinned := plan.Changes[30].Resource, plan.Changes[20].Resource
	done := 0
	result, err := r.Plugin.Apply(t.Context(), q, plan, func(e sdk.Event) {
		if _, ok := e.(sdk.Done); !ok {
			return
		}
		if done++; done == 3 {
			at := r.FS.Dir + "/elsewhere"
			if err := os.Mkdir(at, 0o700); err != nil {
				t.Error(err)
			}
			if err := unix.Mount(r.FS.Loop[0], at, "btrfs", 0, "subvol="+mounted.Name); err != nil {
				t.Error(err)
			}
			r.Write(volume.HoldsFolder+"/"+pinned.ID, `{"reason":"just now"}`)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	all := rig.Told(result.Diagnostics)
	rig.Contains(t, all, fmt.Sprintf("cannot delete %q: mounted at", mounted.Name))
	rig.Contains(t, all, fmt.Sprintf("cannot delete %q: pinned", pinned.Name))
	rig.Same(t, "deleted", len(result.Done), 37)
}

// A policy that only counts needs no clock: it goes by the order of creation.
func TestCountingNeedsNoClock(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("root", "snapshots")
	r.Host.Clock = func() (string, error) { return "the system clock is not synchronised", nil }
	r.Use(r.Host, Actions)
	r.snapshots(5, "root")
	_, result := r.Run(r.Request(9, "prune", rig.Inputs{"last": 2}))
	rig.Same(t, "deleted", len(result.Done), 3)
	rig.Same(t, "of a second run", len(r.Plan(r.Request(10, "prune", rig.Inputs{"last": 2})).Changes), 0)
	rig.Same(t, "by age", len(r.Plan(r.Request(11, "prune", rig.Inputs{"within": "0s", "hourly": 1})).Changes), 0)
}
