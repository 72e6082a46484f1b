package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/planfile"
	"github.com/hbohlen/coppice/runner/playbook"
)

// resumption is one call of resume.
type resumption struct {
	secrets inputFlags
	wait    bool
	preview bool

	filesystem string
}

func (a *app) resumeCommand() *cobra.Command {
	var o resumption
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was interrupted or failed",
		Long: "Go on with a run that was interrupted, stopped, or failed: what finished in it is not done\n" +
			"again and has the outputs that were recorded, the rest is planned anew. on_failure and always\n" +
			"belong to the end of each run. RUN is the run's id, or as much of its beginning as no other run\n" +
			"has; coppice runs lists them. A run can be gone on with for 24 hours.\n\n" +
			"Secret inputs are not in the record: give them again with -i name=@file.",
		Example: "  coppice runs\n  coppice resume 20260330T0600 --plan\n  coppice resume 20260330T0600",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.resume(c.Context(), o, args[0]) },
	}
	c.Flags().StringArrayVarP(&o.secrets.values, "input", "i", nil, "a secret input: `name=@file`")
	c.Flags().BoolVar(&o.wait, "wait", false, "wait for another run that uses the same filesystem, instead of exiting with 75")
	c.Flags().StringVarP(&o.filesystem, "filesystem", "f", "", "look for the record on this `filesystem` only: UUID=…, LABEL=…, its device, or any path on it")
	c.Flags().BoolVar(&o.preview, "plan", false, "only show what is left to do")
	return c
}

