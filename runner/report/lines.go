package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// A step that takes long tells its progress, at most this often.
const tellProgressEvery = time.Minute

type lines struct {
	form
	started  engine.RunStarted
	any      bool
	finished bool
	closed   bool
	steps    map[stepKey]*lineStep
	idle     map[engine.Status]int // steps that nothing is told of
	lost     int                   // lines that the journal did not take
}

// lineStep is what is remembered of a step while it runs; of one with items, until the end.
type lineStep struct {
	told  time.Time // when its last line was
	made  int       // changes that have a line
	items bool
	said  map[sdk.Diagnostic]bool
}

// NewLines writes a run one line a thing: for pipes, files and the journal. See the package comment for which line
// goes where.
//
//	run 20260330T060000Z-7f3a: snapshot-rotation: started, 3 steps, as of 2026-03-30T06:00:00Z
//	step take: started: Snapshot 4 subvolumes (btrfs.snapshot)
//	step take: created snapshots/root/20260330T060000Z: read-only snapshot of root
//	step take: changed: 1 created, 0.12s
//	run 20260330T060000Z-7f3a: snapshot-rotation: succeeded: 1 created, 2 steps (1 changed, 1 ok), 0.73s
//
// A step that only reads has no "started" line. A line of progress comes at most once a minute for each step.
func NewLines(o Options) Reporter {
	return &lines{form: newForm(o), steps: map[stepKey]*lineStep{}, idle: map[engine.Status]int{}}
}

func (r *lines) step(s engine.StepRef) *lineStep {
	key := keyOf(s)
	st := r.steps[key]
	if st == nil {
		st = &lineStep{told: r.Now(), said: map[sdk.Diagnostic]bool{}}
		r.steps[key] = st
	}
	return st
}

func (r *lines) Emit(e engine.Event) {
	if r.closed || r.finished {
		return
	}
	r.any = true
	switch e := e.(type) {
	case engine.RunStarted:
		r.started = e
		r.start(e)
	case engine.StepStarted:
		r.step(e.Step)
		if !r.Quiet && (r.Verbose || e.Step.Effect != "read") {
			r.put(r.out, r.about(e.Step, priorityInfo, "started: "+r.describe(e.Step)))
		}
	case engine.StepPlanned:
		if r.Verbose && !r.Quiet {
			what := countChanges(e.Plan.Changes).words(func(k sdk.Kind) string { return "to be " + past(k) })
			if what == "" {
				what = "nothing to change"
			}
			if n := len(e.Plan.Kept); n > 0 {
				what += fmt.Sprintf(", %d kept", n)
			}
			r.put(r.out, r.about(e.Step, priorityDebug, "planned: "+what))
		}
	case engine.StepProgress:
		r.progress(e)
	case engine.StepLog:
		r.log(e)
	case engine.StepRetrying:
		r.put(r.err, r.about(e.Step, priorityWarning, r.retrying(e)))
	case engine.ChangeMade:
		r.step(e.Step).made++
		r.change(e.Step, e.Change)
	case engine.StepFinished:
		r.finish(e.StepResult)
	case engine.RunFinished:
		r.finished = true
		r.end(e)
	}
}

func (r *lines) runName(id string) string {
	name := "run " + r.clean(id)
	if r.started.Playbook != "" {
		name += ": " + r.clean(r.started.Playbook)
	}
	return name
}

func (r *lines) start(e engine.RunStarted) {
	if r.Quiet {
		return
	}
	text := fmt.Sprintf("%s: started, as of %s", r.runName(e.Run), e.Instant.UTC().Format(time.RFC3339))
	if e.Resumes != "" {
		text += ", going on from run " + r.clean(e.Resumes)
	}
	line := r.entry(priorityNotice, text)
	line.MessageID = RunStartedID
	r.put(r.out, line)
}

// describe is "Snapshot 4 subvolumes (btrfs.snapshot)".
func (r *lines) describe(s engine.StepRef) string {
	title, uses := r.stepTitle(s), r.clean(s.Uses)
	if s.Playbook != "" {
		if uses = "playbook " + r.clean(s.Playbook); title == "" {
			title = uses
		}
	}
	if title == uses && uses == "" {
		return "a block of steps"
	}
	if title == uses {
		return uses
	}
	if uses == "" {
		return title
	}
	return title + " (" + uses + ")"
}

func (r *lines) change(s engine.StepRef, c sdk.Change) {
	if r.Quiet {
		return
	}
	verb := past(c.Kind)
	if c.Kind == sdk.Run {
		verb = "ran"
	}
	text := verb + " " + r.clean(c.Resource.Name)
	if c.Summary != "" {
		text += ": " + r.clean(c.Summary)
	}
	r.put(r.out, r.about(s, priorityNotice, text))
}

func (r *lines) progress(e engine.StepProgress) {
	st, now := r.step(e.Step), r.Now()
	if r.Quiet || now.Sub(st.told) < tellProgressEvery {
		return
	}
	st.told = now
	text := amount(e.Current, e.Total, r.clean(e.Unit))
	if e.Total > 0 {
		text = fmt.Sprintf("%d%%, %s", percent(e.Current, e.Total), text)
	}
	if e.Message != "" {
		text += ", " + r.clean(e.Message)
	}
	r.put(r.out, r.about(e.Step, priorityInfo, "progress: "+text))
}

