package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// Test makes all checks and reports what it found. Processes are started from the caller's own thread, and so in its namespaces.
func Test(ctx context.Context, o Options) *Report {
	runtime.LockOSThread() // what dies with its parent dies with the thread, see PR_SET_PDEATHSIG in prctl(2)
	defer runtime.UnlockOSThread()
	if o.Grace == 0 {
		o.Grace = 20 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	o.Cases = slices.Clone(o.Cases)
	taken := map[string]int{}
	for i := range o.Cases { // findings are told apart by the names
		c := &o.Cases[i]
		c.Name = c.name()
		if taken[c.Name]++; taken[c.Name] > 1 {
			c.Name += "-" + strconv.Itoa(taken[c.Name])
		}
	}
	k := &kit{o: o, said: &recorder{}, report: &Report{}}
	defer k.close()
	if o.Plugin == nil {
		l, err := newLauncher(o, k.said)
		if err != nil {
			k.find(handshake, "", err.Error())
			return k.report
		}
		k.launcher = l
	}
	if err := k.restart(); err != nil {
		k.find(handshake, "", err.Error())
		return k.report
	}
	k.find(handshake, "", "")
	if !k.describe(ctx) {
		return k.report
	}
	for _, a := range k.d.Actions {
		k.refusals(ctx, a)
	}
	k.unknownAction(ctx)
	for _, c := range o.Cases {
		k.tryCase(ctx, c)
	}
	k.together(ctx)
	for _, a := range k.d.Actions {
		if !slices.ContainsFunc(o.Cases, func(c Case) bool { return c.Action == a.Name }) {
			k.report.Untested = append(k.report.Untested, a.Name)
		}
	}
	k.streams()
	return k.report
}

// kit is one test of one plugin. What many checks call is not inlined: the kit is a part of coppice, whose size is limited.
type kit struct {
	o        Options
	launcher *launcher // nil: the plugin is in this process
	said     *recorder
	session  *session
	calls    int
	report   *Report
	d        *sdk.Description
	enlarged []string // actions that have had a large call
}

//go:noinline
func (k *kit) find(check, on, problem string) {
	k.report.Findings = append(k.report.Findings, Finding{check, on, problem})
}

// findOnce keeps one finding a check and place: the first problem, or that there is none.
//
//go:noinline
func (k *kit) findOnce(check, on, problem string) {
	for i, f := range k.report.Findings {
		if f.Check == check && f.On == on {
			if f.Problem == "" {
				k.report.Findings[i].Problem = problem
			}
			return
		}
	}
	k.find(check, on, problem)
}

//go:noinline
func (k *kit) restart() error {
	if k.session != nil {
		k.session.end()
		k.session = nil
	}
	var err error
	if k.launcher == nil {
		k.session, err = inProcess(k.o.Plugin)
	} else {
		k.session, err = k.launcher.start()
	}
	if err != nil {
		k.session = &session{client: protocol.NewClient(gone{}), end: func() {}}
	}
	return err
}

func (k *kit) close() {
	if k.session != nil {
		k.session.end()
	}
	if k.launcher != nil {
		k.launcher.close()
	}
}

// request makes a call of a case. The id is unlike all others.
//
//go:noinline
func (k *kit) request(action string, inputs []byte, instant time.Time, prior []sdk.Change) sdk.Request {
	k.calls++
	return sdk.Request{ID: strconv.Itoa(k.calls), Run: "20260101T000000Z-abcdef", Step: "plugintest", Action: action, Inputs: inputs, Instant: instant, Prior: prior}
}

// answer is what a call has given: a value, a refusal, or neither from a plugin that is broken.
type answer[V any] struct {
	value   V
	refused []sdk.Diagnostic
	broken  error
}

// answered sorts an error of the client.
func answered[V any](k *kit, value V, err error) answer[V] {
	var refusal *protocol.DomainError
	switch {
	case err == nil:
		return answer[V]{value: value}
	case errors.As(err, &refusal):
		return answer[V]{refused: refusal.Diagnostics}
	}
	err = fmt.Errorf("the call broke: %w", err)
	if k.launcher != nil {
		k.session.end() // with that, its last words have arrived
		k.session = nil
		err = errors.New(err.Error() + k.said.lastWords())
	}
	// The next call gets a fresh process, as in a run.
	if restart := k.restart(); restart != nil {
		err = fmt.Errorf("%w, and it does not start any more: %w", err, restart)
	}
	return answer[V]{broken: err}
}

// problem says why there is no value; "" when there is one.
func (a answer[V]) problem(call string) string {
	switch {
	case a.broken != nil:
		return call + ": " + a.broken.Error()
	case a.refused != nil:
		return call + " was refused: " + told(a.refused)
	}
	return ""
}

//go:noinline
func (k *kit) plan(ctx context.Context, r sdk.Request) answer[*sdk.Plan] {
	ctx, stop := context.WithTimeout(ctx, k.o.Timeout)
	defer stop()
	p, err := k.session.client.Plan(ctx, r)
	return answered(k, p, err)
}

//go:noinline
func (k *kit) resolve(ctx context.Context, r sdk.Request) answer[[]sdk.Lock] {
	ctx, stop := context.WithTimeout(ctx, k.o.Timeout)
	defer stop()
	l, err := k.session.client.Resolve(ctx, r)
	return answered(k, l, err)
}

// apply has a plan done, as it comes back from being stored.
//
//go:noinline
func (k *kit) apply(ctx context.Context, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event)) answer[*sdk.Result] {
	ctx, stop := context.WithTimeout(ctx, k.o.Timeout)
	defer stop()
	stored, err := json.Marshal(plan)
	if err != nil {
		return answer[*sdk.Result]{broken: fmt.Errorf("the plan cannot be stored: %w", err)}
	}
	var back sdk.Plan
	if err := json.Unmarshal(stored, &back); err != nil {
		return answer[*sdk.Result]{broken: fmt.Errorf("the plan cannot be read again: %w", err)}
	}
	r.Prior = nil
	result, err := k.session.client.Apply(ctx, r, &back, emit)
	return answered(k, result, err)
}

//go:noinline
func told(all []sdk.Diagnostic) string {
	text := ""
	for i, d := range all {
		if i > 0 {
			text += "; "
		}
		text += string(d.Severity)
		if d.Reason != "" {
			text += " [" + string(d.Reason) + "]"
		}
		if d.Path != "" {
			text += " at " + d.Path
		}
		text += ": " + d.Summary
	}
	return shorten(text, 1000)
}
