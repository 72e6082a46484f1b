package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

type plan struct {
	form
	record
	last     lastLine
	frame    int
	current  string // the step that is being planned
	closed   bool
	presumes int // how many steps that may change anything were named
}

// NewPlan shows a preview for people. The header is written when the preview starts, all the rest when it ends; in
// between, with Options.Live, a last line tells which step is being planned. Close must be called.
func NewPlan(o Options) Reporter { return newPlan(o, redrawEvery) }

func newPlan(o Options, every time.Duration) *plan {
	r := &plan{form: newForm(o)}
	r.last.out, r.last.draw = r.out, r.draw
	if r.Live && every > 0 {
		r.last.start(every)
	}
	return r
}

func (r *plan) Emit(e engine.Event) {
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	if r.closed || r.finished != nil {
		return
	}
	r.emit(e)
	switch e := e.(type) {
	case engine.RunStarted:
		p := r.page()
		r.header(p, e)
		r.last.print(p.String())
	case engine.StepStarted:
		r.current = r.stepName(e.Step)
	case engine.StepLog:
		r.log(e)
	case engine.RunFinished:
		r.last.clear()
		p := r.page()
		r.body(p)
		r.last.print(p.String())
	}
}

func (r *plan) draw() (string, bool) {
	if r.finished != nil || r.current == "" {
		return "", false
	}
	r.frame++
	l := line{}.add(cyan, spinner[r.frame%len(spinner)]+" ").add(dim, "planning "+r.current)
	width := r.columns()
	if width == 0 {
		width = liveDefaultWidth
	}
	return l.fit(width - 1).paint(r.Color), true
}

func (r *plan) log(e engine.StepLog) {
	switch e.Level {
	case "warn", "error":
	case "debug", "trace":
		if !r.Verbose || r.Quiet {
			return
		}
	default:
		if r.Quiet {
			return
		}
	}
	r.last.clear()
	r.err.write(r.logLine(e) + "\n")
}

// header is the playbook, the instant, and the inputs that have a value.
func (r *plan) header(p *page, e engine.RunStarted) {
	if r.Quiet {
		return
	}
	l := line{}.add(plain, "Plan for ").add(bold, r.clean(e.Playbook))
	p.put(l.add(dim, " as of "+e.Instant.UTC().Format("2006-01-02 15:04:05")+" UTC"))
	if e.Description != "" {
		p.wrap(line{}, dim, r.clean(e.Description))
	}
	if e.Resumes != "" {
		p.put(line{}.add(dim, "What is left of run "+r.clean(e.Resumes)))
	}
	var inputs []string
	for _, k := range slices.Sorted(maps.Keys(e.Inputs)) {
		v := e.Inputs[k]
		if v == nil || v == "" || !r.Verbose && slices.Contains(e.Defaulted, k) {
			continue
		}
		text := r.clean(k) + "=" + r.value(v)
		if !r.Verbose {
			text = cutMiddle(text, 60)
		}
		inputs = append(inputs, text)
	}
	if len(inputs) > 0 {
		p.wrap(line{}, dim, strings.Join(inputs, "  "))
	}
	p.blank()
}

// body is the steps and the total.
func (r *plan) body(p *page) {
	if !r.Quiet {
		r.sections(p)
	} else {
		for _, s := range r.results() {
			for _, d := range s.Diagnostics {
				r.diagnostic(p, 0, d)
			}
		}
	}
	r.total(p)
}

var sectionTitles = map[engine.Section]string{
	engine.SectionOnFailure: "Only if the run fails:",
	engine.SectionAlways:    "Last, whatever happened:",
}

func (r *plan) sections(p *page) {
	names := 0
	for _, s := range r.steps {
		if !s.done || r.Verbose || !unset(s.result) {
			names = max(names, textWidth(r.stepName(wholeRef(s.ref))))
		}
	}
	names = min(names, 24)
	for _, section := range []engine.Section{engine.SectionSteps, engine.SectionAlways, engine.SectionOnFailure} {
		titled := false
		for i, s := range r.steps {
			if s.key.section != section && !(s.key.section == "" && section == engine.SectionSteps) {
				continue
			}
			if s.done && !r.Verbose && unset(s.result) {
				continue
			}
			if title := sectionTitles[section]; title != "" && !titled {
				p.put(line{}.add(bold, title))
				p.blank()
				titled = true
			}
			if !s.done {
				continue
			}
			first := i == 0 || r.steps[i-1].key.whole() != s.key.whole()
			if first && s.key.item >= 0 { // nobody told of the step as a whole
				p.put(r.heading(r.wholeOf(s.key.whole()), 0, names, true))
			}
			r.step(p, s, names, r.hasItems(s.key))
			if i+1 == len(r.steps) || r.steps[i+1].key.whole() != s.key.whole() {
				p.blank()
			}
		}
	}
}

