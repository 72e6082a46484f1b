package report

import (
	"bytes"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// The formats, as they name themselves.
const (
	EventsFormat  = "coppice.events"
	EventsVersion = 1
)

// progressEvery is the least time between two step_progress of one step.
const progressEvery = 500 * time.Millisecond

type events struct {
	form
	seq      int
	finished bool
	closed   bool
	started  engine.RunStarted
	progress map[stepKey]time.Time
}

// NewEvents writes each event as one line of JSON:
//
//	{"format":"coppice.events","version":1,"seq":1,"time":"…","type":"run_started", …fields of the event}
//
// seq counts up from 1 without a gap. step_progress comes at most twice a second for each step. The last line is
// always run_finished; without one in the stream, Close writes it with status "failed".
func NewEvents(o Options) Reporter {
	return &events{form: newForm(o), progress: map[stepKey]time.Time{}}
}

// head is what each line starts with.
type head struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Seq     int    `json:"seq"`
	Time    string `json:"time"`
	Type    string `json:"type"`
}

func (r *events) Emit(e engine.Event) {
	if r.closed || r.finished {
		return
	}
	now := r.Now()
	switch e := e.(type) {
	case engine.RunStarted:
		r.started = e
		r.line(now, "run_started", e)
	case engine.StepStarted:
		r.line(now, "step_started", e)
	case engine.StepPlanned:
		r.line(now, "step_planned", e)
	case engine.StepProgress:
		key := keyOf(e.Step)
		if last, ok := r.progress[key]; ok && now.Sub(last) < progressEvery {
			return
		}
		r.progress[key] = now
		r.line(now, "step_progress", e)
	case engine.StepLog:
		r.line(now, "step_log", e)
	case engine.StepRetrying:
		r.line(now, "step_retrying", e)
	case engine.ChangeMade:
		r.line(now, "change_made", e)
	case engine.StepFinished:
		delete(r.progress, keyOf(e.Step))
		r.line(now, "step_finished", e)
	case engine.RunFinished:
		r.finished = true
		r.line(now, "run_finished", e)
	}
}

func (r *events) line(now time.Time, kind string, e engine.Event) {
	body, err := Encode(e)
	if err != nil { // a plugin's JSON that is none
		body, _ = Encode(map[string]string{"error": fmt.Sprintf("cannot encode this event: %v", err)})
	}
	r.seq++
	start, _ := Encode(head{EventsFormat, EventsVersion, r.seq, now.Format(time.RFC3339Nano), kind})
	text := append(bytes.TrimSuffix(start, []byte("}")), ',')
	text = append(text, bytes.TrimPrefix(r.hide.maskJSON(body), []byte("{"))...)
	r.out.write(string(text) + "\n")
}

func (r *events) Close() error {
	if r.seq > 0 && !r.finished && !r.closed {
		r.Emit(neverFinished(r.started))
	}
	r.closed = true
	return r.flush()
}

// neverFinished is the end of a run whose end nobody told.
func neverFinished(s engine.RunStarted) engine.RunFinished {
	return engine.RunFinished{
		Run: s.Run, Mode: s.Mode, Status: engine.RunFailed, Reason: "coppice stopped before the end",
		Steps: map[engine.Status]int{},
	}
}
