package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

type timeT = time.Time

const stoppable = `
steps:
  - {id: one, uses: shelf.put, with: {name: one}}
  - {id: two, uses: shelf.put, with: {name: two}}
  - {id: three, uses: shelf.put, with: {name: three}}
on_failure: [{id: tell, uses: shelf.put, with: {name: tell}}]
always: [{id: last, uses: shelf.put, with: {name: last}}]
`

// A stop on request: what follows is not reached, always-steps run.
func TestCancel(t *testing.T) {
	for _, when := range []string{"plan put two", "apply put two"} {
		ctx, stop := context.WithCancel(context.Background())
		s := &shelf{}
		s.hook = func(call string) error {
			if call == when {
				stop()
				return ctx.Err() // as an action that was asked to stop
			}
			return nil
		}
		r := execute(t, ctx, program(t, stoppable, s), s, ModeRun)
		want := "one changed +one\ntwo cancelled\nthree unreached\ntell unreached\nlast changed +last\n"
		if got := outline(r, ModeRun); got != want {
			t.Errorf("%s:\n%s", when, got)
		}
		if r.Finished.Status != RunCancelled {
			t.Errorf("finished: %+v", r.Finished)
		}
	}
}

// A step that finished although it was asked to stop has finished.
func TestCancelTooLate(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	s := &shelf{hook: func(call string) error {
		if call == "apply put two" {
			stop()
		}
		return nil
	}}
	r := execute(t, ctx, program(t, stoppable, s), s, ModeRun)
	want := "one changed +one\ntwo changed +two\nthree unreached\ntell unreached\nlast changed +last\n"
	if got := outline(r, ModeRun); got != want || r.Finished.Status != RunCancelled {
		t.Errorf("%s%+v", got, r.Finished)
	}
}

// untilDone is an action that goes on until its time is up, and then stops, or has done it all.
func untilDone(call string, stops bool) func(context.Context, string) error {
	return func(ctx context.Context, now string) error {
		if now != call {
			return nil
		}
		if <-ctx.Done(); stops {
			return ctx.Err()
		}
		return nil
	}
}

func TestStepTimeout(t *testing.T) {
	s := &shelf{}
	p := program(t, strings.Replace(stoppable, "{id: two,", "{id: two, timeout: 30ms,", 1), s)
	s.within = untilDone("apply put two", true)
	r := execute(t, context.Background(), p, s, ModeRun)
	want := "one changed +one\ntwo timed_out\nthree unreached\ntell changed +tell\nlast changed +last\n"
	if got := outline(r, ModeRun); got != want || r.Finished.Status != RunFailed {
		t.Errorf("%s%+v", got, r.Finished)
	}
}

func TestRunTimeout(t *testing.T) {
	s := &shelf{}
	p := program(t, "timeout: 250ms"+stoppable, s)
	s.within = untilDone("apply put two", true)
	r := execute(t, context.Background(), p, s, ModeRun)
	want := "one changed +one\ntwo timed_out\nthree unreached\ntell changed +tell\nlast changed +last\n"
	if got := outline(r, ModeRun); got != want || r.Finished.Status != RunTimedOut {
		t.Errorf("%s%+v", got, r.Finished)
	}
}

// The time can also be up between two steps.
func TestRunTimeoutBetweenSteps(t *testing.T) {
	s := &shelf{}
	p := program(t, "timeout: 250ms"+stoppable, s)
	s.within = untilDone("apply put one", false)
	r := execute(t, context.Background(), p, s, ModeRun)
	want := "one changed +one\ntwo unreached\nthree unreached\ntell changed +tell\nlast changed +last\n"
	if got := outline(r, ModeRun); got != want || r.Finished.Status != RunTimedOut {
		t.Errorf("%s%+v", got, r.Finished)
	}
	// After the last step nothing was missed.
	s = &shelf{within: untilDone("apply put three", false)}
	p = program(t, "timeout: 250ms"+stoppable, s)
	if r := execute(t, context.Background(), p, s, ModeRun); r.Finished.Status != Succeeded {
		t.Errorf("%+v", r.Finished)
	}
}

// breach is a plugin that breaks the contract in one way.
type breach struct {
	inProcess
	plan func(*sdk.Plan)
}

func (b breach) Plan(ctx context.Context, name string, r sdk.Request) (*sdk.Plan, error) {
	p, err := b.inProcess.Plan(ctx, name, r)
	if err == nil {
		b.plan(p)
	}
	return p, err
}

func TestBreachesOfContract(t *testing.T) {
	put := "steps: [{id: one, uses: shelf.put, with: {name: one}}]"
	list := "steps: [{id: one, uses: shelf.list}]"
	for name, c := range map[string]struct {
		text string
		plan func(*sdk.Plan)
		want string
	}{
		"a reading action plans":   {list, func(p *sdk.Plan) { p.Changes = []sdk.Change{{Kind: sdk.Create}} }, "only reads"},
		"a writing action deletes": {put, func(p *sdk.Plan) { p.Changes[0].Kind = sdk.Delete }, "does not destroy"},
		"unknown kind":             {put, func(p *sdk.Plan) { p.Changes[0].Kind = "explode" }, "unknown kind"},
		"outputs of another type":  {list, func(p *sdk.Plan) { p.Outputs = []byte(`{"names":1,"count":1}`) }, "/names must be a list of string"},
		"outputs missing":          {list, func(p *sdk.Plan) { p.Outputs = []byte(`{"count":1}`) }, `"names" is missing`},
		"outputs no JSON":          {list, func(p *sdk.Plan) { p.Outputs = []byte(`{`) }, "not JSON"},
		"a read leaves unknown":    {list, func(p *sdk.Plan) { p.Unknown = []string{"/count"} }, "left /count unknown"},
	} {
		s := &shelf{}
		p := program(t, c.text, s)
		r := Execute(context.Background(), p, Options{Plugins: breach{inProcess{s.plugin()}, c.plan}, Mode: ModeRun,
			Instant: instant, Now: time.Now})
		if got := r.Steps[0]; got.Status != Errored || !strings.Contains(got.Diagnostics[0].Summary, c.want) {
			t.Errorf("%s: %s %+v", name, got.Status, got.Diagnostics)
		}
		if len(s.names) > 0 {
			t.Errorf("%s: it was applied", name)
		}
	}
}
