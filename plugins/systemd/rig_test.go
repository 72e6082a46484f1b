package systemd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// order is what the test asks of itself inside of a machine.
type order struct {
	Action string
	Inputs map[string]any
	Prior  []sdk.Change
	Plan   *sdk.Plan // to apply; nil: the one that is made
	Apply  bool
	// Cancel, when the unit of this name is in this state.
	CancelUnit, CancelState string
	Step                    string
}

// answered is what comes of it.
type answered struct {
	Plan    *sdk.Plan
	Refused []sdk.Diagnostic
	Result  *sdk.Result
	Logs    []string
}

// TestMain makes the test a program that does one order, for inside of a machine.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "order" {
		data, _ := json.Marshal(obey(os.Args[2]))
		fmt.Println(string(data))
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "contract" {
		data, _ := json.Marshal(holdToContract())
		fmt.Println(string(data))
		return
	}
	plugintest.Main(m, New)
}

func obey(text string) (a answered) {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	inputs, _ := json.Marshal(o.Inputs)
	q := sdk.Request{Run: "20261124T101500Z-abcdef", Step: orElse(o.Step, "step"), Action: o.Action, Inputs: inputs, Prior: o.Prior, Instant: time.Now()}
	p := New()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := p.Resolve(ctx, q); err != nil {
		a.Refused = sdk.Diagnose(err)
		return a
	}
	var err error
	if a.Plan = o.Plan; a.Plan == nil {
		if a.Plan, err = p.Plan(ctx, q); err != nil {
			a.Refused = sdk.Diagnose(err)
			return a
		}
	}
	if !o.Apply {
		return a
	}
	if o.CancelUnit != "" {
		go func() {
			c, err := connect(ctx)
			for err == nil && ctx.Err() == nil {
				u, err := c.unit(ctx, o.CancelUnit)
				if err == nil && u.State == o.CancelState {
					cancel()
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
	}
	a.Result, err = p.Apply(ctx, q, a.Plan, func(e sdk.Event) {
		if l, ok := e.(sdk.Log); ok {
			a.Logs = append(a.Logs, l.Level+" "+l.Message)
		}
	})
	if err != nil {
		a.Refused = sdk.Diagnose(err)
	}
	return a
}

// rig is a machine with units of the test's.
type rig struct {
	*pid1.Machine
	t testing.TB
}

func boot(t testing.TB, files map[string]string) *rig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, text := range files {
		if !strings.HasPrefix(name, "/") {
			name = "/etc/systemd/system/" + name
		}
		all[name] = text
	}
	r := &rig{pid1.Start(t, pid1.Options{Files: all, Binds: map[string]string{"/opt/test": self}}), t}
	r.Must(t, "systemctl", "start", "basic.target") // which services need by themselves
	return r
}

type inputs = map[string]any

func (r *rig) do(o order) answered {
	r.t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.read(r.Must(r.t, "/opt/test", "order", string(data)))
}

func (r *rig) read(out string) (a answered) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
	return a
}

// inside does an order as a service of the machine.
func (r *rig) inside(service, text string) answered {
	r.t.Helper()
	r.Must(r.t, "sh", "-c", `printf %s "$1" >/run/order`, "sh", text)
	r.Must(r.t, "systemctl", "start", service)
	return r.read(r.Must(r.t, "cat", "/run/answer"))
}

// plan plans, and expects no refusal.
func (r *rig) plan(action string, in inputs, prior ...sdk.Change) *sdk.Plan {
	r.t.Helper()
	a := r.do(order{Action: action, Inputs: in, Prior: prior})
	if a.Refused != nil {
		r.t.Fatalf("%s %v: %+v", action, in, a.Refused)
	}
	return a.Plan
}

// run plans and applies without an error, and expects each change that is certain to be made.
func (r *rig) run(action string, in inputs) answered {
	r.t.Helper()
	a := r.do(order{Action: action, Inputs: in, Apply: true})
	if a.Refused != nil || sdk.HasErrors(a.Result.Diagnostics) {
		r.t.Fatalf("%s %v: %+v %+v", action, in, a.Refused, a.Result)
	}
	for i, c := range a.Plan.Changes {
		if c.Conditional == "" && action != "wait" && !slices.Contains(a.Result.Done, i) {
			r.t.Errorf("%s %v: %s was not made", action, in, told(a.Plan)[i])
		}
	}
	return a
}

// converges is run of an action that has nothing to do the second time, neither in a plan nor when its plan is applied again.
func (r *rig) converges(action string, in inputs) answered {
	r.t.Helper()
	a := r.run(action, in)
	if len(a.Result.Done) == 0 {
		r.t.Errorf("%s %v did nothing", action, in)
	}
	if again := r.do(order{Action: action, Inputs: in, Plan: a.Plan, Apply: true}); len(again.Result.Done) != 0 || sdk.HasErrors(again.Result.Diagnostics) {
		r.t.Errorf("%s %v does something when its plan is applied again: %+v", action, in, again.Result)
	}
	if second := r.plan(action, in); len(second.Changes) != 0 || len(second.Kept) != 1 {
		r.t.Errorf("%s %v does something in a second run: %q", action, in, told(second))
	}
	return a
}

// fails plans and applies, and expects the step to fail with these texts.
func (r *rig) fails(action string, in inputs, want ...string) answered {
	r.t.Helper()
	a := r.do(order{Action: action, Inputs: in, Apply: true})
	all := a.Refused
	if a.Result != nil {
		all = a.Result.Diagnostics
	}
	expect(r.t, all, want...)
	return a
}

// refuses expects a plan to be refused.
func (r *rig) refuses(action string, in inputs, want ...string) {
	r.t.Helper()
	a := r.do(order{Action: action, Inputs: in})
	if a.Refused == nil {
		r.t.Errorf("%s %v is planned: %q", action, in, told(a.Plan))
		return
	}
	expect(r.t, a.Refused, want...)
}

func expect(t testing.TB, all []sdk.Diagnostic, want ...string) {
	t.Helper()
	text := fmt.Sprintf("%+v", all)
	for _, w := range want {
		if !sdk.HasErrors(all) || !strings.Contains(text, w) {
			t.Errorf("expected %q in %s", w, text)
		}
	}
}

// told is the changes of a plan in short.
func told(p *sdk.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		var before, after attributes
		_ = json.Unmarshal(c.Before, &before)
		_ = json.Unmarshal(c.After, &after)
		s := fmt.Sprintf("%s %s %s", c.Kind, c.Resource.Name, c.Summary)
		if c.Before != nil {
			s += fmt.Sprintf(" %s→%s", before.State+before.Enabled, after.State+after.Enabled)
		}
		if c.Reason != "" {
			s += " (" + c.Reason + ")"
		}
		if c.Conditional != "" {
			s += " [" + c.Conditional + "]"
		}
		all = append(all, s)
	}
	return all
}

func (r *rig) state(unit string) string {
	r.t.Helper()
	return strings.TrimSpace(r.Must(r.t, "systemctl", "show", "--value", "-p", "ActiveState", unit))
}

func outputs[Out any](t testing.TB, data json.RawMessage) (out Out) {
	t.Helper()
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nexpected\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
