package runner

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// silent are plugins whose Apply waits until it is let go, whatever its context says.
type silent struct{ entered, release chan struct{} }

func (s silent) wait() { close(s.entered); <-s.release }

func (silent) Resolve(context.Context, string, sdk.Request) ([]sdk.Lock, error) { return nil, nil }
func (silent) Plan(context.Context, string, sdk.Request) (*sdk.Plan, error) {
	return &sdk.Plan{Outputs: json.RawMessage("{}")}, nil
}
func (s silent) Apply(context.Context, string, sdk.Request, *sdk.Plan, func(sdk.Event)) (*sdk.Result, error) {
	s.wait()
	return nil, nil
}

func TestPulse(t *testing.T) {
	const hour = time.Hour
	s := silent{make(chan struct{}), make(chan struct{})}
	var p Pulse
	if p.Alive(time.Now()) {
		t.Error("nothing has happened yet, and it lives")
	}
	o := p.watch(engine.Options{Plugins: s, Sleep: func(context.Context, time.Duration) {},
		Lock: func(context.Context, string, sdk.Lock) (func(), error) { return nil, nil }})
	o.Emit(engine.RunStarted{})
	now := time.Now()
	if !p.Alive(now) {
		t.Error("an event, and it does not live")
	}
	if p.Alive(now.Add(overdue + time.Second)) {
		t.Error("between two calls for longer than a minute, and it lives")
	}
	ctx, timeIsUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = o.Plugins.Apply(ctx, "x", sdk.Request{}, nil, nil)
	}()
	<-s.entered
	if !p.Alive(now.Add(20 * hour)) {
		t.Error("a step that takes its time is no hang")
	}
	timeIsUp()
	for _, after := range []time.Duration{0, overdue} { // it is seen at 0, and has a minute from then on
		if !p.Alive(now.Add(20*hour + after)) {
			t.Errorf("%s after the step's time was up it does not live", after)
		}
	}
	if p.Alive(now.Add(20*hour + overdue + time.Second)) {
		t.Error("a call that does not return long after its time was up, and it lives")
	}
	close(s.release)
	<-done
	if !p.Alive(time.Now()) {
		t.Error("the call has returned, and it does not live")
	}
	o.Sleep(t.Context(), 0)
	if _, err := o.Lock(t.Context(), "x", sdk.Lock{}); err != nil {
		t.Error(err)
	}
	_, _ = o.Plugins.Resolve(t.Context(), "x", sdk.Request{})
	_, _ = o.Plugins.Plan(t.Context(), "x", sdk.Request{})
	if len(p.calls) != 0 {
		t.Errorf("%d calls have not ended", len(p.calls))
	}
}
