package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

func (a *app) showRun(filesystem, run string, now time.Time) error {
	state, err := allState(context.Background(), filesystem)
	if err != nil {
		return exit(exitFailed, err)
	}
	defer state.Close()
	r, err := readRecord(state, run)
	if err != nil {
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintf(a.err, "coppice: %s: %s\n", diagnostic.Escape(state.Shown(r.Path)), diagnostic.Escape(p))
	}
	if a.json {
		if err := journal.Copy(a.out, r.Path); err != nil {
			return exit(exitFailed, err)
		}
		return nil
	}
	p := &recordPage{w: a.out, state: state}
	p.header(r, now)
	if r.Status != journal.Unknown {
		p.inputs(r)
		p.body(r)
	}
	return p.err
}

// recordPage prints a record.
type recordPage struct {
	w     io.Writer
	state *stateDirs
	err   error
	notes map[string][]string // what else is told of a step, by what it is called; "": of none
	depth string              // in front of each line
}

// line prints values that come from anywhere: what is not printable in them is escaped.
func (p *recordPage) line(format string, values ...any) {
	for i, v := range values {
		if s, ok := v.(string); ok {
			values[i] = diagnostic.Escape(s)
		}
	}
	if _, err := fmt.Fprintf(p.w, p.depth+format+"\n", values...); err != nil && p.err == nil {
		p.err = exit(exitFailed, err)
	}
}

func (p *recordPage) field(name, value string) {
	if value != "" {
		p.line("%-11s%s", name, value)
	}
}

func (p *recordPage) header(r *journal.Record, now time.Time) {
	p.field("run", r.Run)
	p.field("playbook", strings.TrimPrefix(r.Playbook+": "+r.Description, ": "))
	p.field("file", r.File)
	p.field("sha256", r.SHA256)
	if r.Resumes != "" {
		p.field("resumes", "run "+r.Resumes)
	}
	started := r.Started
	if started.IsZero() {
		started = r.Instant
	}
	p.field("started", when(started, now))
	if !r.Instant.IsZero() && r.Instant.Sub(started).Abs() > time.Second {
		p.field("as of", r.Instant.UTC().Format(time.RFC3339))
	}
	status := runStatus(r.Status)
	switch r.Status {
	case journal.Running:
		r.Took = max(now.Sub(started), 0)
	case journal.Interrupted:
		status += ": it was killed, or cut off from power"
	default:
		if r.Reason != "" {
			status += ": " + r.Reason
		}
	}
	p.field("status", status)
	p.field("record", p.state.Shown(r.Path))
	if r.Status == journal.Unknown {
		return
	}
	p.field("took", took(r.Status, r.Took))
	p.field("changes", signs(r.Changes))
	var by []string
	if r.Coppice != "" {
		by = append(by, "coppice "+r.Coppice)
	}
	if r.Host != "" {
		by = append(by, "on "+r.Host)
	}
	if r.PID != 0 {
		by = append(by, "as process "+strconv.Itoa(r.PID))
	}
	p.field("by", strings.Join(by, " "))
}

func (p *recordPage) inputs(r *journal.Record) {
	if len(r.Inputs) == 0 {
		return
	}
	width := 0
	names := slices.Sorted(maps.Keys(r.Inputs))
	for _, name := range names {
		width = max(width, len([]rune(diagnostic.Escape(name))))
	}
	p.line("\ninputs")
	for _, name := range names {
		p.line("  %-*s  %s", width, name, string(r.Inputs[name]))
	}
}

func (p *recordPage) body(r *journal.Record) {
	if len(r.Steps) > 0 {
		p.line("")
	}
	p.notes = map[string][]string{}
	for _, o := range r.Other {
		name := recordedStep(o.Step)
		p.notes[name] = append(p.notes[name], string(o.Text))
	}
	for _, l := range r.Logs {
		name := recordedStep(l.Step)
		p.notes[name] = append(p.notes[name], fmt.Sprintf("plugin %s: %s: %s", l.Plugin, l.Level, l.Message))
	}
	for _, s := range r.Steps {
		if s.Result != nil && (s.Result.Idle || len(s.Result.Unset) > 0) && len(s.Result.Diagnostics) == 0 {
			continue // there for a failure that did not happen, or for inputs that nobody has given: nothing to tell
		}
		p.step(r, s)
	}
	for _, text := range p.notes[""] {
		p.line("%s", text)
	}
}

