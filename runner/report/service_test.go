package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// asService writes to Out what the service manager is told. The scenarios' clock stands still between their events: the
// beats of the time that they let pass are made up for before the next event.
type asService struct {
	*Service
	o    Options
	last time.Time
}

func (s *asService) Emit(e engine.Event) {
	for now := s.o.Now(); now.Sub(s.last) >= s.Period(); {
		s.last = s.last.Add(s.Period())
		at := s.last
		s.Service.Now = func() time.Time { return at }
		s.Beat(true)
	}
	s.Service.Now = s.o.Now
	s.Service.Emit(e)
}

func newAsService(o Options) Reporter {
	out := o.Out
	s := &asService{o: o, last: instant}
	s.Service = NewService(o, 0, func(variables ...string) { fmt.Fprintln(out, strings.Join(variables, " ")) })
	return s
}

func TestGoldenService(t *testing.T) {
	goldens(t, runScenarios(), []goldenForm{{"service", newAsService, Options{}, ""}})
}

// desk is a service with a clock that a test sets.
type desk struct {
	*Service
	now  time.Time
	told []string
}

func newDesk(watchdog time.Duration) *desk {
	d := &desk{now: instant}
	d.Service = NewService(Options{Now: func() time.Time { return d.now }}, watchdog, func(variables ...string) {
		d.told = append(d.told, fmt.Sprintf("%s: %s", d.now.Sub(instant), strings.Join(variables, " ")))
	})
	return d
}

// pass lets time pass, and returns what was told.
func (d *desk) pass(t time.Duration, alive bool) string {
	for end := d.now.Add(t); d.now.Before(end); {
		d.now = d.now.Add(d.Period())
		d.Beat(alive)
	}
	defer func() { d.told = nil }()
	return strings.Join(d.told, "\n")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: told\n%s\nwant\n%s", what, got, want)
	}
}

func TestWatchdogIsFedOnlyByTheLiving(t *testing.T) {
	d := newDesk(20 * time.Second)
	expect(t, "before the run", d.pass(30*time.Second, true), "")
	d.now = instant
	d.Emit(started(engine.ModeRun, 3))
	expect(t, "alive", d.pass(25*time.Second, true), "0s: READY=1 STATUS=snapshot-rotation: started\n10s: WATCHDOG=1\n20s: WATCHDOG=1")
	expect(t, "dead", d.pass(60*time.Second, false), "")
	expect(t, "alive again", d.pass(time.Second, true), "1m26s: WATCHDOG=1")
	d.Emit(finished(engine.ModeRun, engine.Succeeded, "", engine.Totals{}, 0, nil))
	expect(t, "over", d.pass(60*time.Second, true), "1m26s: STOPPING=1 STATUS=succeeded: nothing changed")
}

func TestPeriodDividesHalfOfTheWatchdog(t *testing.T) {
	for watchdog, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Second: 500 * time.Millisecond, 2 * time.Second: time.Second, 3 * time.Second: 750 * time.Millisecond,
		time.Minute: time.Second, time.Microsecond: time.Millisecond,
	} {
		if got := newDesk(watchdog).Period(); got != want {
			t.Errorf("watchdog of %s: beats each %s, want %s", watchdog, got, want)
		}
	}
}

// A status that came too soon after another one is told later, and of many only the newest.
func TestStatusIsTold(t *testing.T) {
	d := newDesk(0)
	d.Emit(started(engine.ModeRun, 3))
	for i := range 1000 {
		d.Emit(engine.StepProgress{Step: scrub, Current: int64(i), Total: 1000})
	}
	expect(t, "many", d.pass(3*time.Second, true), "0s: READY=1 STATUS=snapshot-rotation: started\n1s: STATUS=step scrub (1 of 3): 99%, 999/1000")
	d.Emit(engine.StepStarted{Step: metrics})
	expect(t, "one", d.pass(2*time.Second, true), "3s: STATUS=step metrics (always): notify.metrics")
}

func TestStoppingTakesItsTime(t *testing.T) {
	d := newDesk(0)
	d.Emit(started(engine.ModeRun, 3))
	d.Emit(engine.StepStarted{Step: scrub})
	d.pass(2*time.Second, true)
	d.Stop("SIGTERM")
	d.Stop("SIGTERM")
	expect(t, "stopped", d.pass(25*time.Second, true), "2s: STOPPING=1 EXTEND_TIMEOUT_USEC=30000000 STATUS=stopping after SIGTERM: step scrub (1 of 3): Scrub /\n"+
		"12s: EXTEND_TIMEOUT_USEC=30000000\n22s: EXTEND_TIMEOUT_USEC=30000000")
	expect(t, "dead", d.pass(25*time.Second, false), "")
	d.Emit(engine.StepStarted{Step: metrics})
	if got := d.pass(time.Second, false); got != "52s: STATUS=stopping after SIGTERM: step metrics (always): notify.metrics" {
		t.Error(got)
	}
	d.Emit(finished(engine.ModeRun, engine.RunCancelled, "stopped on request", engine.Totals{Create: 2}, 0, nil))
	expect(t, "over", d.pass(20*time.Second, true), "53s: STOPPING=1 STATUS=cancelled: stopped on request: 2 created")

	d = newDesk(0)
	d.Stop("SIGTERM")
	d.Emit(started(engine.ModeRun, 3))
	expect(t, "stopped before the start", d.pass(0, true), "0s: READY=1 STATUS=snapshot-rotation: started\n"+
		"0s: STOPPING=1 EXTEND_TIMEOUT_USEC=30000000 STATUS=stopping after SIGTERM: snapshot-rotation: started")
}
