package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// oneStep is a playbook of a single step, which a verb makes of its command line. It goes the way of every playbook:
// checked, locked, planned, applied, recorded.
type oneStep struct {
	group string         // the verb that it is below; "": snapshots
	verb  string         // of the name: "snapshots-pin"; [a-z]*
	title string         // of the step; "": uses
	uses  string         // "btrfs.pin"
	with  map[string]any // strings, lists of strings, bools and numbers; filesystem must be there
}

// playbook is its text.
func (o oneStep) playbook() (found, error) {
	var b strings.Builder
	group := cmp.Or(o.group, "snapshots")
	title, err := asValue(cmp.Or(o.title, o.uses))
	if err != nil {
		return found{}, err
	}
	filesystem, err := asValue(o.with["filesystem"])
	if err != nil {
		return found{}, err
	}
	fmt.Fprintf(&b, "version: 1\nname: %s-%s\ninputs:\n  filesystem: {type: filesystem, default: %s}\nsteps:\n  - id: %s\n    name: %s\n    uses: %s\n"+
		"    with:\n      filesystem: ${{ inputs.filesystem }}\n", group, o.verb, filesystem, o.verb, title, o.uses)
	for _, key := range slices.Sorted(maps.Keys(o.with)) {
		if key == "filesystem" { // an input, by which the record of the run finds its place
			continue
		}
		value, err := asValue(o.with[key])
		if err != nil {
			return found{}, err
		}
		fmt.Fprintf(&b, "      %s: %s\n", key, value)
	}
	return found{"coppice " + group + " " + o.verb, []byte(b.String())}, nil
}

// asValue is a value as it stands in a playbook. JSON is YAML; only what would be an expression needs care.
func asValue(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", exit(exitBug, err)
	}
	if strings.Contains(string(data), `\ufffd`) {
		return "", usage("%q is not valid UTF-8, and can't be named", value)
	}
	return strings.ReplaceAll(string(data), "${{", "$${{"), nil
}

// program checks it. A mistake in it is one of the command line.
func (s *session) program(o oneStep) (*check.Program, map[string]any, found, error) {
	text, err := o.playbook()
	if err != nil {
		return nil, nil, text, err
	}
	loaded, err := s.runner.Load(s.ctx, text.file, text.data)
	if err != nil {
		return nil, nil, text, s.stopped(pluginError(err))
	}
	program := loaded.Program
	if program == nil {
		return nil, nil, text, usage("%s", loaded.Mistakes[0].Message)
	}
	inputs, list := program.Resolve(nil)
	if list.HasErrors() {
		return nil, nil, text, exit(exitBug, errors.New(list[0].Message))
	}
	return program, inputs, text, nil
}

// ask executes an action that only reads, and decodes its outputs. Its warnings are told on standard error.
func (s *session) ask(o oneStep, out any) error {
	program, inputs, _, err := s.program(o)
	if err != nil {
		return err
	}
	return s.askProgram(program, inputs, out)
}

// askProgram is ask for a playbook of a single step, which only reads.
func (s *session) askProgram(program *check.Program, inputs map[string]any, out any) error {
	result := s.runner.Execute(s.ctx, program, runner.Job{Mode: engine.ModePreview, Inputs: inputs, Facts: facts(),
		Emit: func(engine.Event) {}, Last: s.last})
	for _, step := range result.Steps {
		for _, d := range step.Diagnostics {
			if d.Severity == sdk.SeverityWarning && !s.quiet {
				fmt.Fprintf(s.app.err, "coppice: warning: %s\n", diagnostic.Escape(d.Summary))
			}
		}
	}
	if code := runCode(result, s.signals.received()); code != exitOK {
		failure := exitError{code: code, err: errors.New(result.Finished.Reason)}
		for _, step := range result.Steps {
			for _, d := range step.Diagnostics {
				if d.Severity == sdk.SeverityError {
					failure.err, failure.advice = errors.New(d.Summary), d.Advice
					return failure
				}
			}
		}
		return failure
	}
	if err := json.Unmarshal(result.Steps[0].Outputs, out); err != nil {
		return exit(exitBug, err)
	}
	return nil
}

