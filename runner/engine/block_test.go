package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

const guarded = `
steps:
  - {id: before, uses: shelf.put, with: {name: before}}
  - id: guarded
    block:
      - {id: one, uses: shelf.put, with: {name: one}}
      - {id: two, uses: shelf.put, with: {name: two}}
      - {id: three, uses: shelf.put, with: {name: three}}
    rescue:
      - {id: mend, uses: shelf.put, with: {name: "mend-${{ error.step }}"}}
      - {id: mend2, uses: shelf.put, with: {name: mend2}}
    always:
      - {id: tidy, uses: shelf.put, with: {name: "tidy-${{ error?.step ?? 'well' }}"}}
      - {id: tidy2, uses: shelf.put, with: {name: tidy2}}
  - {id: after, uses: shelf.put, with: {name: "after-${{ steps.guarded.status }}"}}
on_failure:
  - {id: tell, uses: shelf.put, with: {name: "tell-${{ error.step }}"}}
always:
  - {id: last, uses: shelf.put, with: {name: last}}
`

// failing is a hook that refuses the calls with these ends.
func failing(calls ...string) func(string) error {
	return func(call string) error {
		for _, c := range calls {
			if strings.HasSuffix(call, c) {
				return &sdk.Error{Summary: "no"}
			}
		}
		return nil
	}
}

func TestBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		hook   func(string) error
		want   string
		status RunStatus
	}{
		"all well": {nil, `before changed +before
one changed +one
two changed +two
three changed +three
mend unreached
mend2 unreached
tidy changed +tidy-well
tidy2 changed +tidy2
guarded changed
after changed +after-changed
tell unreached
last changed +last
`, Succeeded},
		"rescued": {failing("apply put two"), `before changed +before
one changed +one
two failed
three unreached
mend changed +mend-two
mend2 changed +mend2
tidy changed +tidy-two
tidy2 changed +tidy2
guarded rescued
after changed +after-rescued
tell unreached
last changed +last
`, Succeeded},
		"rescue fails": {failing("apply put two", "apply put mend-two"), `before changed +before
one changed +one
two failed
three unreached
mend failed
mend2 unreached
tidy changed +tidy-two
tidy2 changed +tidy2
guarded failed
after unreached
tell changed +tell-mend
last changed +last
`, RunFailed},
		"always fails": {failing("apply put tidy-well"), `before changed +before
one changed +one
two changed +two
three changed +three
mend unreached
mend2 unreached
tidy failed
tidy2 changed +tidy2
guarded failed
after unreached
tell changed +tell-tidy
last changed +last
`, RunFailed},
		"never reached": {failing("plan put before"), `before failed
guarded unreached
one unreached
two unreached
three unreached
mend unreached
mend2 unreached
tidy unreached
tidy2 unreached
after unreached
tell changed +tell-before
last changed +last
`, RunFailed},
		"crash": {func(call string) error {
			if call == "plan put one" {
				return errBroken
			}
			return nil
		}, `before changed +before
one failed
two unreached
three unreached
mend changed +mend-one
mend2 changed +mend2
tidy changed +tidy-one
tidy2 changed +tidy2
guarded rescued
after changed +after-rescued
tell unreached
last changed +last
`, Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{hook: c.hook}
			r := execute(t, context.Background(), program(t, guarded, s), s, ModeRun)
			want := c.want
			if name == "crash" {
				want = strings.Replace(want, "one failed", "one errored", 1)
			}
			if got := outline(r, ModeRun); got != want {
				t.Errorf("got:\n%s", got)
			}
			if r.Finished.Status != c.status {
				t.Errorf("finished: %+v", r.Finished)
			}
		})
	}
}

// A stop on request: the always-section of a block that has begun runs.
func TestCancelInsideBlock(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	s := &shelf{}
	s.hook = func(call string) error {
		if call == "apply put two" {
			stop()
			return ctx.Err()
		}
		return nil
	}
	r := execute(t, ctx, program(t, guarded, s), s, ModeRun)
	want := `before changed +before
one changed +one
two cancelled
three unreached
mend unreached
mend2 unreached
tidy changed +tidy-two
tidy2 changed +tidy2
guarded cancelled
after unreached
tell unreached
last changed +last
`
	if got := outline(r, ModeRun); got != want || r.Finished.Status != RunCancelled {
		t.Errorf("%s%+v", got, r.Finished)
	}
}

func TestBlockTimeout(t *testing.T) {
	s := &shelf{}
	s.within = untilDone("apply put two", false)
	p := program(t, strings.Replace(guarded, "id: guarded\n", "id: guarded\n    timeout: 250ms\n", 1), s)
	r := execute(t, context.Background(), p, s, ModeRun)
	got := outline(r, ModeRun)
	if !strings.Contains(got, "two changed +two\nthree unreached\nmend changed +mend-guarded\n") || !strings.Contains(got, "guarded rescued\nafter") {
		t.Errorf("%s", got)
	}
}

