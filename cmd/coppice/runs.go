package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// Records of runs that are both older and not among the newest are deleted.
const (
	keepRunsAge   = 90 * 24 * time.Hour
	keepRunsCount = 500
)

// volatileState is used where the state folder can't be written to: in the initrd, or when its disk is full.
const volatileState = "/run/coppice"

// stateDirs are the folders of state, the best first. COPPICE_STATE_DIR names another one than /var/lib/coppice; several,
// separated by colons, are all that there are.
func stateDirs() []string {
	dirs := filepath.SplitList(os.Getenv("COPPICE_STATE_DIR"))
	switch len(dirs) {
	case 0:
		return []string{"/var/lib/coppice", volatileState}
	case 1:
		return append(dirs, volatileState)
	}
	return dirs
}

// runRecord says where and how the run of a playbook is recorded.
func runRecord(playbook found, secrets []string) journal.Options {
	return journal.Options{Dirs: stateDirs(), SHA256: fmt.Sprintf("%x", sha256.Sum256(playbook.data)), Coppice: version(), Secrets: secrets}
}

// pruneRuns deletes old records. What can't be deleted is no trouble of the run's.
func pruneRuns() { _, _ = journal.Prune(stateDirs(), keepRunsAge, keepRunsCount, time.Now()) }

func (a *app) runsCommand() *cobra.Command {
	var name string
	var limit int
	c := &cobra.Command{
		Use:   "runs",
		Short: "List the runs that there were, and those that are",
		Long: "List the runs of playbooks on this machine, the newest first. A run that was killed, or cut off\n" +
			"from power, is shown as interrupted.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listRuns(name, limit, time.Now()) },
	}
	c.Flags().StringVar(&name, "playbook", "", "only the runs of the playbook of this `name`")
	c.Flags().IntVar(&limit, "limit", 20, "at most so `many`; 0: all")
	c.AddCommand(&cobra.Command{
		Use:   "show RUN",
		Short: "Show what one run did, step by step",
		Long: "Show what one run did, step by step. RUN is the run's id, or as much of its beginning as no\n" +
			"other run has. With --json the lines of its record are printed as they are.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.showRun(args[0], time.Now()) },
	})
	return c
}

// listedRun is a line of `coppice runs`.
type listedRun struct {
	Run      string           `json:"run"`
	Playbook string           `json:"playbook"`
	Started  time.Time        `json:"started"` // by the clock; instant is what the run went by
	Instant  time.Time        `json:"instant"`
	Status   engine.RunStatus `json:"status"` // succeeded, failed, timed_out, cancelled, running, interrupted, unknown
	Reason   string           `json:"reason,omitempty"`
	Took     time.Duration    `json:"took_ns"` // of a run that has not ended, until the last that is known of it
	Changes  engine.Totals    `json:"changes"`
	Resumes  string           `json:"resumes,omitempty"`
	Record   string           `json:"record"` // the file
}

func (a *app) listRuns(playbook string, limit int, now time.Time) error {
	if limit < 0 {
		return usage("--limit %d is negative", limit)
	}
	all, err := journal.List(stateDirs())
	if err != nil {
		return recordsError(err)
	}
	for _, i := range all.Ignored {
		fmt.Fprintf(a.err, "coppice: %s is left alone: %s\n", diagnostic.Escape(i.Path), diagnostic.Escape(i.Why))
	}
	list := []listedRun{}
	for _, s := range all.Runs {
		if playbook != "" && s.Playbook != playbook {
			continue
		}
		if limit > 0 && len(list) == limit {
			break
		}
		l := listedRun{Run: s.Run, Playbook: s.Playbook, Started: s.Started, Instant: s.Instant, Status: s.Status,
			Reason: s.Reason, Took: s.Took, Changes: s.Changes, Resumes: s.Resumes, Record: s.Path}
		if l.Started.IsZero() {
			l.Started = s.Instant
		}
		if s.Status == journal.Running {
			l.Took = max(now.Sub(s.Started), 0)
		}
		list = append(list, l)
	}
	if a.json {
		return a.document("coppice.runs", "runs", list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.err, "there are no records of runs")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RUN\tPLAYBOOK\tWHEN\tTOOK\tSTATUS\tCHANGES\n")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", diagnostic.Escape(l.Run), orDash(diagnostic.Escape(l.Playbook)), when(l.Started, now),
			took(l.Status, l.Took), runStatus(l.Status), signs(l.Changes))
	}
	return w.Flush()
}

// recordsError is the exit for records that can't be read.
func recordsError(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return exitError{code: exitNotPermitted, err: fmt.Errorf("cannot read the records of runs: %w", err),
			advice: "only root may: they can hold what nobody else is to see"}
	}
	return exit(exitFailed, fmt.Errorf("cannot read the records of runs: %w", err))
}

func (a *app) showRun(run string, now time.Time) error {
	path, err := journal.Find(stateDirs(), run)
	var unknown *journal.UnknownRunError
	if errors.As(err, &unknown) {
		advice := "see: coppice runs"
		if len(unknown.Near) > 0 {
			advice = "there are: " + diagnostic.Escape(join(unknown.Near))
		}
		return exitError{code: exitUsage, err: err, advice: advice}
	}
	if err != nil {
		return recordsError(err)
	}
	r, err := journal.Read(stateDirs(), strings.TrimSuffix(filepath.Base(path), ".jsonl"))
	if err != nil {
		return recordsError(err)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(a.err, "coppice: %s: %s\n", diagnostic.Escape(r.Path), diagnostic.Escape(p))
	}
	if a.json {
		if err := journal.Copy(a.out, r.Path); err != nil {
			return exit(exitFailed, err)
		}
		return nil
	}
	p := &recordPage{w: a.out}
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
	p.field("record", r.Path)
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
		if s.Result != nil && s.Result.Idle && len(s.Result.Diagnostics) == 0 {
			continue // there for a failure that did not happen: nothing to tell
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

func runStatus(s engine.RunStatus) string { return strings.ReplaceAll(string(s), "_", " ") }

// took is how long a run took, has run, or at least ran.
func took(s engine.RunStatus, d time.Duration) string {
	switch s {
	case journal.Unknown:
		return "-"
	case journal.Interrupted:
		return "> " + report.Duration(d)
	}
	return report.Duration(d)
}

// when is "2026-03-30 08:00 (2 hours ago)", in local time.
func when(t, now time.Time) string {
	return t.Local().Format("2006-01-02 15:04") + " (" + ago(now.Sub(t)) + ")"
}

func ago(d time.Duration) string {
	word := " ago"
	if d < 0 {
		d, word = -d, " from now"
	}
	switch {
	case d < time.Minute && word == " ago":
		return "just now"
	case d < time.Hour:
		return report.Count(int(d/time.Minute), "minute") + word
	case d < 48*time.Hour:
		return report.Count(int(d/time.Hour), "hour") + word
	}
	return report.Count(int(d/(24*time.Hour)), "day") + word
}

// signs is "+4 ~0 -52"; what only ran stands behind it.
func signs(t engine.Totals) string {
	if !t.Any() {
		return "none"
	}
	text := fmt.Sprintf("+%d ~%d -%d", t.Create, t.Update, t.Delete)
	if t.Run > 0 {
		text += fmt.Sprintf(" >%d", t.Run)
	}
	return text
}

func sign(k sdk.Kind) string {
	switch k {
	case sdk.Create:
		return "+"
	case sdk.Update:
		return "~"
	case sdk.Delete:
		return "-"
	case sdk.Run:
		return ">"
	}
	return "?"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
