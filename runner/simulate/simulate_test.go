package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

var begin = time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)

// shelf is a model of a plugin: books with a number each, of which the newest `most` stay.
type shelf struct {
	real map[string]string // name → ID of what really exists
	most int
}

func resource(name, id string) sdk.Resource {
	return sdk.Resource{Type: "book", Scope: "shelf", Name: "a/" + name, ID: id}
}

// now is what exists on top of prior changes.
func (s shelf) now(t *testing.T, prior []sdk.Change) map[string]string {
	t.Helper()
	books := maps.Clone(s.real)
	for _, c := range prior {
		name := strings.TrimPrefix(c.Resource.Name, "a/")
		id, there := books[name]
		switch c.Kind {
		case sdk.Create:
			if there {
				t.Fatalf("%q is created twice", name)
			}
			books[name] = ""
		case sdk.Delete:
			if !there || id != c.Resource.ID {
				t.Fatalf("%q (%s) is deleted and is not there", name, c.Resource.ID)
			}
			delete(books, name)
		}
	}
	return books
}

// preview adds a book and lets the oldest go.
func (s shelf) preview(t *testing.T) Preview {
	return func(_ context.Context, instant time.Time, prior []sdk.Change) *engine.Report {
		books := s.now(t, prior)
		name := instant.Format("0102T150405")
		books[name] = ""
		steps := []engine.StepResult{{Status: engine.Changed, Planned: engine.PlannedStep{Changes: []sdk.Change{
			{Kind: sdk.Create, Resource: resource(name, ""), Summary: "new", After: json.RawMessage(`{"x":1}`)}}}}}
		names := slices.Sorted(maps.Keys(books))
		var prune engine.PlannedStep
		for i, n := range names {
			if i < len(names)-s.most {
				prune.Changes = append(prune.Changes, sdk.Change{Kind: sdk.Delete, Resource: resource(n, books[n]), Reason: "too many"})
			} else {
				prune.Kept = append(prune.Kept, sdk.Kept{Resource: resource(n, books[n]), Reason: fmt.Sprintf("last %d of %d, until replaced", len(names)-i, s.most), Since: begin})
			}
		}
		return &engine.Report{Steps: append(steps, engine.StepResult{Planned: prune}), Finished: engine.RunFinished{Status: engine.Succeeded}}
	}
}

