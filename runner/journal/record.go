package journal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// Summary is what a list of runs shows.
type Summary struct {
	Header
	Path    string           `json:"path"`
	Status  engine.RunStatus `json:"status"`            // how the run ended; or Running, Interrupted, Unknown
	Reason  string           `json:"reason,omitempty"`  // why it did not succeed
	Started time.Time        `json:"started,omitzero"`  // by the clock, when the record was begun
	Last    time.Time        `json:"last,omitzero"`     // by the clock, when its last line was written
	Changes engine.Totals    `json:"changes"`           // made
	Took    time.Duration    `json:"took_ns,omitempty"` // of a run that has not ended: until its last line
}

// Ended reports whether the run is over: it was interrupted, or the record tells its end.
func (s Summary) Ended() bool { return s.Status != Running && s.Status != Unknown }

// Began is when the run began, by the clock; of a record that was cut off before it told, the instant that the run went by.
func (s Summary) Began() time.Time {
	if s.Started.IsZero() {
		return s.Instant
	}
	return s.Started
}

// Record is everything that a record tells.
type Record struct {
	Summary
	Description string
	Steps       []*Step // in the order in which they were heard of, items of one step by their index behind it
	Logs        []Log
	Other       []Other             // events of kinds that this version knows nothing of
	Finished    *engine.RunFinished // nil: the run has not ended, or nobody could write it down
	// Problems are what is wrong with the file, each in a line. A torn end is none.
	Problems []string
}

// Step is what is known of a step, or of one item of it.
type Step struct {
	Step    engine.StepRef
	Started time.Time             // zero: it never started
	Planned []sdk.Change          // what it was to do, in the last attempt
	Made    []sdk.Change          // what it did, in all attempts
	Retries []engine.StepRetrying // attempts that failed and were followed by another one
	Result  *engine.StepResult    // without Planned, Made and Fingerprint; nil: it has not ended
	Masked  bool                  // a secret was in its outputs
	Cut     map[string]int        // what was too large to be recorded: outputs, diagnostics, changes
}

// Log is a warning or an error of a plugin.
type Log struct {
	Time time.Time
	engine.StepLog
}

// Other is a line of a kind that this version knows nothing of.
type Other struct {
	Time time.Time
	Type string
	Step engine.StepRef // zero: of none
	Text json.RawMessage
}

// key tells steps, and items of a step, apart.
type key struct {
	section engine.Section
	id      string
	item    int // -1: not an item
}

func keyOf(s engine.StepRef) key {
	k := key{s.Section, s.ID, -1}
	if s.Item != nil {
		k.item = *s.Item
	}
	return k
}

// builder puts a record together from lines.
type builder struct {
	light    bool // the summary only
	record   Record
	steps    map[key]*Step
	seq      int
	any      bool // there was a whole line
	header   bool
	bad      int // bad lines since the last whole one
	previous int // the number of the last line
	later    int // a version that is not ours
}

// build reads a whole record. Nothing in it is an error, but errors of reading are.
func (b *builder) build(r io.Reader) error {
	b.steps = map[key]*Step{}
	s := newScanner(r)
	for {
		line, whole, err := s.next()
		if err != nil {
			break
		}
		b.line(line, whole)
		if b.later > 0 {
			return nil
		}
	}
	b.finish()
	return s.failed()
}

func (b *builder) line(line []byte, whole bool) {
	b.previous++
	if b.previous == 1 {
		var h head
		if json.Unmarshal(line, &h) == nil && h.Format == Format && h.Version > Version {
			b.later = h.Version // checksums may be another thing in it
			return
		}
	}
	var h head
	if !whole || !sealed(line) || json.Unmarshal(line, &h) != nil || h.Seq < 1 || h.Type == "" {
		b.bad++
		return
	}
	switch {
	case h.Seq <= b.seq:
		b.problem("line %d is a second line %d", b.previous, h.Seq)
		b.bad = 0
		return
	case h.Seq == b.seq+2:
		b.problem("line %d is damaged or missing", b.seq+1)
	case h.Seq > b.seq+2:
		b.problem("lines %d to %d are damaged or missing", b.seq+1, h.Seq-1)
	case b.bad > 0:
		b.problem("there is something that is no line before line %d", h.Seq)
	}
	b.any, b.seq, b.bad = true, h.Seq, 0
	if b.record.Started.IsZero() {
		b.record.Started = h.Time
	}
	b.record.Last = h.Time
	if err := b.event(h, line); err != nil {
		b.problem("line %d can't be understood: %v", h.Seq, err)
	}
}

const maxProblems = 100

