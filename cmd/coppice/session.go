package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
)

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
	s.boots = a.tellBoots()
	s.host = a.host(func(plugin, level, message string) {
		s.emit(engine.StepLog{Plugin: plugin, Level: level, Message: message})
	})
	s.runner = a.runner(s.host)
	s.runner.Ahead = true
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
	if _, is := a.out.(*kernelLog); is {
		o.OutJournal = true // nobody takes its entries, and it takes lines with their priority in front
	}
	if _, is := a.err.(*kernelLog); is {
		o.ErrJournal = true
	}
	if o.Journal != nil && boot.InInitrd("/") {
		o.Journal = alsoToConsole(o.Journal)
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
	journal  *journal.Recorder                     // nil: nothing is recorded
	state    *stateDirs                            // where the record is
	warnings []string                              // of the journal and about the service manager, not yet told
	service  *report.Service                       // nil: no service manager wants to know
	served   chan struct{}                         // closed when it is told no more
	stopped  string                                // the signal that has stopped the run; "": none
	started  engine.RunStarted                     // of a run that has started
	over     bool                                  // the run has finished: nothing may come behind that
	boots    func(engine.RunStarted, engine.Event) // tells the journal of boots; nil: there is none
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
	if l.boots != nil {
		l.boots(l.started, e)
	}
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