func TestNestedBlocksAndPreview(t *testing.T) {
	text := `
steps:
  - id: outer
    block:
      - id: inner
        block: [{id: bad, uses: shelf.put, with: {name: bad}}]
        rescue: [{id: hopeless, uses: shelf.put, with: {name: hopeless}}]
        always: [{id: close, uses: shelf.put, with: {name: close}}]
      - {id: unseen, uses: shelf.put, with: {name: unseen}}
    rescue: [{id: save, uses: shelf.put, with: {name: "save-${{ error.step }}"}}]
  - {id: after, uses: shelf.put, with: {name: after}}
`
	s := &shelf{}
	preview := execute(t, context.Background(), program(t, text, s), s, ModePreview)
	want := "bad changed +bad\nhopeless unreached?\nclose changed +close\ninner changed\nunseen changed +unseen\nsave unreached?\nouter changed\nafter changed +after\n"
	if got := outline(preview, ModePreview); got != want {
		t.Errorf("preview:\n%s", got)
	}
	if got := preview.Steps[1].Conditional; got != "only if block inner fails" {
		t.Errorf("conditional: %q", got)
	}
	s.hook = failing("apply put bad", "plan put hopeless")
	r := execute(t, context.Background(), program(t, text, s), s, ModeRun)
	want = "bad failed\nhopeless failed\nclose changed +close\ninner failed\nunseen unreached\nsave changed +save-hopeless\nouter rescued\nafter changed +after\n"
	if got := outline(r, ModeRun); got != want || r.Finished.Status != Succeeded {
		t.Errorf("run:\n%s%+v", got, r.Finished)
	}
	for _, step := range r.Steps {
		if depth := map[string]int{"bad": 2, "hopeless": 2, "close": 2, "inner": 1, "unseen": 1, "save": 1}[step.Step.ID]; step.Step.Depth != depth {
			t.Errorf("%s has depth %d", step.Step.ID, step.Step.Depth)
		}
	}
}

func TestBlockDecidedAtRun(t *testing.T) {
	text := `
steps:
  - {id: first, uses: shelf.put, with: {name: a}}
  - id: maybe
    if: steps.first.outputs.number > 7
    block: [{id: inside, uses: shelf.put, with: {name: b}}]
  - {id: never, if: false, uses: shelf.list}
  - id: skipped
    if: false
    block: [{id: quiet, uses: shelf.put, with: {name: c}}]
`
	s := &shelf{}
	p := program(t, text, s)
	r := execute(t, context.Background(), p, s, ModePreview)
	if got := outline(r, ModePreview); got != "first changed +a\ninside changed? +b\nmaybe changed?\nnever skipped\nskipped skipped\nquiet skipped\n" {
		t.Errorf("%s", got)
	}
	r = execute(t, context.Background(), p, s, ModeRun)
	if got := outline(r, ModeRun); got != "first changed +a\nmaybe skipped\ninside skipped\nnever skipped\nskipped skipped\nquiet skipped\n" {
		t.Errorf("%s", got)
	}
}

func TestRetry(t *testing.T) {
	text := `
steps:
  - id: flaky
    uses: shelf.put
    with: {name: x}
    retry: {attempts: 4, delay: 1s, backoff: 3%s}
  - {id: after, uses: shelf.put, with: {name: after}}
`
	for _, c := range []struct {
		when     string
		failures int
		err      error
		attempts int
		status   Status
	}{
		{"", 0, nil, 1, Changed},
		{"", 2, &sdk.Error{Summary: "busy"}, 3, Changed},
		{"", 9, &sdk.Error{Summary: "busy"}, 4, Failed},
		{"", 1, errBroken, 2, Changed},
		{`, when: error.message == "busy"`, 2, &sdk.Error{Summary: "busy"}, 3, Changed},
		{`, when: error.message == "busy"`, 2, &sdk.Error{Summary: "no space"}, 1, Failed},
		{`, when: error.status == "errored"`, 9, errBroken, 4, Errored},
	} {
		count := 0
		s := &shelf{}
		s.hook = func(call string) error {
			if call == "apply put x" {
				if count++; count <= c.failures {
					return c.err
				}
			}
			return nil
		}
		p := program(t, fmt.Sprintf(text, c.when), s)
		var waits []time.Duration
		var retried int
		inputs, _ := p.Resolve(nil)
		r := Execute(context.Background(), p, Options{Plugins: inProcess{s.plugin()}, Mode: ModeRun, Instant: instant, Inputs: inputs, Now: time.Now,
			Sleep: func(_ context.Context, d time.Duration) { waits = append(waits, d) },
			Emit: func(e Event) {
				if _, ok := e.(StepRetrying); ok {
					retried++
				}
			}})
		if got := r.Steps[0]; got.Attempts != c.attempts || got.Status != c.status || retried != c.attempts-1 {
			t.Errorf("%+v: attempts %d, status %s, %d events", c, got.Attempts, got.Status, retried)
		}
		if want := []time.Duration{time.Second, 3 * time.Second, 9 * time.Second}[:c.attempts-1]; !slices.Equal(waits, want) {
			t.Errorf("waits: %v", waits)
		}
	}
}