func (b *builder) problem(format string, args ...any) {
	if len(b.record.Problems) < maxProblems {
		b.record.Problems = append(b.record.Problems, fmt.Sprintf(format, args...))
	}
}

// event takes in one whole line.
func (b *builder) event(h head, line []byte) error {
	switch h.Type {
	case "header":
		if h.Format != Format || h.Version != Version {
			return errors.New("its format is another one")
		}
		b.header = true
		return json.Unmarshal(line, &b.record.Header)
	case "run_started":
		if b.light && b.header {
			return nil
		}
		var e engine.RunStarted
		err := json.Unmarshal(line, &e)
		if !b.header { // it tells some of what the header did
			b.record.Header.Run, b.record.Mode, b.record.Playbook, b.record.File, b.record.Instant =
				e.Run, e.Mode, e.Playbook, e.File, e.Instant
		}
		b.record.Description = e.Description
		return err
	case "change_made":
		var e engine.ChangeMade
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		b.record.Changes.Add(e.Change.Kind)
		if s := b.step(e.Step); s != nil {
			s.Made = append(s.Made, e.Change)
		}
		return nil
	case "run_finished":
		var e engine.RunFinished
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Status == "" {
			return errors.New("it has no status")
		}
		b.record.Finished = &e
		return nil
	}
	if b.light {
		return nil
	}
	return b.stepEvent(h, line)
}

func (b *builder) stepEvent(h head, line []byte) error {
	switch h.Type {
	case "step_started":
		var e engine.StepStarted
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s := b.step(e.Step)
		s.Step = e.Step
		if s.Started.IsZero() {
			s.Started = h.Time
		}
		// Once more: what it was to do and what came of it is the last attempt's.
		s.Result, s.Planned = nil, nil
	case "step_planned":
		var e plannedBody
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s := b.step(e.Step)
		s.Planned = e.Changes
		s.note(e.Cut)
	case "step_retrying":
		var e engine.StepRetrying
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s := b.step(e.Step)
		s.Retries = append(s.Retries, e)
	case "step_finished":
		var e finishedBody
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s := b.step(e.Step)
		result := e.StepResult
		s.Step, s.Result, s.Masked = e.Step, &result, e.Masked
		s.note(e.Cut)
	case "step_log":
		l := Log{Time: h.Time}
		if err := json.Unmarshal(line, &l.StepLog); err != nil {
			return err
		}
		b.record.Logs = append(b.record.Logs, l)
	default:
		o := Other{Time: h.Time, Type: h.Type, Text: slices.Clone(line)}
		var about struct {
			Step engine.StepRef `json:"step"`
		}
		if json.Unmarshal(line, &about) == nil {
			o.Step = about.Step
		}
		b.record.Other = append(b.record.Other, o)
	}
	return nil
}

func (s *Step) note(c cut) {
	for what, n := range c {
		if s.Cut == nil {
			s.Cut = map[string]int{}
		}
		s.Cut[what] = n
	}
}

// step finds a step, or makes it; nil: only the summary is wanted.
func (b *builder) step(ref engine.StepRef) *Step {
	if b.light {
		return nil
	}
	k := keyOf(ref)
	s := b.steps[k]
	if s == nil {
		s = &Step{Step: ref}
		b.steps[k] = s
		b.record.Steps = append(b.record.Steps, s)
	}
	return s
}

// finish is called behind the last line. Bad lines there are a torn end, and no problem.
func (b *builder) finish() {
	if b.record.Finished != nil && b.bad > 0 {
		b.problem("there is something behind its end")
	}
	if b.any && !b.header {
		b.problem("it has no header")
	}
	b.sum()
	rank := map[key]int{}
	for i, s := range b.record.Steps {
		whole := keyOf(s.Step)
		whole.item = -1
		if _, known := rank[whole]; !known {
			rank[whole] = i
		}
	}
	slices.SortStableFunc(b.record.Steps, func(x, y *Step) int {
		a, c := keyOf(x.Step), keyOf(y.Step)
		ranks := cmp.Compare(rank[key{a.section, a.id, -1}], rank[key{c.section, c.id, -1}])
		return cmp.Or(ranks, cmp.Compare(a.item, c.item))
	})
}

// sum fills in what follows from the end of a run, or from there being none. The caller has put Running or Interrupted
// into Status.
func (b *builder) sum() {
	r := &b.record
	if f := r.Finished; f != nil {
		r.Status, r.Reason, r.Changes, r.Took = f.Status, f.Reason, f.Changes, f.Duration
		return
	}
	r.Took = max(r.Last.Sub(r.Started), 0)
}
