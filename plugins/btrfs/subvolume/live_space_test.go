package subvolume

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// heavy is how much of the filesystem each snapshot holds for itself.
const heavy = 16 << 20

// heavySnapshots takes n snapshots each of two sources, in turn; each holds a file that nothing else has.
func (r *testRig) heavySnapshots(n int) {
	r.T.Helper()
	r.Create("root", "home")
	data := make([]byte, heavy)
	for i := range n {
		for _, source := range []string{"root", "home"} {
			rand.Read(data)
			if err := os.WriteFile(r.FS.Path(source, "file"), data, 0o600); err != nil {
				r.T.Fatal(err)
			}
		}
		r.Exec("sync", "-f", r.FS.Mount)
		r.snapshot(i, "root", "home")
	}
	r.settled()
}

// settled waits until all that was deleted is free, and measures.
func (r *testRig) settled() space {
	r.T.Helper()
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		r.T.Fatal(err)
	}
	orphans, err := f.Orphans()
	if err != nil {
		r.T.Fatal(err)
	}
	if err := f.WaitCleaned(context.Background(), orphans, 0, nil); err != nil {
		r.T.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		r.T.Fatal(err)
	}
	s, err := measure(f)
	if err != nil {
		r.T.Fatal(err)
	}
	return s
}

// takenBefore reports whether one was taken before another: those of one step may have other times, or under load other transactions.
func (r *testRig) takenBefore(path, other string) bool {
	r.T.Helper()
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	var both [2]kernel.Subvolume
	for i, p := range []string{path, other} {
		s, found, err := f.AtPath(p)
		if err != nil || !found {
			r.T.Fatalf("%q: %v", p, err)
		}
		both[i] = s
	}
	return cmp.Or(both[0].OTime.Compare(both[1].OTime), cmp.Compare(both[0].OTransID, both[1].OTransID)) < 0
}

func TestPruneForSpace(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.heavySnapshots(8)
	before := r.settled()
	stamps := func(source string, from, to int) (all []string) {
		for i := from; i < to; i++ {
			all = append(all, "snapshots/"+source+"/"+StampOf(r.Instants[i]))
		}
		return all
	}
	hold := volume.HoldsFolder + "/" + r.UUIDOf(stamps("root", 1, 2)[0])
	r.Write(hold, `{"reason":"good"}`)

	// Four and a half snapshots' worth, with seven that may go before the pinned one and the floors of two count.
	goal := before.free + 4*heavy + heavy/2
	in := rig.Inputs{"within": "30d", "at_least": 2, "min_free_size": goal}
	q := r.Request(20, "prune", in)
	plan := r.Plan(q)
	var want []string
	for i := range 6 {
		pair := []string{stamps("home", i, i+1)[0], stamps("root", i, i+1)[0]}
		if r.takenBefore(pair[1], pair[0]) {
			slices.Reverse(pair)
		}
		for _, path := range pair {
			if path != stamps("root", 1, 2)[0] {
				want = append(want, "delete "+path)
			}
		}
	}
	rig.Same(t, "what may go", rig.Names(plan.Changes), want)
	for _, c := range plan.Changes {
		if !strings.HasPrefix(c.Conditional, "only while less than ") || !strings.HasPrefix(c.Reason, "within 30d") {
			t.Errorf("%s", rig.Show(c))
		}
	}
	rig.Same(t, "unknown", plan.Unknown, []string{"/deleted", "/kept"})
	rig.Contains(t, plan.Summary, "at most 11 more go for it")
	rig.Contains(t, rig.Show(plan.Kept), "pinned: good, for ever", "newest; within 30d, until replaced", "floor 2 of 2")

	result := r.Apply(q, plan)
	if len(result.Diagnostics) > 0 {
		t.Fatal(rig.Told(result.Diagnostics))
	}
	after := r.settled()
	done := len(result.Done)
	if done < 5 || done > 5+7 || after.free < goal {
		t.Errorf("%d went, %v, asked for %d", done, after, goal)
	}
	for i, n := range result.Done {
		if i != n {
			t.Errorf("went out of turn: %v", result.Done)
		}
	}
	out := rig.Outputs[PruneOutput](t, result.Outputs)
	if len(out.Deleted) != done || len(out.Deleted)+len(out.Kept) != 16 || len(r.all()) != 2+16-done {
		t.Errorf("%d in the outputs, %d kept, %d left", len(out.Deleted), len(out.Kept), len(r.all()))
	}
	rig.Contains(t, result.Summary, fmt.Sprintf("%d of at most 11 more went for it", done))

	// Again: enough is free, so nothing may go.
	if again := r.Plan(r.Request(21, "prune", in)); len(again.Changes) > 0 || len(again.Unknown) > 0 || again.Summary != "" {
		t.Errorf("again: %s", rig.Show(again))
	}

	// More than there is: it ends at the floors, and says that it was not enough.
	q = r.Request(22, "prune", rig.Inputs{"within": "30d", "at_least": 2, "min_free": 1})
	plan = r.Plan(q)
	result = r.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "warning", "100 % is asked for, but no more snapshots may go for it")
	rig.Same(t, "left", r.all(), append(append([]string{"home", "root"}, stamps("home", 6, 8)...), append(stamps("root", 1, 2), stamps("root", 6, 8)...)...))
	plan = r.Plan(r.Request(23, "prune", rig.Inputs{"within": "30d", "at_least": 2, "min_free": 1}))
	rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "no snapshot may go for it besides")
	if len(plan.Changes) > 0 {
		t.Errorf("more: %v", rig.Names(plan.Changes))
	}
}

