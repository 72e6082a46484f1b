package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// trial is one case while it is tried.
type trial struct {
	*kit
	Case
	info    *sdk.Info
	inputs  []byte
	instant time.Time
	told    strings.Builder // all that the plugin has said of it
	diff    func(a, b *sdk.Plan) string
}

//go:noinline
func (t *trial) find(check, problem string) { t.kit.findOnce(check, t.name(), problem) }

// tryCase makes all checks of a case.
func (k *kit) tryCase(ctx context.Context, c Case) {
	t := &trial{kit: k, Case: c, info: k.d.Action(c.Action), instant: now()}
	if t.info == nil {
		t.find(theCase, fmt.Sprintf("there is no action %q", c.Action))
		return
	}
	var err error
	if t.inputs, err = encode(c.Inputs); err != nil {
		t.find(theCase, "its inputs are not JSON: "+err.Error())
		return
	}
	if t.info, err = withDeclared(t.info, t.inputs); err != nil {
		t.find(theCase, err.Error())
		return
	}
	t.diff = func(a, b *sdk.Plan) string { return difference(tree(a), tree(b), "", c.Varies) }
	_, noise, lines := k.said.said()
	switch plan, ok := t.planning(ctx); {
	case !ok:
	case c.Long:
		t.cancelling(ctx)
	case t.info.Effect == sdk.Reads:
		t.notApplied(ctx, plan)
	default:
		t.applying(ctx, plan)
		t.drifting(ctx)
		t.cancelling(ctx)
	}
	_, after, _ := k.said.said()
	t.told.WriteString(after[len(noise):])
	t.secrets()
	t.leftovers(lines)
}

// withDeclared is an action with the outputs that its inputs declare, see schema.Declare.
func withDeclared(info *sdk.Info, inputs []byte) (*sdk.Info, error) {
	if info.Outputs == nil || info.Outputs.DeclaredBy == "" {
		return info, nil
	}
	in, err := decode(inputs)
	if err != nil {
		return nil, err
	}
	given, _ := in.(map[string]any)
	declaration, there := given[info.Outputs.DeclaredBy]
	if !there {
		return info, nil
	}
	declared, wrong := schema.Declare(declaration)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("its input %s declares no outputs: %v", info.Outputs.DeclaredBy, wrong[0])
	}
	whole, all := *info, *info.Outputs
	all.Properties = slices.Concat(all.Properties, declared.Properties)
	all.Required = slices.Concat(all.Required, declared.Required)
	whole.Outputs = &all
	return &whole, nil
}

//go:noinline
func (t *trial) prepare(ctx context.Context) (state, bool) {
	if t.Prepare != nil {
		if err := t.Prepare(ctx); err != nil {
			t.find(theCase, "cannot be prepared: "+err.Error())
			return nil, false
		}
	}
	return t.observe(ctx)
}

//go:noinline
func (t *trial) observe(ctx context.Context) (state, bool) {
	s, err := observe(ctx, t.Case)
	if err == nil && t.launcher != nil {
		err = s.add(t.launcher.home)
	}
	if err != nil {
		t.find(theCase, err.Error())
		return nil, false
	}
	return s, true
}

// ask plans the case; every problem of that is the given check's.
//
//go:noinline
func (t *trial) ask(ctx context.Context, check string, instant time.Time, prior []sdk.Change) (*sdk.Plan, bool) {
	a := t.plan(ctx, t.request(t.Action, t.inputs, instant, append(slices.Clip(t.Prior), prior...)))
	if a.value != nil {
		t.heard(public(a.value))
	}
	t.heard(a.refused)
	if problem := a.problem("Plan"); problem != "" {
		t.find(check, problem)
		return nil, false
	}
	return a.value, true
}

// perform applies a plan; every problem of that is the given check's.
//
//go:noinline
func (t *trial) perform(ctx context.Context, check string, plan *sdk.Plan) (*sdk.Result, bool) {
	a := t.apply(ctx, t.request(t.Action, t.inputs, t.instant, nil), plan, func(e sdk.Event) { t.heard(e) })
	if a.broken != nil {
		t.find(oneResult, "Apply: "+a.broken.Error())
		return nil, false
	}
	if a.refused != nil {
		a.value = &sdk.Result{Diagnostics: a.refused}
	}
	t.heard(a.value)
	if sdk.HasErrors(a.value.Diagnostics) && check != "" {
		t.find(check, "Apply failed: "+told(a.value.Diagnostics))
		return nil, false
	}
	return a.value, true
}

// heard remembers what the plugin has said.
func (t *trial) heard(v any) {
	switch v := v.(type) {
	case *sdk.Result:
		fmt.Fprintf(&t.told, "%s\n%s\n%v\n", v.Summary, v.Outputs, v.Diagnostics)
	case sdk.Event:
		fmt.Fprintf(&t.told, "%+v\n", v)
	default:
		data, err := json.Marshal(v)
		if err != nil {
			fmt.Fprintf(&t.told, "%v", v)
		}
		t.told.Write(append(data, '\n'))
	}
}

// planning makes the checks of Plan and of what belongs to it.
func (t *trial) planning(ctx context.Context) (*sdk.Plan, bool) {
	before, ok := t.prepare(ctx)
	if !ok {
		return nil, false
	}
	keys, ok := t.lockKeys(ctx)
	if !ok {
		return nil, false
	}
	plan, ok := t.ask(ctx, theCase, t.instant, nil)
	if !ok {
		return nil, false
	}
	if sdk.HasErrors(plan.Diagnostics) {
		t.find(theCase, "the plan has errors: "+told(plan.Diagnostics))
		return nil, false
	}
	t.find(theCase, "")
	t.sound(plan)
	t.fits(plan)
	if again, ok := t.ask(ctx, planRepeats, t.instant, nil); ok {
		t.find(planRepeats, t.diff(plan, again))
	}
	t.foresees(ctx, plan)
	t.integers(ctx)
	if !slices.Contains(t.enlarged, t.Action) {
		t.enlarged = append(t.enlarged, t.Action)
		t.large(ctx, plan)
	}
	if t.launcher != nil {
		if err := t.restart(); err != nil {
			t.find(planTravels, "it does not start a second time: "+err.Error())
			return nil, false
		}
	}
	again, ok := t.lockKeys(ctx)
	if ok && !slices.Equal(keys, again) {
		t.find(locks, fmt.Sprintf("first %q, later %q", keys, again))
	}
	after, ok := t.observe(ctx)
	if !ok {
		return nil, false
	}
	t.find(planOnlyReads, before.compare(after))
	return plan, true
}

// foresees has the plan's own changes be what an earlier step has planned.
func (t *trial) foresees(ctx context.Context, plan *sdk.Plan) {
	sure := slices.DeleteFunc(slices.Clone(plan.Changes), func(c sdk.Change) bool { return c.Conditional != "" })
	if !t.info.Converges || len(sure) == 0 || len(sure) < len(plan.Changes) {
		return
	}
	if then, ok := t.ask(ctx, prior, t.instant.Add(time.Second), sure); ok {
		t.find(prior, listed("after its own changes it would still make", then.Changes))
	}
}

func listed(what string, all []sdk.Change) string {
	if len(all) == 0 {
		return ""
	}
	names := []string{}
	for _, c := range all {
		names = append(names, string(c.Kind)+" "+c.Resource.Name)
	}
	return shorten(what+": "+strings.Join(names, ", "), 500)
}
