package report

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// statuses in the order in which they are counted up.
var statuses = []engine.Status{
	engine.Changed, engine.OK, engine.Rescued, engine.Skipped, engine.Failed, engine.Errored, engine.TimedOut, engine.Cancelled, engine.Unreached,
}

// statusText is a status in words.
func statusText(s engine.Status) string {
	switch s {
	case engine.TimedOut:
		return "timed out"
	case engine.Unreached:
		return "not reached"
	}
	return string(s)
}

// statusSign is the sign of a step that has ended.
func statusSign(s engine.Status) span {
	switch {
	case s == engine.OK, s == engine.Changed:
		return span{green, "✓"}
	case s == engine.Rescued:
		return span{yellow, "✓"}
	case s == engine.Skipped:
		return span{dim, "○"}
	case s == engine.Cancelled:
		return span{yellow, "■"}
	case s.Bad():
		return span{red, "✗"}
	}
	return span{dim, "·"}
}

// countSteps is "4 changed, 1 ok".
func countSteps(steps map[engine.Status]int, separator string) string {
	var parts []string
	for _, s := range statuses {
		if n := steps[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, statusText(s)))
		}
	}
	return strings.Join(parts, separator)
}

// badSteps is how many steps went wrong.
func badSteps(steps map[engine.Status]int) int {
	n := 0
	for s, count := range steps {
		if s.Bad() {
			n += count
		}
	}
	return n
}

func sumSteps(steps map[engine.Status]int) int {
	n := 0
	for _, s := range statuses {
		n += steps[s]
	}
	return n
}

// totalCounts are totals by kind.
func totalCounts(t engine.Totals) counts {
	return counts{sdk.Create: t.Create, sdk.Update: t.Update, sdk.Delete: t.Delete, sdk.Run: t.Run}
}

// runSign is how a run ended.
func runSign(s engine.RunStatus) span {
	switch s {
	case engine.Succeeded:
		return span{green, "✓"}
	case engine.RunCancelled:
		return span{yellow, "■"}
	}
	return span{red, "✗"}
}

func runText(s engine.RunStatus) string {
	if s == engine.RunTimedOut {
		return "timed out"
	}
	return string(s)
}

// stepName is how a step is called in a line: "take", "take[root]".
func (f *form) stepName(s engine.StepRef) string {
	name := f.clean(s.ID)
	if s.Item != nil {
		label := f.clean(s.Label)
		if label == "" {
			label = fmt.Sprint(*s.Item)
		}
		name += "[" + label + "]"
	}
	return name
}

// already is what is told of a step that an earlier run has finished: "changed in run 20260330T060000Z-7f3a".
func (f *form) already(res engine.StepResult) string {
	return statusText(res.Status) + " in run " + f.clean(res.Resumed)
}

// stepTitle is what a step is for, or what it uses if nobody gave it a title.
func (f *form) stepTitle(s engine.StepRef) string {
	if s.Title != "" && s.Title != s.ID {
		return f.clean(s.Title)
	}
	return f.clean(s.Uses)
}

// reached are the counts of steps without the idle ones.
func reached(steps, idle map[engine.Status]int) map[engine.Status]int {
	if len(idle) == 0 || steps == nil {
		return steps
	}
	rest := maps.Clone(steps)
	for status, n := range idle {
		if rest[status] -= n; rest[status] <= 0 {
			delete(rest, status)
		}
	}
	return rest
}

// retrying is "attempt 2 of 4 follows in 3s: no space".
func (f *form) retrying(e engine.StepRetrying) string {
	text := fmt.Sprintf("attempt %d of %d follows", e.Attempt, e.Attempts)
	if e.Wait > 0 {
		text += " in " + Duration(e.Wait)
	}
	return text + ": " + f.clean(e.Reason)
}

// idle reports whether a step was for a failure that did not happen, or for inputs that nobody has given: nothing to tell.
func idle(r engine.StepResult) bool {
	return (r.Idle || unset(r)) && len(r.Diagnostics) == 0
}

// unset reports whether a step is there for inputs that nobody has given.
func unset(r engine.StepResult) bool { return len(r.Unset) > 0 && len(r.Diagnostics) == 0 }
