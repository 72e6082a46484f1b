package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// How often the service manager hears of a run.
const (
	statusEvery = time.Second      // STATUS=, at most
	extendEvery = 10 * time.Second // EXTEND_TIMEOUT_USEC=, while a run that was told to stop cleans up
	extendBy    = 30 * time.Second
)

// Service tells a service manager of a run, in the variables of sd_notify(3): READY=1 when it has started, STATUS= with
// the step that runs and its progress, STOPPING=1 at its end. It is a Reporter; Stop and Beat come beside the events, from
// one goroutine at a time with them.
type Service struct {
	form
	send     func(variables ...string)
	watchdog time.Duration

	started  engine.RunStarted
	ready    bool
	stopping string // what has stopped the run; "": nothing
	finished bool
	done     int    // steps of the playbook's own list that have ended
	status   string // the newest
	told     string // the newest that was sent
	toldAt   time.Time
	beatAt   time.Time
	extended time.Time
}

// NewService makes a Service. send sends variables in one message, and must not block for long. watchdog is how often
// the service manager wants to hear that the run lives; 0: it does not. Options.Out and Err are not used.
func NewService(o Options, watchdog time.Duration, send func(variables ...string)) *Service {
	o.Out, o.Err = nil, nil
	return &Service{form: newForm(o), send: send, watchdog: watchdog}
}

// Period is how often Beat is to be called.
func (r *Service) Period() time.Duration {
	half := r.watchdog / 2
	if half <= 0 {
		return statusEvery
	}
	return max(half/((half+statusEvery-1)/statusEvery), time.Millisecond)
}

// Emit tells of an event.
func (r *Service) Emit(e engine.Event) {
	if r.finished {
		return
	}
	switch e := e.(type) {
	case engine.RunStarted:
		r.started, r.ready, r.beatAt = e, true, r.Now()
		r.say(r.clean(e.Playbook)+": started", "READY=1")
		if r.stopping != "" { // it was stopped before it had started
			r.stop()
		}
	case engine.StepStarted:
		r.running(e.Step, r.stepTitle(e.Step))
	case engine.StepProgress:
		text := amount(e.Current, e.Total, r.clean(e.Unit))
		if e.Total > 0 {
			text = fmt.Sprintf("%d%%, %s", percent(e.Current, e.Total), text)
		}
		if e.Message != "" {
			text += ", " + r.clean(e.Message)
		}
		r.running(e.Step, text)
	case engine.StepRetrying:
		r.running(e.Step, r.retrying(e))
	case engine.StepFinished:
		if e.Step.Section == engine.SectionSteps && e.Step.Depth == 0 && e.Step.Item == nil {
			r.done++
		}
	case engine.RunFinished:
		r.end(e)
	}
}

// running notes what a step does now.
func (r *Service) running(s engine.StepRef, what string) {
	text := "step " + r.stepName(s)
	if s.Section == engine.SectionSteps {
		text += fmt.Sprintf(" (%d of %d)", min(r.done+1, r.started.Steps), r.started.Steps)
	} else {
		text += " (" + string(s.Section) + ")"
	}
	if what != "" {
		text += ": " + what
	}
	if r.stopping != "" {
		text = "stopping after " + r.stopping + ": " + text
	}
	r.status = text
	if r.Now().Sub(r.toldAt) >= statusEvery {
		r.say(text)
	}
}

// say sends a status, and other variables with it.
func (r *Service) say(status string, others ...string) {
	r.status, r.told, r.toldAt = status, status, r.Now()
	r.send(append(others, "STATUS="+status)...)
}

// Stop says that something, "SIGTERM", has told the run to stop. From now on clean-up may take its time.
func (r *Service) Stop(why string) {
	if r.stopping != "" || r.finished {
		return
	}
	r.stopping = r.clean(why)
	if r.ready {
		r.stop()
	}
}

func (r *Service) stop() {
	r.extended = r.Now()
	status := "stopping after " + r.stopping
	if r.status != "" {
		status += ": " + r.status
	}
	r.say(status, "STOPPING=1", extension())
}

func extension() string {
	return "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(extendBy.Microseconds(), 10)
}

// Beat says that time has passed, and whether the run is alive. Only one that is alive keeps the watchdog quiet and gets
// more time for its clean-up.
func (r *Service) Beat(alive bool) {
	if !r.ready || r.finished {
		return
	}
	now := r.Now()
	if r.status != r.told && now.Sub(r.toldAt) >= statusEvery {
		r.say(r.status)
	}
	if !alive {
		return
	}
	if r.watchdog > 0 && now.Sub(r.beatAt) >= r.watchdog/2-r.Period()/2 {
		r.beatAt = now
		r.send("WATCHDOG=1")
	}
	if r.stopping != "" && now.Sub(r.extended) >= extendEvery {
		r.extended = now
		r.send(extension())
	}
}

func (r *Service) end(e engine.RunFinished) {
	r.finished = true
	text := runText(e.Status)
	if e.Reason != "" {
		text += ": " + r.clean(e.Reason)
	}
	made := totalCounts(e.Changes).words(past)
	if made == "" {
		made = "nothing changed"
	}
	r.say(text+": "+made, "STOPPING=1")
}

// Close ends the news; a run that never finished has failed.
func (r *Service) Close() error {
	if r.ready && !r.finished {
		r.end(neverFinished(r.started))
	}
	r.finished = true
	return nil
}