func (p *recordPage) step(r *journal.Record, s *journal.Step) {
	p.depth = strings.Repeat("  ", min(max(s.Step.Depth, 0), 16))
	defer func() { p.depth = "" }()
	status, title, why := "interrupted", s.Step.Uses, ""
	if r.Status == journal.Running {
		status = "running"
	}
	if f := s.Result; f != nil {
		status, why = strings.ReplaceAll(string(f.Status), "_", " "), f.Why
		if f.Status == engine.Unreached {
			status = "not reached"
		} else if f.Status != engine.Skipped {
			status += ", " + report.Duration(f.Duration)
		}
		if f.Summary != "" {
			why = strings.TrimSuffix(f.Summary+"; "+why, "; ")
		}
	}
	if title == "" {
		title = "block"
	}
	if s.Step.Title != "" && s.Step.Title != s.Step.ID {
		title = s.Step.Title + " (" + title + ")"
	}
	p.line("step %s: %s: %s", recordedStep(s.Step), status, title)
	if why != "" {
		p.line("  %s", why)
	}
	for _, t := range s.Retries {
		p.line("  attempt %d of %d failed: %s", t.Attempt-1, t.Attempts, t.Reason)
	}
	for _, c := range s.Made {
		p.change(sign(c.Kind), c, "")
	}
	missing := unmade(s)
	if s.Result != nil && len(missing) > 0 {
		p.line("  %s planned and not made", report.Count(len(missing), "change"))
		missing = nil
	}
	for _, c := range missing {
		p.change("?", c, " (planned; "+string(c.Kind)+" not recorded)")
	}
	for _, what := range slices.Sorted(maps.Keys(s.Cut)) {
		p.line("  not recorded, too large: %s (%d)", what, s.Cut[what])
	}
	for _, text := range p.notes[recordedStep(s.Step)] {
		p.line("  %s", text)
	}
	if s.Result == nil {
		return
	}
	for _, d := range s.Result.Diagnostics {
		p.diagnostic(d)
	}
}

func (p *recordPage) change(sign string, c sdk.Change, note string) {
	text := c.Resource.Name
	if c.Summary != "" {
		text += "  " + c.Summary
	}
	p.line("  %s %s%s", sign, text, note)
}

func (p *recordPage) diagnostic(d sdk.Diagnostic) {
	word, text := "error", d.Summary
	if d.Severity == sdk.SeverityWarning {
		word = "warning"
	}
	if d.Path != "" {
		text += " (input " + strings.ReplaceAll(strings.TrimPrefix(d.Path, "/"), "/", ".")
		if d.At != "" {
			text += " at " + d.At
		}
		text += ")"
	}
	p.line("  %s: %s", word, text)
	if d.Advice != "" {
		p.line("    advice: %s", d.Advice)
	}
}

// unmade are the planned changes that are not recorded as made.
func unmade(s *journal.Step) []sdk.Change {
	made := map[string]bool{}
	for _, c := range s.Made {
		made[string(c.Kind)+"\x00"+c.Resource.Type+"\x00"+c.Resource.Scope+"\x00"+c.Resource.Name] = true
	}
	var rest []sdk.Change
	for _, c := range s.Planned {
		if !made[string(c.Kind)+"\x00"+c.Resource.Type+"\x00"+c.Resource.Scope+"\x00"+c.Resource.Name] {
			rest = append(rest, c)
		}
	}
	return rest
}

// recordedStep is how a step is called: "take", "take[root]".
func recordedStep(s engine.StepRef) string {
	if s.Item == nil {
		return s.ID
	}
	if s.Label == "" {
		return s.ID + "[" + strconv.Itoa(*s.Item) + "]"
	}
	return s.ID + "[" + s.Label + "]"
}