func TestCancelDuringRetry(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	s := &shelf{hook: failing("apply put x")}
	p := program(t, "steps: [{id: flaky, uses: shelf.put, with: {name: x}, retry: {attempts: 9}}]", s)
	r := Execute(ctx, p, Options{Plugins: inProcess{s.plugin()}, Mode: ModeRun, Instant: instant, Now: time.Now,
		Sleep: func(context.Context, time.Duration) { stop() }})
	if got := r.Steps[0]; got.Attempts != 1 || got.Status != Cancelled || r.Finished.Status != RunCancelled {
		t.Errorf("%+v %+v", got, r.Finished)
	}
}

// Items of a parallel loop run at the same time, as many as allowed; the results
// come in the order of the items.
func TestParallel(t *testing.T) {
	const text = `
inputs: {names: {type: list, default: [a, b, c, d, e, f]}}
steps:
  - {id: each, for_each: inputs.names, max_parallel: 3, uses: shelf.put, with: {name: "${{ item }}"}}
`
	var running, most atomic.Int64
	gate := make(chan struct{})
	var once sync.Once
	s := &shelf{hook: func(call string) error {
		if strings.HasPrefix(call, "apply") {
			n := running.Add(1)
			for {
				seen := most.Load()
				if n <= seen || most.CompareAndSwap(seen, n) {
					break
				}
			}
			if n == 3 {
				once.Do(func() { close(gate) })
			}
			<-gate // the first three wait for each other
			time.Sleep(time.Millisecond)
			running.Add(-1)
		}
		return nil
	}}
	p := program(t, text, s)
	preview := execute(t, context.Background(), p, s, ModePreview)
	want := "each[a] changed +a\neach[b] changed +b\neach[c] changed +c\neach[d] changed +d\neach[e] changed +e\neach[f] changed +f\n"
	if got := outline(preview, ModePreview); got != want {
		t.Errorf("preview:\n%s", got)
	}
	r := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(r, ModeRun); got != want {
		t.Errorf("run:\n%s", got)
	}
	if most.Load() != 3 {
		t.Errorf("%d ran at the same time", most.Load())
	}

	s = &shelf{hook: failing("apply put b")}
	r = execute(t, context.Background(), program(t, text, s), s, ModeRun)
	counts := map[Status]int{}
	for _, step := range r.Steps {
		counts[step.Status]++
	}
	if r.Steps[1].Status != Failed || counts[Failed] != 1 || r.Finished.Status != RunFailed {
		t.Errorf("a failing item:\n%s", outline(r, ModeRun))
	}
}

// What locks the same does not run at the same time.
func TestParallelItemsWaitForLocks(t *testing.T) {
	var inside atomic.Int64
	p := &sdk.Plugin{Name: "shelf", Version: "1", Actions: []sdk.Action{
		sdk.Write(sdk.Info{Name: "put"}, sdk.Writer[putIn, putOut, sdk.None]{
			Locks: func(context.Context, *sdk.Call, putIn) ([]sdk.Lock, error) {
				return []sdk.Lock{{Key: "b"}, {Key: "a"}, {Key: "a"}}, nil
			},
			Plan: func(context.Context, *sdk.Call, putIn) (sdk.Planned[putOut, sdk.None], error) {
				return sdk.Planned[putOut, sdk.None]{}, nil
			},
			Apply: func(context.Context, *sdk.Call, putIn, sdk.None) (putOut, error) {
				if inside.Add(1) > 1 {
					return putOut{}, errors.New("two at the same time")
				}
				time.Sleep(2 * time.Millisecond)
				inside.Add(-1)
				return putOut{}, nil
			},
		}),
	}}
	checked := program(t, `steps: [{for_each: [a, b, c, d], max_parallel: 4, uses: shelf.put, with: {name: "${{ item }}"}}]`, &shelf{})
	r := Execute(context.Background(), checked, Options{Plugins: inProcess{p}, Mode: ModeRun, Instant: instant, Now: time.Now})
	if r.Finished.Status != Succeeded {
		t.Errorf("%+v", r.Finished)
	}
}
