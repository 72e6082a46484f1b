package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

const nobody = "plugintest_unknown" // the name of no action and no input

// unknownAction calls what is not there.
func (k *kit) unknownAction(ctx context.Context) {
	problem := ""
	r := k.request(nobody, []byte("{}"), now(), nil)
	switch a := k.plan(ctx, r); {
	case a.broken != nil:
		problem = "Plan: " + a.broken.Error()
	case a.refused == nil:
		problem = "Plan has made a plan for it"
	}
	if a := k.resolve(ctx, r); a.broken != nil {
		problem = "Resolve: " + a.broken.Error()
	}
	a := k.apply(ctx, r, &sdk.Plan{}, func(sdk.Event) {})
	switch {
	case a.broken != nil:
		problem = "Apply: " + a.broken.Error()
	case a.refused == nil && !sdk.HasErrors(a.value.Diagnostics):
		problem = "Apply ended without an error"
	}
	k.find(unknownAction, "", problem)
}

// wrong are inputs that do not fit a schema, and where the mistake is.
type wrong struct {
	inputs []byte
	at     []string // JSON pointers, any of which the refusal may name; nil: anywhere
}

// refusals calls an action with inputs that do not fit its schema.
func (k *kit) refusals(ctx context.Context, a sdk.Info) {
	var problems []string
	for _, w := range k.mistakes(a) {
		if problem := k.refuses(ctx, a.Name, w); problem != "" {
			problems = append(problems, fmt.Sprintf("inputs %s: %s", shorten(string(w.inputs), 300), problem))
		}
		if len(problems) == 3 {
			break
		}
	}
	k.find(wrongInputs, a.Name, strings.Join(problems, "\n"))
}

func (k *kit) refuses(ctx context.Context, action string, w wrong) string {
	r := k.request(action, w.inputs, now(), nil)
	if a := k.resolve(ctx, r); a.broken != nil {
		return "Resolve: " + a.broken.Error()
	}
	a := k.plan(ctx, r)
	if a.broken != nil {
		return "Plan: " + a.broken.Error()
	}
	if a.refused == nil {
		return "Plan takes them"
	}
	found := false
	for _, d := range a.refused {
		if d.Reason != sdk.Invalid || d.Severity != sdk.SeverityError {
			continue
		}
		if w.at == nil {
			return ""
		}
		for _, at := range w.at {
			found = found || d.Path == at || at != "" && strings.HasPrefix(d.Path, at+"/")
		}
	}
	if !found && w.at == nil {
		return "the refusal has not the reason invalid: " + told(a.refused)
	}
	if !found {
		return fmt.Sprintf("no error of the reason invalid points at %q: %s", w.at[0], told(a.refused))
	}
	return ""
}

// mistakes are made in the inputs of the action's first case; without a case there are none to make them in, and what is
// missing is wrong too.
func (k *kit) mistakes(a sdk.Info) []wrong {
	good := map[string]any{}
	for _, c := range k.o.Cases {
		if c.Action == a.Name {
			if object, err := objectOf(c.Inputs); err == nil {
				good = object
				break
			}
		}
	}
	all := []wrong{{inputs: []byte(`{"`)}, {inputs: []byte(`[]`)}, {inputs: []byte(`"text"`)}, {inputs: []byte(`7`)}}
	with := func(name string, value any, at ...string) {
		changed := maps.Clone(good)
		if value == nil {
			delete(changed, name)
		} else {
			changed[name] = value
		}
		data, err := json.Marshal(changed)
		if err != nil { // they come from JSON
			panic(err)
		}
		all = append(all, wrong{data, at})
	}
	with(nobody, json.Number("1"), "/"+nobody)
	for _, p := range a.Inputs.Properties {
		at := "/" + schema.Escape(p.Name)
		if other := otherType(p.Schema); other != nil {
			with(p.Name, other, at)
		}
		if len(p.Schema.Enum) > 0 {
			with(p.Name, nobody, at)
		}
		if p.Schema.Type == schema.Integer && p.Schema.Minimum != nil && *p.Schema.Minimum > -1<<62 {
			with(p.Name, *p.Schema.Minimum-1, at)
		}
		if p.Schema.Type == schema.Integer && p.Schema.Maximum != nil && *p.Schema.Maximum < 1<<62 {
			with(p.Name, *p.Schema.Maximum+1, at)
		}
		if p.Schema.Type == schema.String && p.Schema.MinLength > 0 {
			with(p.Name, "", at)
		}
		if slices.Contains(a.Inputs.Required, p.Name) {
			with(p.Name, nil, "", at)
		}
	}
	return all
}

// otherType is a value that the schema does not take; nil: it takes anything.
func otherType(s *schema.Schema) any {
	switch s.Type {
	case "":
		return nil
	case schema.String:
		return json.Number("7")
	}
	return "text"
}

// objectOf is inputs as JSON with exact numbers.
func objectOf(inputs any) (map[string]any, error) {
	data, err := encode(inputs)
	if err != nil {
		return nil, err
	}
	v, err := decode(data)
	object, ok := v.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("inputs are an object, not %s", data)
	}
	return object, err
}
