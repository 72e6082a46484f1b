package powercut

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"

	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// ReadOnly and Content are the attributes that rules are about. Content stands for all that is in a thing.
const (
	ReadOnly = "read_only"
	Content  = "content"
)

// Judge says what must not be as it is after a cut, before which the steps had ended that are named: in the order of the
// things before and after the run.
func (s *Story) Judge(state []rehearse.Thing, ended map[string]bool) []Violation {
	j := &judge{Story: s, before: indexOf(s.Before), after: indexOf(s.After), state: indexOf(state)}
	j.kept()
	j.whole()
	j.durable(ended)
	j.deletions()
	return j.found
}

type judge struct {
	*Story
	before, after, state index
	found                []Violation
}

func (j *judge) say(rule string, r sdk.Resource, format string, args ...any) {
	j.found = append(j.found, Violation{Rule: rule, Resource: r, Text: fmt.Sprintf(format, args...)})
}

// kept looks at all that was there before.
func (j *judge) kept() {
	for _, b := range j.Before {
		k, name := keyOf(b.Resource), b.Resource.Name
		now, there := j.state[k]
		end, stays := j.after[k]
		if !there {
			if stays {
				j.say("kept", b.Resource, "%q is gone, which the playbook does not delete", name)
			}
			continue
		}
		if !stays {
			end = b
		}
		if now.Resource.Name != name && now.Resource.Name != end.Resource.Name {
			j.say("kept", now.Resource, "%q is called %q", name, now.Resource.Name)
		}
		for _, attribute := range attributes(b, end, now) {
			is := now.Attributes[attribute]
			if !reflect.DeepEqual(is, b.Attributes[attribute]) && !reflect.DeepEqual(is, end.Attributes[attribute]) {
				j.say("kept", now.Resource, "%s of %q is %v: neither what it was before nor what the playbook makes of it", attribute, name, is)
			}
		}
	}
	for _, b := range j.Before {
		n := named(b.Resource)
		if end, stays := j.after[n]; stays && keyOf(end.Resource) != keyOf(b.Resource) && !j.state.has(n) {
			j.say("gap", b.Resource, "there is no %q: there was one before, and there would be one afterwards", b.Resource.Name)
		}
	}
}

func attributes(all ...rehearse.Thing) []string {
	var names []string
	for _, t := range all {
		for name := range t.Attributes {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// whole looks at all that the run has made.
func (j *judge) whole() {
	for _, made := range j.After {
		if j.before.has(keyOf(made.Resource)) {
			continue
		}
		for _, problem := range j.lacks(made) {
			if problem != absent {
				j.say("whole", made.Resource, "%q is there, and half made: %s", made.Resource.Name, problem)
			}
		}
	}
}

const absent = "absent"

// lacks is what a thing that the run has made lacks in the state; absent where it is not there under its name.
func (j *judge) lacks(made rehearse.Thing) []string {
	now, there := j.state[keyOf(made.Resource)]
	if !there || now.Resource.Name != made.Resource.Name {
		return []string{absent}
	}
	all := made.Attributes[ReadOnly] == true || j.before.has(named(made.Resource))
	var lacking []string
	for _, attribute := range attributes(made, now) {
		want, is := made.Attributes[attribute], now.Attributes[attribute]
		if (all || attribute == Content) && !reflect.DeepEqual(want, is) {
			lacking = append(lacking, fmt.Sprintf("%s is %v instead of %v", attribute, is, want))
		}
	}
	return lacking
}

// durable looks at what steps have changed that had ended, and that no later step changes.
func (j *judge) durable(ended map[string]bool) {
	later := map[key]bool{}
	for _, m := range j.Made {
		if !ended[m.Step] {
			later[keyOf(m.Change.Resource)], later[named(m.Change.Resource)] = true, true
		}
	}
	said := map[key]bool{}
	for _, m := range j.Made {
		r := m.Change.Resource
		if !ended[m.Step] || later[keyOf(r)] || later[named(r)] {
			continue
		}
		if m.Change.Kind == sdk.Delete {
			if gone, known := j.before[keyOf(r)]; known && !j.after.has(keyOf(gone.Resource)) && j.state.has(keyOf(gone.Resource)) {
				j.say("durable", r, "%q is there again, which step %s had deleted before the cut", r.Name, m.Step)
			}
			continue
		}
		end, known := j.after[keyOf(r)]
		if !known {
			end, known = j.after[named(r)]
		}
		if !known || said[keyOf(end.Resource)] {
			continue
		}
		said[keyOf(end.Resource)] = true
		now, there := j.state[keyOf(end.Resource)]
		switch {
		case !there || now.Resource.Name != end.Resource.Name:
			j.say("durable", end.Resource, "there is no %q, which step %s had made before the cut", end.Resource.Name, m.Step)
		case !reflect.DeepEqual(now.Attributes, end.Attributes):
			for _, attribute := range attributes(now, end) {
				if is, want := now.Attributes[attribute], end.Attributes[attribute]; !reflect.DeepEqual(is, want) && attribute != Content {
					j.say("durable", end.Resource, "%s of %q is %v, which step %s had made %v before the cut", attribute, end.Resource.Name, is, m.Step, want)
				}
			}
		}
	}
}

// deletions looks at what is gone, and at what has to be there then.
func (j *judge) deletions() {
	said := map[key]bool{}
	for at, d := range j.Made {
		deleted, known := j.before[keyOf(d.Change.Resource)]
		if d.Change.Kind != sdk.Delete || !known || j.after.has(keyOf(deleted.Resource)) || j.state.has(keyOf(deleted.Resource)) {
			continue
		}
		for i, c := range j.Made {
			made, known := j.after[named(c.Change.Resource)]
			if c.Change.Kind != sdk.Create || !known || j.before.has(keyOf(made.Resource)) || said[keyOf(made.Resource)] {
				continue
			}
			if i > at && !instead(c.Change, d.Change) || len(j.lacks(made)) == 0 {
				continue
			}
			said[keyOf(made.Resource)] = true
			if i < at {
				j.say("order", made.Resource, "%q (step %s) is gone, and %q is not there, which step %s makes before", deleted.Resource.Name, d.Step, made.Resource.Name, c.Step)
			} else {
				j.say("gap", made.Resource, "%q (step %s) is gone, and %q, which step %s makes in its place, is not there yet", deleted.Resource.Name, d.Step, made.Resource.Name, c.Step)
			}
		}
	}
}

// origin is the part of a change that says what a thing is a copy of.
type origin struct {
	Source     string `json:"source"`
	ParentUUID string `json:"parent_uuid"`
}

func originOf(attributes json.RawMessage) (o origin) {
	_ = json.Unmarshal(attributes, &o) // no object: it says nothing
	return o
}

// instead reports whether what one change makes takes the place of what another one deletes.
func instead(create, del sdk.Change) bool {
	made, gone := create.Resource, del.Resource
	if made.Type != gone.Type || made.Scope != gone.Scope {
		return false
	}
	folder := path.Dir(gone.Name)
	if made.Name == gone.Name || folder != "." && path.Dir(made.Name) == folder {
		return true
	}
	c, d := originOf(create.After), originOf(del.Before)
	return c.Source != "" && (c.Source == d.Source || c.Source == gone.Name) || c.ParentUUID != "" && (c.ParentUUID == d.ParentUUID || c.ParentUUID == gone.ID)
}
