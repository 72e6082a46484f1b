package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
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

// stopped is the error of a session before its first step: a plugin that can't be used after a signal was stopped by it.
func (s *session) stopped(err error) error {
	var failure exitError
	if got := s.signals.received(); got != nil && errors.As(err, &failure) && failure.code == exitPlugin {
		return exit(signalCode(got), errors.New("stopped before the first step"))
	}
	return err
}

// session is what every verb that executes has: plugins, signals, a report.
type session struct {
	lateReporter
	app       *app
	quiet     bool // for completion: no warnings
	signals   *signals
	ctx, last context.Context
	host      *host.Host
	runner    *runner.Runner
	pulse     runner.Pulse
}

func (a *app) session(parent context.Context) *session {
	s := &session{app: a, signals: watch()}
	s.host = a.host(func(plugin, level, message string) {
		s.emit(engine.StepLog{Plugin: plugin, Level: level, Message: message})
	})
	s.runner = &runner.Runner{Host: s.host}
	s.ctx, s.last = s.signals.contexts(parent, reactions{stopped: s.lateReporter.stop, hurry: s.host.Hurry, abandon: s.abandon})
	return s
}

func (s *session) close() {
	s.host.Close()
	s.signals.stop()
}

// reportOptions fit the streams that the program has.
func (a *app) reportOptions(secrets []string) report.Options {
	o := report.Options{Out: a.out, Err: a.err}
	out, isFile := a.out.(*os.File)
	stderr, errIsFile := a.err.(*os.File)
	if isFile && errIsFile {
		o = report.Detect(out, stderr, os.Getenv)
	}
	o.Verbose, o.Secrets = a.verbose, secrets
	o.Color = o.Color && !a.noColor
	return o
}

// reporter is the form in which events are shown.
func (a *app) reporter(m engine.Mode, o report.Options) report.Reporter {
	switch {
	case a.json && m == engine.ModePreview:
		return report.NewPlanJSON(o)
	case a.json && o.ErrJournal && !o.OutJournal:
		story := o
		story.Out, story.OutJournal = o.Err, true
		return report.Together(report.NewEvents(o), report.NewLines(story))
	case a.json:
		return report.NewEvents(o)
	case m == engine.ModePreview:
		return report.NewPlan(o)
	}
	return report.NewRun(o)
}

// lateReporter passes events on one at a time, from the moment it is opened: to the record of the run, then to people,
// then to the service manager.
type lateReporter struct {
	mu       sync.Mutex
	to       report.Reporter
	journal  *journal.Recorder // nil: nothing is recorded
	state    *stateDirs        // where the record is
	warnings []string          // of the journal and about the service manager, not yet told
	service  *report.Service   // nil: no service manager wants to know
	served   chan struct{}     // closed when it is told no more
	stopped  string            // the signal that has stopped the run; "": none
	started  engine.RunStarted // of a run that has started
	over     bool              // the run has finished: nothing may come behind that
}

func (l *lateReporter) open(to report.Reporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

// record opens the record of the run. What it warns of is told as a line of a plugin is.
func (l *lateReporter) record(p *check.Program, text found, inputs map[string]any) error {
	state := runState(context.Background(), p, inputs)
	o, err := runRecord(state, p, text, inputs)
	if err != nil {
		state.Close()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	o.Warn = func(text string) { l.warnings = append(l.warnings, state.Shown(text)) } // called by emit, which holds mu
	if state.unusable != nil {
		l.warnings = append(l.warnings, "this run is not recorded on the filesystem that it is about: "+state.unusable.Error())
	}
	l.journal = journal.Open(o)
	return nil
}

func (l *lateReporter) emit(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.journal != nil {
		l.journal.Emit(e)
	}
	if l.to == nil || l.over {
		return
	}
	if started, ok := e.(engine.RunStarted); ok {
		l.started = started
	}
	if _, l.over = e.(engine.RunFinished); l.over {
		l.warn()
	}
	l.to.Emit(e)
	if !l.over {
		l.warn()
	}
	if l.service != nil {
		l.service.Emit(e)
	}
}

func (l *lateReporter) warn() {
	for _, text := range l.warnings {
		l.to.Emit(engine.StepLog{Plugin: "coppice", Level: "warn", Message: text})
	}
	l.warnings = nil
}

// closeReport also ends the record, and the news to the service manager.
func (l *lateReporter) closeReport() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unserve()
	if l.journal != nil {
		l.journal.Close()
		l.journal = nil
		l.state.tidy(time.Now())
		l.state.Close()
	}
	to := l.to
	l.to = nil
	return to.Close()
}

// abandon ends the report of a run that will not come to its end. One that is stuck is left as it is.
func (l *lateReporter) abandon() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.to == nil {
			return
		}
		end := engine.RunFinished{Run: l.started.Run, Mode: l.started.Mode, Status: engine.RunCancelled,
			Reason: "ended at once, on request", Steps: map[engine.Status]int{}}
		if l.started.Run != "" {
			l.to.Emit(end)
			if l.service != nil {
				l.service.Emit(end)
			}
		}
		_ = l.to.Close() // nothing to do about it
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
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

// signals stop a run: the first asks the running step to stop, the second leaves
// it less time for that, the third ends the program at once. The last sections
// run after the first and the second.
type signals struct {
	channel chan os.Signal
	done    chan struct{}
	cancels []context.CancelFunc
	mu      sync.Mutex
	first   os.Signal
}

func watch() *signals {
	s := &signals{channel: make(chan os.Signal, 3), done: make(chan struct{})}
	signal.Notify(s.channel, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return s
}

// reactions are what is called at the first, the second and the third signal.
type reactions struct {
	stopped func(os.Signal)
	hurry   func()
	abandon func()
}

// contexts are that of the steps and that of the last sections.
func (s *signals) contexts(parent context.Context, r reactions) (ctx, last context.Context) {
	ctx, stopSteps := context.WithCancel(parent)
	last, stopLast := context.WithCancel(parent)
	s.cancels = []context.CancelFunc{stopSteps, stopLast}
	go func() {
		for n := 1; ; n++ {
			select {
			case <-s.done:
				return
			case got := <-s.channel:
				s.mu.Lock()
				if s.first == nil {
					s.first = got
				}
				s.mu.Unlock()
				switch n {
				case 1:
					stopSteps()
					go r.stopped(got) // it can wait for a reader, and the next signal must not
				case 2:
					r.hurry()
				default:
					r.abandon()
					// The plugins go with this process: see package host.
					os.Exit(runCode(&engine.Report{Finished: engine.RunFinished{Status: engine.RunCancelled}}, s.received()))
				}
			}
		}
	}()
	return ctx, last
}

func (s *signals) received() os.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *signals) stop() {
	signal.Stop(s.channel)
	close(s.done)
	for _, cancel := range s.cancels {
		cancel()
	}
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
