package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// sound checks the changes of a plan.
func (t *trial) sound(p *sdk.Plan) {
	var problems []string
	for i, c := range p.Changes {
		add := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("change %d (%s %s): ", i, c.Kind, c.Resource.Name)+fmt.Sprintf(format, args...))
		}
		switch c.Kind {
		case sdk.Create, sdk.Update, sdk.Delete, sdk.Run:
		default:
			add("its kind must be create, update, delete or run")
		}
		if c.Kind == sdk.Delete && t.info.Effect != sdk.Destroys {
			add("the action has not declared that it destroys")
		}
		if t.info.Effect == sdk.Reads {
			add("the action has declared that it only reads")
		}
		if c.Resource.Type == "" || c.Resource.Name == "" {
			add("its resource has no type or no name")
		}
		if len(t.info.Touches) > 0 && !slices.Contains(t.info.Touches, c.Resource.Type) && !slices.Contains(t.info.Touches, sdk.Anything) {
			add("the action touches %s, and not %q", strings.Join(t.info.Touches, ", "), c.Resource.Type)
		}
		for name, attributes := range map[string]json.RawMessage{"before": c.Before, "after": c.After} {
			if v, err := decode(attributes); len(attributes) > 0 && (err != nil || !isObject(v)) {
				add("%s is not a JSON object: %s", name, shorten(string(attributes), 100))
			}
		}
		if c.Kind == sdk.Create && has(c.Before) {
			add("what is created has no attributes before")
		}
		if c.Kind == sdk.Delete && has(c.After) {
			add("what is deleted has no attributes afterwards")
		}
	}
	t.find(changes, strings.Join(problems, "\n"))
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

// has reports whether there are attributes.
func has(attributes json.RawMessage) bool {
	return len(attributes) > 0 && !bytes.Equal(bytes.TrimSpace(attributes), []byte("null"))
}

// fits checks the outputs of a plan.
func (t *trial) fits(p *sdk.Plan) {
	v, err := decode(p.Outputs)
	if err != nil || !isObject(v) {
		t.find(outputs, "the outputs of Plan are no JSON object: "+shorten(string(p.Outputs), 200))
		return
	}
	problem := ""
	for _, pointer := range p.Unknown {
		switch _, there := at(v, pointer); {
		case t.info.Effect == sdk.Reads:
			problem = pointer + " of a reading action"
		case pointer != "" && !strings.HasPrefix(pointer, "/"):
			problem = fmt.Sprintf("%q is no JSON pointer: it starts with /", pointer)
		case !there && !t.declared(pointer):
			problem = pointer + " leads to no output"
		}
	}
	t.find(unknown, problem)
	var wrong []string
	for _, found := range t.info.Outputs.Check(v) {
		if !slices.ContainsFunc(p.Unknown, func(u string) bool { return found.Path == u || strings.HasPrefix(found.Path, u+"/") }) {
			wrong = append(wrong, fmt.Sprintf("Plan: %q %s", found.Path, found.Message))
		}
	}
	t.find(outputs, strings.Join(wrong, "\n"))
}

// declared reports whether the schema of the outputs knows the first name of a pointer.
func (t *trial) declared(pointer string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return t.info.Outputs.Property(schema.Unescape(first)) != nil
}

// exact has more bits than a float64, which makes rounded of it.
const exact, rounded = 1<<53 + 1, "9007199254740992"

// integers sends a number that floating point can't hold.
func (t *trial) integers(ctx context.Context) {
	good, err := objectOf(t.Inputs)
	if err != nil {
		return // tryCase has told
	}
	sent, problem := false, ""
	for _, p := range t.info.Inputs.Properties {
		if p.Schema.Type != schema.Integer || p.Schema.Maximum != nil {
			continue
		}
		changed := maps.Clone(good)
		changed[p.Name] = exact
		data, err := json.Marshal(changed)
		if err != nil { // it comes from JSON
			panic(err)
		}
		a := t.plan(ctx, t.request(t.Action, data, t.instant, t.Prior))
		if a.broken != nil {
			problem = "Plan: " + a.broken.Error()
		}
		sent = sent || a.broken == nil
		told := show(a.refused, true)
		if a.value != nil {
			text, _ := json.Marshal(a.value) // it was just decoded
			told = string(text)
		}
		for _, form := range []string{rounded, "9.007199254740992e", "9.007199254740992E", "9.00719925474099e"} {
			if strings.Contains(told, form) {
				problem = fmt.Sprintf("/%s was %d, and the plan has %s", p.Name, exact, form)
			}
		}
	}
	if sent || problem != "" {
		t.find(integers, problem)
	}
}

// large sends more than gRPC takes by itself: 4 MiB.
func (t *trial) large(ctx context.Context, plan *sdk.Plan) {
	text, err := json.Marshal(map[string]string{"text": strings.Repeat("x", 530_000)})
	if err != nil {
		panic(err)
	}
	var others []sdk.Change
	for i := range 10 {
		others = append(others, sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: "plugintest.other", Name: fmt.Sprintf("other %d", i)}, After: text})
	}
	if len(others)*len(text) < 5<<20 {
		panic("plugintest: the large call is not large")
	}
	if then, ok := t.ask(ctx, large, t.instant, others); ok {
		t.find(large, t.diff(plan, then))
	}
}
