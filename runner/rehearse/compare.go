package rehearse

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// Compare holds plan, run and what was seen against each other. Resources of types that are not among what is seen are compared
// between plan and run only.
func Compare(plan, run *engine.Report, before, after []Thing) *Result {
	c := &comparison{result: Result{Playbook: run.Started.Playbook, Description: run.Started.Description, Instant: run.Started.Instant, Inputs: run.Started.Inputs,
		Plan: plan.Finished.Status, Run: run.Finished.Status, Reason: run.Finished.Reason,
		Copies: []Copy{}, Steps: []Step{}, Differences: []Difference{}, Notes: []string{}}}
	c.steps(plan, run)
	c.look(before, after)
	if plan.Finished.Status != run.Finished.Status {
		c.differ("", "the plan ends as %s, the run as %s", plan.Finished.Status, run.Finished.Status)
	}
	return &c.result
}

type comparison struct{ result Result }

func (c *comparison) differ(step, format string, args ...any) {
	c.result.Differences = append(c.result.Differences, Difference{Step: step, Text: fmt.Sprintf(format, args...)})
}

// place is a step, or an item of it.
type place struct {
	id      string
	section engine.Section
	item    int
}

func placeOf(s engine.StepRef) place {
	p := place{s.ID, s.Section, -1}
	if s.Item != nil {
		p.item = *s.Item
	}
	return p
}

func (c *comparison) steps(plan, run *engine.Report) {
	planned := map[place]engine.StepResult{}
	for _, s := range plan.Steps {
		planned[placeOf(s.Step)] = s
	}
	seen := map[place]bool{}
	for _, r := range run.Steps {
		p, known := planned[placeOf(r.Step)]
		seen[placeOf(r.Step)] = true
		var before *engine.StepResult
		if known {
			before = &p
		}
		c.step(before, &r)
	}
	for _, p := range plan.Steps {
		if !seen[placeOf(p.Step)] {
			c.step(&p, nil)
		}
	}
}

// step compares one step; one of the two may be nil.
func (c *comparison) step(plan, run *engine.StepResult) {
	s := Step{Changes: []Compared{}}
	var planned, made []sdk.Change
	sure := false
	if plan != nil {
		s.Step, s.Planned, s.Conditional, s.Why, s.Summary = plan.Step, plan.Status, plan.Conditional, plan.Why, plan.Summary
		planned, sure = plan.Planned.Changes, plan.Conditional == ""
	}
	if run != nil {
		s.Step, s.Status, s.Why, s.Summary, s.Diagnostics = run.Step, run.Status, run.Why, run.Summary, run.Diagnostics
		made = run.Made
		if s.Withheld = run.Withheld; s.Withheld != "" {
			made = run.Planned.Changes // what it would have made
		}
	}
	taken := make([]bool, len(made))
	for _, p := range planned {
		change := Compared{Planned: sure && p.Conditional == "", Maybe: !sure || p.Conditional != "", Change: p}
		if i := slices.IndexFunc(made, func(m sdk.Change) bool { return same(p, m) }); i >= 0 {
			taken[i], change.Made = true, true
		}
		s.Changes = append(s.Changes, change)
	}
	for i, m := range made {
		if !taken[i] {
			// What an undecided step does was not to be told before.
			s.Changes = append(s.Changes, Compared{Made: true, Maybe: !sure && plan != nil, Change: m})
		}
	}
	for _, change := range s.Changes {
		if change.Agrees() {
			continue
		}
		verb, name := verbs[change.Change.Kind], change.Change.Resource.Name
		if change.Planned {
			c.differ(s.Step.ID, "planned to %s %q, which did not happen", verb, name)
		} else {
			c.differ(s.Step.ID, "did %s %q, which was not planned", verb, name)
		}
	}
	if sure && plan != nil && run != nil && outcome(plan.Status) != outcome(run.Status) {
		c.differ(s.Step.ID, "planned to end as %s, ended as %s", plan.Status, run.Status)
	}
	c.result.Steps = append(c.result.Steps, s)
}

var verbs = map[sdk.Kind]string{sdk.Create: "create", sdk.Update: "update", sdk.Delete: "delete", sdk.Run: "run"}

// outcome sorts statuses: whether there was anything to change, the changes tell.
func outcome(s engine.Status) engine.Status {
	switch {
	case s == engine.Changed:
		return engine.OK
	case s.Bad():
		return engine.Failed
	}
	return s
}

// same reports whether two changes are of one kind to one thing.
func same(a, b sdk.Change) bool {
	x, y := a.Resource, b.Resource
	if a.Kind != b.Kind || x.Type != y.Type || x.Scope != y.Scope || x.ID != y.ID && x.ID != "" && y.ID != "" {
		return false
	}
	return x.Name == y.Name
}

// expectation is what plan and run together say of one thing.
type expectation struct {
	created, deleted, updated bool
	step                      string
	after                     []json.RawMessage
}

// key is how a thing is known: by its ID where it has one, else by its name.
type key struct{ kind, scope, id, name string }

func byID(r sdk.Resource) key   { return key{kind: r.Type, scope: r.Scope, id: r.ID} }
func byName(r sdk.Resource) key { return key{kind: r.Type, scope: r.Scope, name: r.Name} }

