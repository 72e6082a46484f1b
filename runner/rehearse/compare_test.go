package rehearse

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/simulate"
	"github.com/hbohlen/coppice/sdk"
)

func thing(name, id string) Thing {
	return Thing{Resource: sdk.Resource{Type: "t", Scope: "s", Name: name, ID: id}, Attributes: map[string]any{"read_only": true}}
}

func change(kind sdk.Kind, name, id string) sdk.Change {
	return sdk.Change{Kind: kind, Resource: sdk.Resource{Type: "t", Scope: "s", Name: name, ID: id}}
}

func reportOf(mode engine.Mode, steps ...engine.StepResult) *engine.Report {
	return &engine.Report{Started: engine.RunStarted{Playbook: "p"}, Steps: steps, Finished: engine.RunFinished{Mode: mode, Status: engine.Succeeded}}
}

func planned(all ...sdk.Change) engine.StepResult {
	return engine.StepResult{Step: engine.StepRef{ID: "a", Section: engine.SectionSteps}, Status: engine.Changed, Planned: engine.PlannedStep{Changes: all}}
}

func ran(all ...sdk.Change) engine.StepResult {
	r := planned(all...)
	r.Made = all
	return r
}

// TestCompare: what is planned, made and seen agrees, or each disagreement is told.
func TestCompare(t *testing.T) {
	create, remove := change(sdk.Create, "new", ""), change(sdk.Delete, "old", "1")
	update := change(sdk.Update, "old", "1")
	update.After = json.RawMessage(`{"read_only":false}`)
	writable := thing("old", "1")
	writable.Attributes = map[string]any{"read_only": false}
	maybe := remove
	maybe.Conditional = "only while little is free"
	undecided := planned(remove)
	undecided.Conditional = "decided at run"
	withheld := planned(create)
	withheld.Withheld = "not held"
	failed := planned()
	failed.Status = engine.Failed
	for _, c := range []struct {
		name          string
		plan, run     engine.StepResult
		before, after []Thing
		want          string // a part of each difference, separated by |
	}{
		{"nothing", planned(), ran(), []Thing{thing("old", "1")}, []Thing{thing("old", "1")}, ""},
		{"as planned", planned(create, remove), ran(create, remove), []Thing{thing("old", "1")}, []Thing{thing("new", "2")}, ""},
		{"not made", planned(create), ran(), nil, nil, `planned to create "new", which did not happen`},
		{"not planned", planned(), ran(remove), []Thing{thing("old", "1")}, nil, `did delete "old", which was not planned`},
		{"said and not done", planned(remove), ran(remove), []Thing{thing("old", "1")}, []Thing{thing("old", "1")}, `"old" is still there`},
		{"done and not said", planned(), ran(), []Thing{thing("old", "1")}, []Thing{thing("new", "2")}, `"new" is there now|"old" is gone`},
		{"another in its place", planned(), ran(), []Thing{thing("old", "1")}, []Thing{thing("old", "2")}, `"old" is there now|"old" is gone`},
		{"changed", planned(update), ran(update), []Thing{thing("old", "1")}, []Thing{writable}, ""},
		{"changed by nobody", planned(), ran(), []Thing{thing("old", "1")}, []Thing{writable}, `"old" is not as it was`},
		{"not changed", planned(update), ran(update), []Thing{thing("old", "1")}, []Thing{thing("old", "1")}, `read_only of "old" is true, and was planned to be false`},
		{"moved with what is in it", planned(update), ran(update), []Thing{thing("old", "1"), thing("old/in", "3")},
			[]Thing{{thing("there", "1").Resource, writable.Attributes}, thing("there/in", "3")}, ""},
		{"moved by nobody", planned(), ran(), []Thing{thing("old", "1")}, []Thing{thing("there", "1")}, `"there" is not as it was`},
		{"may come, and has", planned(maybe), ran(remove), []Thing{thing("old", "1")}, nil, ""},
		{"may come, and has not", planned(maybe), ran(), []Thing{thing("old", "1")}, []Thing{thing("old", "1")}, ""},
		{"undecided", undecided, ran(create), nil, []Thing{thing("new", "2")}, ""},
		{"withheld", planned(create), withheld, nil, nil, ""},
		{"failed", planned(), failed, nil, nil, "planned to end as changed, ended as failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Compare(reportOf(engine.ModePreview, c.plan), reportOf(engine.ModeRun, c.run), c.before, c.after)
			tell(t, r.Differences, c.want)
		})
	}
}

// tell compares differences with parts of their texts.
func tell(t *testing.T, got []Difference, want string) {
	t.Helper()
	var parts []string
	if want != "" {
		parts = strings.Split(want, "|")
	}
	if len(got) != len(parts) {
		t.Fatalf("%d differences %v, want %d: %s", len(got), got, len(parts), want)
	}
	for i, part := range parts {
		if !strings.Contains(got[i].Text, part) {
			t.Errorf("difference %q, want %q", got[i].Text, part)
		}
	}
}

// TestStepsOfOne: a step that only one of the two has come to is told.
func TestStepsOfOne(t *testing.T) {
	create := change(sdk.Create, "new", "")
	r := Compare(reportOf(engine.ModePreview, planned(create)), reportOf(engine.ModeRun), nil, nil)
	if len(r.Steps) != 1 || len(r.Differences) == 0 {
		t.Errorf("steps %v, differences %v", r.Steps, r.Differences)
	}
}

// TestCompareDays: a run that is not as simulated, and a thing that nobody accounts for, are told.
func TestCompareDays(t *testing.T) {
	run := func(created ...string) simulate.Run {
		return simulate.Run{Instant: time.Unix(0, 0).UTC(), Status: engine.Succeeded, Created: created}
	}
	result := func(runs []simulate.Run, names ...string) *simulate.Result {
		g := simulate.Group{Type: "t", Scope: "s", Folder: "."}
		for _, n := range names {
			g.Resources = append(g.Resources, simulate.Existing{Name: n})
		}
		return &simulate.Result{Runs: runs, Groups: []simulate.Group{g}}
	}
	simulated := result([]simulate.Run{run("a")}, "a")
	for _, c := range []struct {
		name     string
		happened *simulate.Result
		after    []Thing
		want     string
	}{
		{"as simulated", result([]simulate.Run{run("a")}, "a"), []Thing{thing("a", "1")}, ""},
		{"another", result([]simulate.Run{run("b")}, "b"), []Thing{thing("b", "1")}, `was simulated to create ["a"], and has created ["b"]`},
		{"fewer runs", result(nil), nil, "1 runs were simulated, and 0 have happened"},
		{"not there", result([]simulate.Run{run("a")}, "a"), []Thing{thing("b", "1")}, `"a" is not there|"b" is there in the end, and no run`},
	} {
		t.Run(c.name, func(t *testing.T) { tell(t, CompareDays(simulated, c.happened, nil, c.after).Differences, c.want) })
	}
	if got := CompareDays(&simulate.Result{}, &simulate.Result{}, []Thing{thing("x", "1")}, nil).Differences; len(got) != 1 {
		t.Errorf("a thing that is gone: %v", got)
	}
}