func every(step time.Duration, n int) []time.Time {
	all := make([]time.Time, n)
	for i := range all {
		all[i] = begin.Add(time.Duration(i) * step)
	}
	return all
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	s := shelf{real: map[string]string{"0001": "id1", "0002": "id2", "0003": "id3"}, most: 5}
	most := 0
	preview := s.preview(t)
	r, err := Simulate(t.Context(), every(time.Hour, 400), func(ctx context.Context, instant time.Time, prior []sdk.Change) *engine.Report {
		most = max(most, len(prior))
		return preview(ctx, instant, prior)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := r.Groups[0]
	if len(r.Groups) != 1 || g.Type != "book" || g.Scope != "shelf" || g.Folder != "a" {
		t.Fatalf("%+v", r.Groups)
	}
	if g.Start != 3 || g.Created != 400 || g.Deleted != 398 || len(g.Resources) != 5 || len(g.Counts) != 400 || g.Counts[0] != 4 || g.Counts[399] != 5 {
		t.Errorf("%d before, %d created, %d deleted, %d at the end, counts %v", g.Start, g.Created, g.Deleted, len(g.Resources), g.Counts)
	}
	if len(g.Keepers) != 1 || g.Keepers[0] != (Keeper{"last", 5}) {
		t.Errorf("keepers: %v", g.Keepers)
	}
	if most > 3+5 {
		t.Errorf("up to %d changes are handed on: they grow with time", most)
	}
	if d := r.Runs[2].Deleted; len(d) != 1 || d[0] != (Deletion{"a/0001", "too many"}) {
		t.Errorf("deleted by the third run: %v", d)
	}
}

func TestFailuresAndConditions(t *testing.T) {
	t.Parallel()
	r, err := Simulate(t.Context(), every(time.Hour, 3), func(_ context.Context, instant time.Time, prior []sdk.Change) *engine.Report {
		if len(prior) != 0 {
			t.Errorf("handed on: %v", prior)
		}
		maybe := sdk.Change{Kind: sdk.Delete, Resource: resource("x", "id"), Conditional: "only while it rains"}
		sure := maybe
		sure.Conditional = ""
		steps := []engine.StepResult{
			{Planned: engine.PlannedStep{Changes: []sdk.Change{maybe}}, Diagnostics: []sdk.Diagnostic{sdk.Warning("wet"), sdk.Warning("wet")}},
			{Planned: engine.PlannedStep{Changes: []sdk.Change{sure}}, Conditional: "decided at run"},
			{Idle: true, Diagnostics: []sdk.Diagnostic{sdk.Warning("never said")}},
		}
		f := engine.RunFinished{Status: engine.Succeeded}
		if instant.After(begin) {
			f = engine.RunFinished{Status: engine.RunFailed, Reason: "step a: no"}
		}
		return &engine.Report{Steps: steps, Finished: f}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 0 || r.Runs[0].Maybe != 2 || len(r.Warnings) != 1 || r.Warnings[0] != (Told{"wet", 3, begin}) ||
		len(r.Failures) != 1 || r.Failures[0] != (Told{"step a: no", 2, begin.Add(time.Hour)}) {
		t.Errorf("%+v", r)
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	_, err := Simulate(ctx, every(time.Hour, 9), func(context.Context, time.Time, []sdk.Change) *engine.Report {
		stop()
		return &engine.Report{}
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestWorld: fewer changes, the same outcome, whatever is created, deleted, created again and updated.
func TestWorld(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		real := map[string]string{"r0": "id0", "r1": "id1"}
		var w world
		var all []sdk.Change
		state := outcome(real, nil)
		for range 60 {
			name := []string{"r0", "r1", "v0", "v1", "v2"}[r.IntN(5)]
			var c sdk.Change
			entry, there := state[name]
			switch {
			case !there:
				c = sdk.Change{Kind: sdk.Create, Resource: resource(name, "")}
			case r.IntN(2) == 0:
				c = sdk.Change{Kind: sdk.Delete, Resource: resource(name, entry.id)}
			default:
				c = sdk.Change{Kind: sdk.Update, Resource: resource(name, entry.id),
					After: json.RawMessage(fmt.Sprintf(`{%q:%d}`, []string{"x", "y"}[r.IntN(2)], r.IntN(9)))}
			}
			all = append(all, c)
			w.add([]sdk.Change{c})
			state = outcome(real, all)
			if got, want := fmt.Sprint(outcome(real, w.changes)), fmt.Sprint(state); got != want {
				t.Fatalf("seed %d:\n%s\nwant\n%s\nof %v\nfrom %v", seed, got, want, w.changes, all)
			}
			if len(w.changes) > 2+5+2*5+4 {
				t.Fatalf("seed %d: %d changes are left", seed, len(w.changes))
			}
		}
	}
}

type entry struct {
	id    string
	attrs map[string]int
}

func outcome(real map[string]string, changes []sdk.Change) map[string]entry {
	all := map[string]entry{}
	for name, id := range real {
		all[name] = entry{id, map[string]int{}}
	}
	for _, c := range changes {
		name := strings.TrimPrefix(c.Resource.Name, "a/")
		switch c.Kind {
		case sdk.Create:
			all[name] = entry{"", map[string]int{}}
		case sdk.Delete:
			if all[name].id == c.Resource.ID {
				delete(all, name)
			}
		case sdk.Update:
			var after map[string]int
			if json.Unmarshal(c.After, &after) == nil && all[name].attrs != nil && all[name].id == c.Resource.ID {
				maps.Copy(all[name].attrs, after)
			}
		}
	}
	return all
}

func TestKeepersOf(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"":                                   "",
		"newest; within 30d, until replaced": "newest|within",
		"pinned: good; last 2 of 4; last 2":  "pinned|last",
		"newest by transaction":              "newest by transaction",
		`mounted at "/x"`:                    "mounted at",
		"12":                                 "",
	} {
		if got := strings.Join(keepersOf(reason), "|"); got != want {
			t.Errorf("%q: %s, want %s", reason, got, want)
		}
	}
}