func (r *plan) hasItems(key stepKey) bool {
	if key.item >= 0 {
		return false
	}
	for _, s := range r.steps {
		if s.key.item >= 0 && s.key.whole() == key {
			return true
		}
	}
	return false
}

// wholeRef is the step that an item belongs to.
func wholeRef(s engine.StepRef) engine.StepRef {
	if s.Item != nil {
		s.Item, s.Label, s.Title = nil, "", s.ID
	}
	return s
}

// wholeOf is a step put together from its items, for its heading.
func (r *plan) wholeOf(key stepKey) engine.StepResult {
	whole := engine.StepResult{Status: engine.OK}
	for _, s := range r.steps {
		if !s.done || s.key.item < 0 || s.key.whole() != key {
			continue
		}
		if whole.Step.ID == "" {
			whole.Step = wholeRef(s.ref)
			whole.Step.Title = r.sharedTitle(key, whole.Step.ID)
		}
		whole.Planned.Changes = append(whole.Planned.Changes, s.result.Planned.Changes...)
		switch status := s.result.Status; {
		case whole.Status.Bad():
		case status.Bad(), status == engine.Changed:
			whole.Status = status
		}
	}
	return whole
}

// sharedTitle is the title of all items of a step, if they have the same; else the step's id.
func (r *plan) sharedTitle(key stepKey, id string) string {
	shared := ""
	for _, s := range r.steps {
		if s.done && s.key.item >= 0 && s.key.whole() == key {
			if shared != "" && s.result.Step.Title != shared {
				return id
			}
			shared = s.result.Step.Title
		}
	}
	return shared
}

// total is the last line: what there is to do, or that there is nothing.
func (r *plan) total(p *page) {
	e := r.end()
	c := totalCounts(e.Changes)
	words := []string{}
	for _, k := range kinds {
		if n := c[k]; n > 0 || k != sdk.Run {
			words = append(words, fmt.Sprintf("%d to %s", n, k))
		}
	}
	maybe := e.Changes.Conditional
	unsure := r.undecided()
	switch {
	case e.Status != engine.Succeeded:
		text := "The plan is not complete: " + runText(e.Status)
		if e.Reason != "" {
			text += ": " + r.clean(e.Reason)
		}
		p.wrap(line{}.add(red, "✗ "), red, text)
		if e.Changes.Any() {
			p.wrap(line{}, plain, "So far: "+strings.Join(words, ", ")+".")
		}
	case c[sdk.Create]+c[sdk.Update]+c[sdk.Delete]+c[sdk.Run] > 0:
		p.wrap(line{}.add(bold, "Plan: "), bold, strings.Join(words, ", ")+".")
	case maybe > 0 || unsure > 0:
		p.wrap(line{}, bold, "No changes that are certain.")
	case badSteps(e.Steps) > 0:
		p.wrap(line{}.add(yellow, "⚠ "), bold, fmt.Sprintf("No changes, and %s would fail.", Count(badSteps(e.Steps), "step")))
	default:
		p.wrap(line{}.add(green, "✓ "), bold, "No changes. The machine is as the playbook wants it.")
	}
	switch {
	case maybe > 0:
		p.wrap(line{}.add(yellow, "? "), plain, fmt.Sprintf("%s may be made besides, as decided at run.", Count(maybe, "more change")))
	case unsure > 0:
		p.wrap(line{}.add(yellow, "? "), plain, fmt.Sprintf("%s decided at run; what changes then can't be told before.", Count(unsure, "step")))
	}
	if e.Warnings > 0 {
		p.put(line{}.add(yellow, "⚠ "+Count(e.Warnings, "warning")))
	}
}

// undecided counts the steps of which it is not known whether they run, or what they do.
func (r *plan) undecided() int {
	unsure := map[stepKey]bool{}
	for _, s := range r.steps {
		if s.done && s.result.Conditional != "" && !s.result.Idle {
			unsure[s.key.whole()] = true
		}
	}
	return len(unsure)
}

func (r *plan) Close() error {
	r.last.end()
	r.last.mu.Lock()
	open := r.any && r.finished == nil && !r.closed
	r.last.mu.Unlock()
	if open {
		r.Emit(neverFinished(r.started))
	}
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	r.closed = true
	r.last.clear()
	return r.flush()
}