func (a *app) resume(parent context.Context, o resumption, run string) error {
	state, err := allState(parent, o.filesystem)
	if err != nil {
		return exit(exitFailed, err)
	}
	defer state.Close()
	record, err := readRecord(state, run)
	if err != nil {
		return err
	}
	if record.Status == engine.Succeeded {
		fmt.Fprintf(a.err, "run %s has succeeded: nothing is left to do\n", diagnostic.Escape(record.Run))
		return nil
	}
	if err := resumable(state, record, time.Now()); err != nil {
		return err
	}
	before, err := recordsBefore(state, record)
	if err != nil {
		return err
	}
	text, err := a.playbookOf(record)
	if err != nil {
		return err
	}
	s := a.session(parent)
	defer s.close()
	program, err := a.check(s.ctx, s.runner, text)
	if err != nil {
		return s.stopped(err)
	}
	secrets, err := a.secretInputs(program, o.secrets)
	if err != nil {
		return err
	}
	inputs, err := program.Restore(check.Saved{Inputs: record.Inputs, Salt: record.Salt, Secrets: record.Secrets}, "the record of the run", secrets)
	if err != nil {
		return exit(exitInvalid, err)
	}
	mode := engine.ModeRun
	if o.preview {
		mode = engine.ModePreview
	}
	if mode == engine.ModeRun {
		if err := s.begin(a, program, text, inputs, s.recordOrRefuse); err != nil {
			return err
		}
	} else {
		s.open(a.reporter(mode, a.reportOptions(program.Secrets(inputs))))
	}
	result := s.runner.Execute(s.ctx, program, runner.Job{Mode: mode, Instant: record.Instant, Inputs: inputs, Facts: facts(),
		Hold: a.hold(), Emit: s.emit, Wait: o.wait, Last: s.last, Past: record.Past(journal.BootID(), before...), Pulse: &s.pulse})
	_ = s.closeReport() // a reader that has gone away does not make the run a failure
	if code := runCode(result, s.signals.received()); code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// readRecord reads the record of a run that somebody has named.
func readRecord(state *stateDirs, run string) (*journal.Record, error) {
	path, err := findRecord(state, run)
	if err != nil {
		return nil, err
	}
	r, err := journal.Read(state.dirs, strings.TrimSuffix(filepath.Base(path), ".jsonl"))
	if err != nil {
		return nil, recordsError(err)
	}
	return r, nil
}

// recordsBefore are those of the runs that a run goes on from, the latest first: what only they have finished is not done
// again either.
func recordsBefore(state *stateDirs, r *journal.Record) (all []*journal.Record, err error) {
	seen := map[string]bool{r.Run: true}
	for run := r.Resumes; run != ""; run = all[len(all)-1].Resumes {
		before, err := journal.Read(state.dirs, run)
		switch {
		case err == nil && len(before.Problems) > 0:
			err = errors.New(before.Problems[0])
		case err == nil && seen[before.Run]:
			err = errors.New("it goes on from itself")
		}
		if err != nil {
			return nil, exitError{code: exitInvalid, err: fmt.Errorf("run %s goes on from run %s, whose record can't be relied on: %w", r.Run, run, err),
				advice: "nothing was changed; run the playbook anew: coppice run " + r.Playbook}
		}
		seen[before.Run] = true
		all = append(all, before)
	}
	return all, nil
}

// resumable says why a run can't be gone on with.
func resumable(state *stateDirs, r *journal.Record, now time.Time) error {
	stale := func(advice, format string, args ...any) error {
		return exitError{code: exitStale, err: fmt.Errorf(format, args...), advice: advice}
	}
	anew := "nothing was changed; run the playbook anew: coppice run " + r.Playbook
	switch {
	case r.Status == journal.Unknown:
		return exit(exitInvalid, fmt.Errorf("the record of run %s is of a later version of coppice", r.Run))
	case r.Status == journal.Running:
		return exit(exitBusy, fmt.Errorf("run %s is still going on, as process %d", r.Run, r.PID))
	case len(r.Problems) > 0:
		return exitError{code: exitInvalid, err: fmt.Errorf("the record of run %s can't be relied on: %s", r.Run, r.Problems[0]), advice: anew}
	case r.SHA256 == "" || r.Inputs == nil:
		return exitError{code: exitInvalid, err: fmt.Errorf("the record of run %s does not tell the playbook or its inputs", r.Run), advice: anew}
	case now.Sub(r.Instant) > planfile.Valid:
		// Snapshots are named by the run's instant, and one that is taken much later would not be believed.
		return stale(anew, "run %s is of %s: it can be gone on with for %s", r.Run, r.Instant.Local().Format(time.RFC1123), planfile.Valid)
	case r.Instant.Sub(now) > 5*time.Minute:
		return stale(anew, "run %s is of the future: the clock has been set back", r.Run)
	}
	all, err := journal.List(state.dirs)
	if err != nil {
		return recordsError(err)
	}
	for _, later := range all.Runs {
		if later.Resumes == r.Run {
			return exitError{code: exitUsage, err: fmt.Errorf("run %s has already been gone on with, by run %s (%s)", r.Run, later.Run, runStatus(later.Status)),
				advice: "if need be: coppice resume " + later.Run}
		}
	}
	return nil
}

// playbookOf finds the very text that a run had: by the file that it was read from, else by its name.
func (a *app) playbookOf(r *journal.Record) (found, error) {
	same := func(f found) bool {
		if digest(f, nil) == r.SHA256 {
			return true
		}
		parsed, _ := playbook.Parse(f.file, f.data)
		if parsed == nil {
			return false
		}
		playbook.Link(parsed, a.findCalled)
		return digest(f, parsed.Called) == r.SHA256
	}
	var seen []string
	try := func(arg, shown string) (found, bool) {
		f, err := a.find(arg)
		if err != nil {
			return found{}, false
		}
		seen = append(seen, f.file)
		matches := same(f)
		f.file = shown
		return f, matches
	}
	file := r.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(r.Folder, file)
	}
	if f, ok := try(file, r.File); ok {
		return f, nil
	}
	if f, ok := try(r.Playbook, r.File); ok {
		return f, nil
	}
	if base := strings.TrimSuffix(filepath.Base(r.File), ".yaml"); base != r.Playbook && !strings.Contains(r.File, "/") {
		if f, ok := try(base, r.File); ok {
			return f, nil
		}
	}
	advice := "nothing was changed; run the playbook as it is now: coppice run " + r.File
	if len(seen) == 0 {
		return found{}, exitError{code: exitInvalid, err: fmt.Errorf("the playbook of run %s, %s, is not there any more", r.Run, r.File)}
	}
	return found{}, exitError{code: exitStale, err: fmt.Errorf("the playbook has changed since run %s: %s", r.Run, strings.Join(slices.Compact(seen), ", ")), advice: advice}
}

// recordOrRefuse opens the record of a run that must have one where it belongs: it stands for a plan, or for another run,
// that somebody will ask after.
func (s *session) recordOrRefuse(p *check.Program, text found, inputs map[string]any) error {
	if err := s.record(p, text, inputs); err != nil {
		return err
	}
	if err := errors.Join(s.state.unusable, s.journal.Err()); err != nil {
		return exitError{code: exitState, err: fmt.Errorf("this run could not be recorded: %s", s.state.Shown(err.Error())), advice: "nothing was changed"}
	}
	return nil
}

// findRecord is the file of the record of a run that somebody has named.
func findRecord(state *stateDirs, run string) (string, error) {
	path, err := journal.Find(state.dirs, run)
	var unknown *journal.UnknownRunError
	if errors.As(err, &unknown) {
		advice := "see: coppice runs"
		if len(unknown.Near) > 0 {
			advice = "there are: " + diagnostic.Escape(join(unknown.Near))
		}
		return "", exitError{code: exitUsage, err: err, advice: advice}
	}
	if err != nil {
		return "", recordsError(err)
	}
	return path, nil
}