func keyOf(r sdk.Resource) key {
	if r.ID != "" {
		return byID(r)
	}
	return byName(r)
}

// look compares what was seen with what was planned and made.
func (c *comparison) look(before, after []Thing) {
	kinds := map[string]bool{}
	for _, t := range slices.Concat(before, after) {
		kinds[t.Resource.Type] = true
	}
	expected := map[key]*expectation{}
	var order []key
	for _, s := range c.result.Steps {
		for _, change := range s.Changes {
			if s.Withheld != "" || !kinds[change.Change.Resource.Type] || !change.Planned && !change.Made {
				continue
			}
			k := keyOf(change.Change.Resource)
			e := expected[k]
			if e == nil {
				e = &expectation{}
				expected[k], order = e, append(order, k)
			}
			e.step = s.Step.ID
			switch change.Change.Kind {
			case sdk.Create:
				e.created = true
			case sdk.Delete:
				e.deleted = true
			case sdk.Update:
				e.updated = true
			}
			if change.Change.Kind != sdk.Delete {
				e.after = append(e.after, change.Change.After)
			}
		}
	}
	c.seen(before, after)
	c.explained(expected, before)
	there := map[key]Thing{}
	for _, t := range after {
		there[byID(t.Resource)], there[byName(t.Resource)] = t, t
	}
	for _, k := range order {
		c.fulfilled(k, expected[k], there)
	}
}

// seen notes what has changed.
func (c *comparison) seen(before, after []Thing) {
	c.result.Seen = Seen{Created: []sdk.Resource{}, Deleted: []sdk.Resource{}, Changed: []sdk.Resource{}}
	then, now := map[key]Thing{}, map[key]bool{}
	for _, t := range before {
		then[keyOf(t.Resource)] = t
	}
	for _, t := range after {
		now[keyOf(t.Resource)] = true
		old, known := then[keyOf(t.Resource)]
		switch {
		case !known:
			c.result.Seen.Created = append(c.result.Seen.Created, t.Resource)
		case old.Resource.Name != t.Resource.Name || !reflect.DeepEqual(old.Attributes, t.Attributes):
			c.result.Seen.Changed = append(c.result.Seen.Changed, t.Resource)
		}
	}
	for _, t := range before {
		if !now[keyOf(t.Resource)] {
			c.result.Seen.Deleted = append(c.result.Seen.Deleted, t.Resource)
		}
	}
}

// explained looks for what has happened without having been planned.
func (c *comparison) explained(expected map[key]*expectation, before []Thing) {
	find := func(r sdk.Resource, fits func(*expectation) bool) bool {
		for _, k := range []key{byID(r), byName(r)} {
			if e := expected[k]; e != nil && fits(e) {
				return true
			}
		}
		return false
	}
	for _, r := range c.result.Seen.Created {
		if !find(r, func(e *expectation) bool { return e.created || e.updated }) {
			c.differ("", "%q is there now, which no step has planned", r.Name)
		}
	}
	for _, r := range c.result.Seen.Deleted {
		if !find(r, func(e *expectation) bool { return e.deleted }) {
			c.differ("", "%q is gone, which no step has planned", r.Name)
		}
	}
	then := map[key]Thing{}
	for _, t := range before {
		then[keyOf(t.Resource)] = t
	}
	moved := map[string]string{} // what has another name, as planned: from the old one
	updated := func(e *expectation) bool { return e.updated || e.created }
	for _, r := range c.result.Seen.Changed {
		if old := then[keyOf(r)].Resource; find(r, updated) && old.Name != r.Name {
			moved[old.Name] = r.Name
		}
	}
	for _, r := range c.result.Seen.Changed {
		if !find(r, updated) && !along(then[keyOf(r)].Resource.Name, r.Name, moved) {
			c.differ("", "%q is not as it was, which no step has planned", r.Name)
		}
	}
}

// along reports whether a thing has its new name because of what it lies in.
func along(from, to string, moved map[string]string) bool {
	for old, now := range moved {
		if rest, inside := strings.CutPrefix(from, old+"/"); inside && to == now+"/"+rest {
			return true
		}
	}
	return false
}

// fulfilled looks whether what was planned is there.
func (c *comparison) fulfilled(k key, e *expectation, there map[key]Thing) {
	t, is := there[k]
	name := k.name
	if name == "" {
		name = k.id
	}
	switch {
	case e.created && !e.deleted && !is:
		c.differ(e.step, "%q is not there, although it was created", name)
	case e.deleted && !e.created && is:
		c.differ(e.step, "%q is still there, although it was deleted", t.Resource.Name)
	case is:
		c.attributes(e.step, t, e.after)
	}
}

// attributes compares what can be seen of a thing with what the last change of each attribute says.
func (c *comparison) attributes(step string, t Thing, after []json.RawMessage) {
	want := map[string]any{}
	for _, raw := range after {
		var attributes map[string]any
		_ = json.Unmarshal(raw, &attributes) // no object: it says nothing
		for k, v := range attributes {
			want[k] = v
		}
	}
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if is, seen := t.Attributes[k]; seen && !reflect.DeepEqual(is, want[k]) {
			c.differ(step, "%s of %q is %v, and was planned to be %v", k, t.Resource.Name, is, want[k])
		}
	}
}
