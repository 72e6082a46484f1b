package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk/unit"
)

// execution is what run and plan share: load, resolve, execute, report.
type execution struct {
	mode     engine.Mode
	inputs   inputFlags
	at       string // plan only
	detailed bool   // plan only
	out      string // plan only: where to save it
	wait     bool   // run only
}

func (a *app) runCommand() *cobra.Command {
	e := &execution{mode: engine.ModeRun}
	c := &cobra.Command{
		Use:   "run PLAYBOOK",
		Short: "Execute a playbook",
		Long: "Execute a playbook: each step is planned, and then just that plan is applied.\n\n" +
			"PLAYBOOK is a path (it has a / in it or ends in .yaml), or the name of a playbook in\n" +
			"/etc/coppice/playbooks or of a shipped one.",
		Example: "  coppice run snapshot-rotation\n" +
			"  coppice run snapshot-rotation -i filesystem=LABEL=server -i retention=14d",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.execute(c.Context(), e, args[0]) },
	}
	e.inputs.register(c)
	c.Flags().BoolVar(&e.wait, "wait", false, "wait for another run that uses the same filesystem, instead of exiting with 75")
	return c
}

func (a *app) planCommand() *cobra.Command {
	e := &execution{mode: engine.ModePreview}
	c := &cobra.Command{
		Use:   "plan PLAYBOOK",
		Short: "Show what a playbook would do to this machine",
		Long: "Show what a playbook would do to this machine, and why. Nothing is changed: plan walks the\n" +
			"same steps as run and leaves out the last move of each.",
		Example: "  coppice plan snapshot-rotation\n" +
			"  coppice plan snapshot-rotation --out rotation.plan && coppice apply rotation.plan\n" +
			"  coppice plan ./my.yaml --at 2027-01-01T00:00:00Z",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.execute(c.Context(), e, args[0]) },
	}
	e.inputs.register(c)
	c.Flags().StringVar(&e.at, "at", "", "plan as if it were this `time` (RFC 3339)")
	c.Flags().StringVar(&e.out, "out", "", "save the plan in a `file`, for coppice apply")
	c.Flags().BoolVar(&e.detailed, "detailed-exitcode", false, "exit with 2 when there are changes")
	return c
}

func (a *app) execute(parent context.Context, e *execution, arg string) error {
	var instant time.Time
	if e.at != "" && e.out != "" {
		return usage("--at and --out do not go together: a plan for another time can't be applied")
	}
	if e.at != "" {
		var err error
		if instant, err = unit.ParseTimestamp(e.at); err != nil {
			return usage("--at: %v", err)
		}
	}
	s := a.session(parent)
	defer s.close()
	program, text, err := a.load(s.ctx, s.runner, arg)
	if err != nil {
		return s.stopped(err)
	}
	inputs, err := a.resolve(program, e.inputs)
	if err != nil {
		return err
	}
	if e.mode == engine.ModeRun {
		a.noteImage(program, text, inputs)
		if err := s.begin(a, program, text, inputs, s.record); err != nil {
			return err
		}
	} else {
		s.open(a.reporter(e.mode, a.reportOptions(program.Secrets(inputs))))
	}
	result := s.runner.Execute(s.ctx, program, runner.Job{Mode: e.mode, Instant: instant, Inputs: inputs, Facts: facts(),
		Hold: a.hold(), Emit: s.emit, Wait: e.wait, Last: s.last, Pulse: &s.pulse})
	if e.mode == engine.ModeRun {
		go s.host.Close() // while the record is closed; s.close waits for it
	}
	// A reader that has gone away does not make the run a failure.
	closeErr := s.closeReport()
	code := runCode(result, s.signals.received())
	if code == exitOK && e.mode == engine.ModePreview {
		if closeErr != nil {
			return exit(exitFailed, fmt.Errorf("cannot write the plan: %w", closeErr))
		}
		if e.out != "" {
			if err := a.savePlan(s, e.out, program, text, inputs, result); err != nil {
				return err
			}
		}
		if e.detailed && result.Finished.Changes.Any() {
			code = exitPending
		}
	}
	if code != exitOK && e.out != "" && code != exitPending {
		return exit(code, errors.New("the plan is not complete, so it was not saved"))
	}
	if code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// hold says why nothing may be destroyed on this machine now; "" when it may.
func (a *app) hold() string {
	if _, err := os.Lstat(a.configs + "/hold"); err == nil {
		return a.configs + "/hold exists"
	}
	data, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return ""
	}
	// As with most parameters of the kernel, the last one counts.
	hold := ""
	for _, word := range strings.Fields(string(data)) {
		switch name, value, _ := strings.Cut(word, "="); {
		case name != "coppice.hold":
		case value == "0" || value == "no" || value == "off" || value == "false":
			hold = ""
		default:
			hold = word + " is on the kernel command line"
		}
	}
	return hold
}

// facts are what expressions see as host.
func facts() map[string]any {
	name, _ := os.Hostname()
	kernel := ""
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			kernel += string(rune(c))
		}
	}
	return map[string]any{"name": name, "kernel": kernel}
}

// diagnose prints mistakes in a playbook or in inputs.
func (a *app) diagnose(list diagnostic.List, sources ...*diagnostic.Source) {
	if len(list) == 0 {
		return
	}
	priority := syslogWarning
	if list.HasErrors() {
		priority = syslogError
	}
	_ = list.Sorted().Render(a.complaints(priority), sources...) // a reader that has gone away: nothing to do about it
}