func (r *lines) log(e engine.StepLog) {
	priority := priorityInfo
	switch e.Level {
	case "debug", "trace":
		priority = priorityDebug
		if !r.Verbose {
			return
		}
	case "warn":
		priority = priorityWarning
	case "error":
		priority = priorityError
	}
	if r.Quiet && priority > priorityWarning {
		return
	}
	line := r.entry(priority, r.logLine(e))
	r.place(&line, e.Step)
	line.Plugin = r.clean(e.Plugin)
	r.put(r.err, line)
}

// logLine is "step take: btrfs: warn: message".
func (f *form) logLine(e engine.StepLog) string {
	text := "plugin " + f.clean(e.Plugin)
	if e.Step.ID != "" {
		text = "step " + f.stepName(e.Step) + ": " + f.clean(e.Plugin)
	}
	if e.Level != "info" && e.Level != "" {
		text += ": " + f.clean(e.Level)
	}
	return text + ": " + f.clean(strings.TrimRight(e.Message, "\r\n"))
}

func (r *lines) finish(res engine.StepResult) {
	key, st := keyOf(res.Step), r.step(res.Step)
	whole := r.step(engine.StepRef{ID: res.Step.ID, Section: res.Step.Section})
	if key.item >= 0 {
		whole.items = true
	}
	if key.item >= 0 || !st.items {
		for _, c := range res.Made[min(st.made, len(res.Made)):] {
			r.change(res.Step, c)
		}
	}
	for _, d := range res.Diagnostics {
		if whole.said[d] && key.item < 0 {
			continue
		}
		whole.said[d] = true
		priority, word := priorityError, "error"
		if d.Severity == sdk.SeverityWarning {
			priority, word = priorityWarning, "warning"
		}
		r.put(r.err, r.about(res.Step, priority, word+": "+r.oneLine(d)))
	}
	if key.item >= 0 {
		delete(r.steps, key)
	}
	priority, id := priorityInfo, ""
	if res.Status == engine.Cancelled {
		priority = priorityWarning
	} else if res.Status.Bad() {
		priority, id = priorityError, StepFailedID
	} else if idle(res) && !r.Verbose {
		r.idle[res.Status]++
		return
	} else if r.Quiet {
		return
	}
	line := r.about(res.Step, priority, r.outcome(res))
	line.MessageID, line.Status = id, string(res.Status)
	r.put(r.out, line)
}

// outcome is "changed: 4 created, 0.12s".
func (r *lines) outcome(res engine.StepResult) string {
	text := statusText(res.Status)
	if res.Resumed != "" && !res.Status.Bad() {
		return r.already(res)
	}
	switch res.Status {
	case engine.Skipped, engine.Unreached:
		if res.Why != "" {
			text += ": " + r.clean(res.Why)
		}
		return text
	}
	var parts []string
	if res.Status == engine.Rescued && res.Why != "" {
		parts = append(parts, r.clean(res.Why))
	}
	if res.Status.Bad() {
		reason := firstError(res.Diagnostics)
		if reason == "" {
			reason = res.Why
		}
		if reason != "" {
			parts = append(parts, r.clean(reason))
		}
	}
	if made := countChanges(res.Made).words(past); made != "" {
		parts = append(parts, made)
	}
	if res.Summary != "" {
		parts = append(parts, r.clean(res.Summary))
	}
	if partly := partial(res); partly != "" {
		parts = append(parts, partly)
	}
	return text + ": " + strings.Join(append(parts, Duration(res.Duration)), ", ")
}

// partial says how far a step came that went wrong; "" if all was done or nothing was planned.
func partial(res engine.StepResult) string {
	planned, made := len(res.Planned.Changes), len(res.Made)
	if !res.Status.Bad() || planned == 0 || made >= planned {
		return ""
	}
	return fmt.Sprintf("%d of %s made", made, Count(planned, "planned change"))
}

func (r *lines) end(e engine.RunFinished) {
	priority, text := priorityNotice, r.runName(e.Run)+": "+runText(e.Status)
	if e.Status != engine.Succeeded {
		priority = priorityError
		if e.Status == engine.RunCancelled {
			priority = priorityWarning
		}
		if e.Reason != "" {
			text += ": " + r.clean(e.Reason)
		}
	}
	made := totalCounts(e.Changes).words(past)
	if made == "" {
		made = "nothing changed"
	}
	text += ": " + made
	steps := reached(e.Steps, r.idle)
	if n := sumSteps(steps); n > 0 {
		text += fmt.Sprintf(", %s (%s)", Count(n, "step"), countSteps(steps, ", "))
	}
	if e.Warnings > 0 {
		text += ", " + Count(e.Warnings, "warning")
	}
	line := r.entry(priority, text+", "+Duration(e.Duration))
	line.Run, line.MessageID, line.Status = r.clean(e.Run), RunFinishedID, string(e.Status)
	r.put(r.out, line)
}

func (r *lines) Close() error {
	if r.any && !r.finished && !r.closed {
		r.Emit(neverFinished(r.started))
	}
	r.closed = true
	return r.flush()
}
