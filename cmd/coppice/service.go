package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/runner/report/systemd"
)

// begin opens what hears of a run: the report for people, its record, and the service manager if that has started us.
func (s *session) begin(a *app, p *check.Program, text found, inputs map[string]any,
	record func(*check.Program, found, map[string]any) error) error {
	o := a.reportOptions(p.Secrets(inputs))
	s.open(a.reporter(engine.ModeRun, o))
	if err := record(p, text, inputs); err != nil {
		return err
	}
	s.serve(o, &s.pulse)
	return nil
}

// serve tells the service manager of the run from now on, where there is one. What is wrong with it is a warning.
func (l *lateReporter) serve(o report.Options, pulse *runner.Pulse) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	to, err := systemd.NewNotifier(socket)
	if err != nil {
		l.warnings = append(l.warnings, err.Error())
		return
	}
	watchdog, err := systemd.Watchdog(os.Getenv, os.Getpid())
	if err != nil {
		l.warnings = append(l.warnings, err.Error())
	}
	// What the manager does not take is lost: it is news, and the run goes on.
	l.service = report.NewService(o, watchdog, func(variables ...string) { _ = to.Send(variables...) })
	if l.stopped != "" {
		l.service.Stop(l.stopped)
	}
	l.served = make(chan struct{})
	go l.beat(l.service.Period(), pulse, l.served)
}

// beat lets time pass for the service. It takes the way of the events: where they are stuck, in a reader that does not read or
// a disk that does not write, no beat comes through.
func (l *lateReporter) beat(every time.Duration, pulse *runner.Pulse, done <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		if l.service != nil {
			l.service.Beat(pulse.Alive(time.Now()))
		}
		l.mu.Unlock()
	}
}

// stop tells the service manager that a signal has stopped the run.
func (l *lateReporter) stop(got os.Signal) {
	name := got.String()
	if n, ok := got.(unix.Signal); ok && unix.SignalName(n) != "" {
		name = unix.SignalName(n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = name
	if l.service != nil {
		l.service.Stop(name)
	}
}

// unserve ends the news; mu is held.
func (l *lateReporter) unserve() {
	if l.service != nil {
		_ = l.service.Close() // never fails
		close(l.served)
		l.service = nil
	}
}
