package picture

import (
	"slices"
	"strings"
	"time"
)

// Outcome is what came of a run.
type Outcome string

// The outcomes of runs.
const (
	Changed     Outcome = "changed"     // it succeeded, and changed something
	Unchanged   Outcome = "unchanged"   // it succeeded, and there was nothing to change
	Rescued     Outcome = "rescued"     // it succeeded because a rescue made up for a step that failed
	Failed      Outcome = "failed"      // a step failed
	TimedOut    Outcome = "timed_out"   // it took too long
	Cancelled   Outcome = "cancelled"   // it was stopped on request
	Interrupted Outcome = "interrupted" // it was killed, or cut off from power
	Running     Outcome = "running"     // it runs
	Unknown     Outcome = "unknown"     // a later coppice has written its record
)

// Missed is the outcome of what never began, and so of no run.
const Missed = Outcome("missed")

// outcomes in the order in which they are counted up, and what is told of how many.
var outcomes = []struct {
	outcome Outcome
	words   string
}{
	{Changed, "changed something"}, {Unchanged, "had nothing to change"}, {Rescued, "rescued"}, {Failed, "failed"}, {TimedOut, "timed out"},
	{Cancelled, "stopped on request"}, {Interrupted, "cut off"}, {Running, "running"}, {Unknown, "not known"}, {Missed, "missed"},
}

// badness is the order in which outcomes matter, the worst first.
var badness = []Outcome{Failed, TimedOut, Missed, Interrupted, Rescued, Cancelled, Unknown, Running, Changed, Unchanged}

// Words are an outcome in words.
func (o Outcome) Words() string {
	for _, one := range outcomes {
		if one.outcome == o {
			return one.words
		}
	}
	return strings.ReplaceAll(string(o), "_", " ")
}

// Tally is how many runs had which outcome, in the order of what is told.
type Tally []Tallied

// Tallied is one outcome of a tally.
type Tallied struct {
	Outcome Outcome
	Count   int
}

func tallyOf(all []Outcome) Tally {
	var t Tally
	for _, one := range outcomes {
		n := 0
		for _, o := range all {
			if o == one.outcome {
				n++
			}
		}
		if n > 0 {
			t = append(t, Tallied{one.outcome, n})
		}
	}
	return t
}

// Worst is the outcome that matters most; "" of none.
func (t Tally) Worst() Outcome {
	for _, o := range badness {
		if slices.ContainsFunc(t, func(one Tallied) bool { return one.Outcome == o }) {
			return o
		}
	}
	return ""
}

// Column is what happened to a playbook in a span of the axis.
type Column struct {
	Span
	All     []Outcome // in the order of time
	Longest time.Duration
}

// Tally counts the outcomes of a column.
func (c Column) Tally() Tally { return tallyOf(c.All) }

// Columns are the runs of a playbook, and those that were missed, by the spans in which they began.
func (p Playbook) Columns(spans []Span) []Column {
	columns := make([]Column, len(spans))
	for i, s := range spans {
		c := &columns[i]
		c.Span = s
		missed := p.Missed
		before := func(t time.Time) {
			for ; len(missed) > 0 && missed[0].Before(t); missed = missed[1:] {
				if s.has(missed[0]) {
					c.All = append(c.All, Missed)
				}
			}
		}
		for _, r := range p.Runs {
			if s.has(r.Started) {
				before(r.Started)
				c.All = append(c.All, r.Outcome)
				c.Longest = max(c.Longest, r.Took)
			}
		}
		before(s.End)
	}
	return columns
}

// Tally counts all outcomes of a playbook.
func (p Playbook) Tally() Tally {
	var all []Outcome
	for _, r := range p.Runs {
		all = append(all, r.Outcome)
	}
	for range p.Missed {
		all = append(all, Missed)
	}
	return tallyOf(all)
}

// Took is how long runs took that ended by themselves.
type Took struct {
	Runs            int // how many
	Median, Longest time.Duration
	Scale           time.Duration // what a picture shows: the longest, unless that would make all others flat
}

// Took sums up how long the runs of a playbook took.
func (p Playbook) Took() Took {
	var all []time.Duration
	for _, r := range p.Runs {
		if r.ended() {
			all = append(all, r.Took)
		}
	}
	if len(all) == 0 {
		return Took{}
	}
	slices.Sort(all)
	t := Took{Runs: len(all), Median: all[len(all)/2], Longest: all[len(all)-1]}
	t.Scale = t.Longest
	const flat = 4
	if most := all[(len(all)-1)*9/10]; t.Longest > flat*most {
		t.Scale = 2 * most
	}
	t.Scale = max(t.Scale, 1)
	return t
}

// ended reports whether a run ended by itself, so that how long it took tells something.
func (r Run) ended() bool {
	return slices.Contains([]Outcome{Changed, Unchanged, Rescued, Failed, TimedOut}, r.Outcome)
}
