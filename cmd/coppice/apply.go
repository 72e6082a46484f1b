package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/planfile"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// maxPlanFile bounds what is read as a plan file.
const maxPlanFile = 256 << 20

func (a *app) applyCommand() *cobra.Command {
	var secrets inputFlags
	wait := false
	c := &cobra.Command{
		Use:   "apply PLANFILE",
		Short: "Execute exactly a saved plan, or refuse when the machine has drifted",
		Long: "Execute exactly a plan that coppice plan --out has saved. Before anything is changed all of\n" +
			"it is planned again; when the machine has drifted from what the plan rests on, nothing is\n" +
			"done and the exit code is 3. A plan can be applied for 24 hours.\n\n" +
			"Secret inputs are not in the plan file: give them again with -i name=@file.",
		Example: "  coppice plan snapshot-rotation --out rotation.plan\n  coppice apply rotation.plan",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.apply(c.Context(), args[0], secrets, wait) },
	}
	c.Flags().StringArrayVarP(&secrets.values, "input", "i", nil, "a secret input: `name=@file`")
	c.Flags().BoolVar(&wait, "wait", false, "wait for another run that uses the same filesystem, instead of exiting with 75")
	return c
}

// savePlan writes a plan file, which only its owner can read.
func (a *app) savePlan(s *session, file string, p *check.Program, text found, inputs map[string]any, r *engine.Report) error {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	versions, err := a.pluginVersions(s.ctx, s, p)
	if err != nil {
		return err
	}
	f, err := planfile.New(p, text.data, inputs, versions, r, salt)
	if err != nil {
		return exit(exitBug, err)
	}
	f.Coppice, f.Created, f.Machine = version(), time.Now().UTC(), machineID()
	f.Host, _ = os.Hostname()
	data, err := f.Encode()
	if err != nil {
		return exit(exitBug, err)
	}
	if err := writeWhole(file, ".coppice-plan-", data); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot save the plan: %w", err))
	}
	if !a.json {
		fmt.Fprintf(a.err, "Saved in %s. Do just this with: coppice apply %s\n", diagnostic.Escape(file), diagnostic.Escape(file))
	}
	return nil
}

// writeWhole writes a file of mode 0600 so that it is never there in part, by a name with a prefix at first. It replaces a
// regular file and nothing else: no device, no symbolic link.
func writeWhole(file, prefix string, data []byte) error {
	switch there, err := os.Lstat(file); {
	case err == nil && !there.Mode().IsRegular():
		return fmt.Errorf("%s is there and no regular file; name another one", file)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), prefix) // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// machineID tells machines apart, see machine-id(5); without one the host's name
// has to do.
func machineID() string {
	if data, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(data))) > 0 {
		return strings.TrimSpace(string(data))
	}
	name, _ := os.Hostname()
	return "host:" + name
}

func (a *app) pluginVersions(ctx context.Context, s *session, p *check.Program) (map[string]string, error) {
	versions := map[string]string{}
	for _, name := range check.Plugins(p.Playbook) {
		d, err := s.host.Describe(ctx, name)
		if err != nil {
			return nil, pluginError(err)
		}
		versions[name] = d.Version
	}
	return versions, nil
}