// consent is how a verb that changes something is told to do so.
type consent struct {
	yes  bool
	wait bool
}

func (y *consent) register(c *cobra.Command) {
	c.Flags().BoolVarP(&y.yes, "yes", "y", false, "do it without showing it first, and without asking")
	c.Flags().BoolVar(&y.wait, "wait", false, "wait for another run that uses the same filesystem, instead of exiting with 75")
}

// change executes an action that writes: it is shown, asked about, and done if it is still the same. With consent it is done
// at once.
func (s *session) change(step oneStep, y consent) error {
	a := s.app
	if a.json && !y.yes {
		return usage("--json needs --yes: nobody is asked")
	}
	program, inputs, text, err := s.program(step)
	if err != nil {
		return err
	}
	job := runner.Job{Inputs: inputs, Facts: facts(), Hold: a.hold(), Last: s.last}
	var preview *engine.Report
	if !y.yes {
		job.Mode = engine.ModePreview
		preview = s.runner.Execute(s.ctx, program, job)
		if err := s.show(preview); err != nil || !preview.Finished.Changes.Any() {
			return err
		}
		if agreed, err := a.agrees(); err != nil || !agreed {
			return err
		}
		job.Instant = preview.Started.Instant
		job.Expect = func(r engine.StepResult) error {
			drift := compareStep(steps(preview), r)
			if len(drift) == 0 {
				return nil
			}
			return &sdk.Error{Reason: sdk.Drifted, Summary: "the machine is not any more as it was shown: " + drift[0].What, Advice: "do it again, and look at what is shown"}
		}
	}
	o := a.reportOptions(nil)
	s.open(unplaced{a.reporter(engine.ModeRun, o)})
	if err := s.record(program, text, inputs); err != nil {
		return err
	}
	s.serve(o, &s.pulse)
	job.Mode, job.Emit, job.Wait, job.Pulse = engine.ModeRun, s.emit, y.wait, &s.pulse
	result := s.runner.Execute(s.ctx, program, job)
	_ = s.closeReport() // a reader that has gone away does not make the run a failure
	if code := runCode(result, s.signals.received()); code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// show prints a preview.
func (s *session) show(preview *engine.Report) error {
	to := unplaced{s.app.reporter(engine.ModePreview, s.app.reportOptions(nil))}
	to.Emit(preview.Started)
	for _, step := range preview.Steps {
		to.Emit(engine.StepStarted{Step: step.Step})
		to.Emit(engine.StepFinished{StepResult: step})
	}
	to.Emit(preview.Finished)
	if err := to.Close(); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot show what would be done: %w", err))
	}
	if code := runCode(preview, s.signals.received()); code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// agrees asks on the terminal. Without one nobody can agree.
func (a *app) agrees() (bool, error) {
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false, exitError{code: exitUsage, err: errors.New("there is no terminal to ask on, and nothing was done"), advice: "do it with --yes"}
	}
	fmt.Fprint(a.err, "Do this? [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, exit(exitFailed, err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	fmt.Fprintln(a.err, "Nothing was done.")
	return false, nil
}

// unplaced leaves out where in the playbook an input is: nobody has written it. Advice about inputs becomes advice about
// flags.
type unplaced struct{ report.Reporter }

// asFlags are what advice of the actions calls inputs.
var asFlags = strings.NewReplacer("(existing: beside)", "(--beside)", "(existing: replace)", "(--overwrite)", "set copy to copy the data", "--copy copies the data",
	"set who to take that one away", "--who takes that one away", "say another place", "say another place (--to)")

func (u unplaced) Emit(e engine.Event) {
	if f, ok := e.(engine.StepFinished); ok {
		f.Diagnostics = slices.Clone(f.Diagnostics)
		for i := range f.Diagnostics {
			d := &f.Diagnostics[i]
			d.At, d.Path, d.Advice = "", "", asFlags.Replace(d.Advice)
		}
		e = f
	}
	u.Reporter.Emit(e)
}