// What the rules delete goes first and in any case; if that is enough, no more goes.
func TestPruneForSpaceAfterTheRules(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.heavySnapshots(6)
	goal := r.settled().free + heavy
	q := r.Request(20, "prune", rig.Inputs{"last": 4, "min_free_size": goal})
	plan := r.Plan(q)
	sure := 0
	for _, c := range plan.Changes {
		if c.Conditional == "" {
			sure++
		}
	}
	if sure != 4 || len(plan.Changes) != 4+6 {
		t.Fatalf("%d of %v in any case", sure, rig.Names(plan.Changes))
	}
	result := r.Apply(q, plan)
	if len(result.Done) != 4 || len(result.Diagnostics) > 0 {
		t.Errorf("done %v: %s", result.Done, rig.Told(result.Diagnostics))
	}
	if n := len(rig.Outputs[PruneOutput](t, result.Outputs).Kept); n != 8 {
		t.Errorf("%d kept", n)
	}
	// A hold that comes after the plan is an error for that one, and the next one goes.
	goal = r.settled().free + heavy/2
	q = r.Request(21, "prune", rig.Inputs{"last": 4, "min_free_size": goal})
	plan = r.Plan(q)
	r.Write(volume.HoldsFolder+"/"+plan.Changes[0].Resource.ID, `{"reason":"late"}`)
	result = r.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "error [drifted]", "pinned: late")
	if len(result.Done) != 1 || result.Done[0] != 1 {
		t.Errorf("done: %v", result.Done)
	}
}

func TestPruneForSpaceStopped(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.heavySnapshots(3)
	q := r.Request(20, "prune", rig.Inputs{"within": "30d", "min_free": 1})
	plan := r.Plan(q)
	// Somebody has a file open in the first one that goes: its space is not freed before that ends.
	file, err := os.Open(r.FS.Path(plan.Changes[0].Resource.Name, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	result, err := r.Plugin.Apply(ctx, q, plan, func(e sdk.Event) {
		if _, ok := e.(sdk.Done); ok {
			time.AfterFunc(300*time.Millisecond, stop) // it waits for the space then
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	rig.Contains(t, rig.Told(result.Diagnostics), "error [cancelled]")
	if len(result.Done) != 1 || len(rig.Outputs[PruneOutput](t, result.Outputs).Deleted) != 1 {
		t.Errorf("done: %v", result.Done)
	}
}

func TestLacks(t *testing.T) {
	t.Parallel()
	s := space{free: 100, used: 900}
	for _, c := range []struct {
		in   PruneInput
		want uint64
	}{
		{PruneInput{}, 0},
		{PruneInput{MinFree: 0.1}, 0},
		{PruneInput{MinFree: 0.1001}, 1},
		{PruneInput{MinFreeSize: 100}, 0},
		{PruneInput{MinFreeSize: 103}, 3},
		{PruneInput{MinFree: 0.2, MinFreeSize: 150}, 100},
		{PruneInput{MinFree: 0.2, MinFreeSize: math.MaxInt64}, math.MaxInt64 - 100},
		{PruneInput{MinFree: 1}, 900},
	} {
		if got := c.in.lacks(s); got != c.want {
			t.Errorf("%+v lacks %d, want %d", c.in, got, c.want)
		}
	}
	if got := (PruneInput{MinFree: 0.125, MinFreeSize: 1 << 30}).wanted(); got != "12.5 % and 1GiB" {
		t.Errorf("%s", got)
	}
	if n := (PruneInput{MinFree: 1}).lacks(space{}); n != 0 {
		t.Errorf("an empty filesystem lacks %d", n)
	}
}