func (a *app) apply(parent context.Context, file string, flags inputFlags, wait bool) error {
	f, err := readPlanFile(file)
	if err != nil {
		return exit(exitInvalid, err)
	}
	if err := fits(f); err != nil {
		return exitError{code: exitStale, err: err, advice: "nothing was changed; make a new plan"}
	}
	s := a.session(parent)
	defer s.close()
	s.runner.Find = f.Find
	program, err := a.check(s.ctx, s.runner, found{f.File, []byte(f.Playbook)})
	if err != nil {
		return s.stopped(err)
	}
	versions, err := a.pluginVersions(s.ctx, s, program)
	if err != nil {
		return s.stopped(err)
	}
	for name, planned := range f.Plugins {
		if versions[name] != planned {
			return exitError{code: exitStale, err: fmt.Errorf("the plan was made with plugin %s %s, this is %s", name, planned, versions[name]),
				advice: "nothing was changed; make a new plan"}
		}
	}
	secrets, err := a.secretInputs(program, flags)
	if err != nil {
		return err
	}
	inputs, err := program.Restore(f.Saved, "the plan file", secrets)
	if err != nil {
		return exit(exitInvalid, err)
	}
	job := runner.Job{Mode: engine.ModePreview, Instant: f.Instant, Inputs: inputs, Facts: facts(), Hold: a.hold(), Last: s.last}
	preview := s.runner.Execute(s.ctx, program, job)
	code := runCode(preview, s.signals.received())
	drift := planfile.CompareAll(f.Steps, steps(preview))
	if code != exitOK && (code != exitFailed || len(drift) == 0) {
		replay(preview, report.NewPlan(a.reportOptions(program.Secrets(inputs))))
		return exitError{code: code, err: errors.New("the plan can't be made again"), advice: "nothing was changed"}
	}
	if len(drift) > 0 {
		a.printDrift(drift)
		for _, step := range preview.Steps {
			for _, d := range step.Diagnostics {
				if d.Severity == sdk.SeverityError {
					fmt.Fprintf(a.complaints(syslogError), "step %s: %s\n", step.Step.ID, diagnostic.Escape(d.Summary))
				}
			}
		}
		return exitError{code: exitStale, err: errors.New("the machine has drifted from the plan, before any change"), advice: "nothing was changed; make a new plan"}
	}
	if err := s.begin(a, program, found{f.File, []byte(f.Playbook)}, inputs, s.recordOrRefuse); err != nil {
		return err
	}
	var late []planfile.Difference
	job.Mode, job.Emit, job.Wait, job.Pulse = engine.ModeRun, s.emit, wait, &s.pulse
	job.Expect = func(r engine.StepResult) error {
		drift := compareStep(f.Steps, r)
		late = append(late, drift...)
		if len(drift) == 0 {
			return nil
		}
		return &sdk.Error{Reason: sdk.Drifted, Summary: "the machine has drifted from the saved plan: " + drift[0].What, Advice: "make a new plan"}
	}
	result := s.runner.Execute(s.ctx, program, job)
	_ = s.closeReport()
	if len(late) > 0 {
		a.printDrift(late)
		return exitError{code: exitStale, err: fmt.Errorf("the machine has drifted from the plan, %s", after(result, late[0].Step))}
	}
	if code = runCode(result, s.signals.received()); code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// readPlanFile reads a plan file that only its owner can have written.
func readPlanFile(file string) (*planfile.File, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the plan: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the plan: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("%s can be written by others: a plan is applied only when nobody but its owner could have changed it", file)
	}
	data, err := io.ReadAll(io.LimitReader(in, maxPlanFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the plan: %w", err)
	}
	if len(data) > maxPlanFile {
		return nil, fmt.Errorf("%s is too large for a plan file", file)
	}
	f, err := planfile.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return f, nil
}

// fits says why a plan is not for this machine, or not for now.
func fits(f *planfile.File) error {
	age := time.Since(f.Created)
	switch {
	case f.Machine != machineID():
		return fmt.Errorf("the plan was made on another machine, %s", f.Host)
	case age > planfile.Valid:
		return fmt.Errorf("the plan is of %s: it can be applied for %s", f.Created.Local().Format(time.RFC1123), planfile.Valid)
	case f.Created.Sub(f.Instant).Abs() > time.Hour:
		return errors.New("the plan was made for another time")
	case age < -5*time.Minute:
		return errors.New("the plan was made in the future: the clock has been set back")
	}
	return nil
}

// secretInputs are the secrets that are given anew.
func (a *app) secretInputs(p *check.Program, flags inputFlags) (map[string]any, error) {
	only := *p
	only.Inputs = nil
	for _, in := range p.Inputs {
		if in.Decl.Secret {
			in.Decl.Optional = true // whether it is needed, the plan tells
			only.Inputs = append(only.Inputs, in)
		}
	}
	return a.resolve(&only, flags)
}

func steps(r *engine.Report) []planfile.Step {
	var all []planfile.Step
	for _, s := range r.Steps {
		all = append(all, planfile.StepOf(s))
	}
	return all
}

// compareStep holds a step that is about to be applied against the plan.
func compareStep(saved []planfile.Step, r engine.StepResult) []planfile.Difference {
	now := planfile.StepOf(r)
	for _, s := range saved {
		same := s.ID == now.ID && (s.Item == nil) == (now.Item == nil) && (s.Item == nil || *s.Item == *now.Item)
		if same {
			now.Status = s.Status // it has none yet
			return planfile.Compare(s, now)
		}
	}
	return nil // of a step that was to be decided at run
}

// after says how far a run came before it met drift.
func after(r *engine.Report, step string) string {
	last := ""
	for _, s := range r.Steps {
		if len(s.Made) > 0 {
			last = s.Step.ID
		}
	}
	if last == "" {
		return "before any change, in step " + step
	}
	return "after step " + last + ", in step " + step
}

func (a *app) printDrift(all []planfile.Difference) {
	to := a.complaints(syslogError)
	for _, d := range all {
		fmt.Fprintf(to, "step %s: %s\n  planned: %s\n  now:     %s\n", d.Step, d.What, diagnostic.Escape(d.Old), diagnostic.Escape(d.New))
	}
}

// replay shows a report that has ended.
func replay(r *engine.Report, to report.Reporter) {
	to.Emit(r.Started)
	for _, s := range r.Steps {
		to.Emit(engine.StepStarted{Step: s.Step})
		to.Emit(engine.StepFinished{StepResult: s})
	}
	to.Emit(r.Finished)
	_ = to.Close() // a reader that has gone away: nothing to do about it
}
