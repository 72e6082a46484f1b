// Package powercut judges what a power cut in the middle of a run has left, and what the same playbook made of that. It executes
// nothing and knows no plugin: what was there before the run, after it, after the cut and after the run that followed is given to
// it as things with attributes, and the changes of the run in their order.
//
// What has to hold for every playbook, whatever its steps:
//
//   - Kept: what the run does not delete is there after the cut, with attributes and content that it had before the run or has
//     after it, under one of the names that it has then.
//   - Durable: what a step has changed that had ended before the cut is so after it.
//   - Order: once something is gone that the run deletes, everything is there that it makes before.
//   - No gap: once something is gone that the run deletes, what takes its place is there, even if the playbook makes it
//     afterwards. Something takes the place of what has the same name, lies in the same folder, is a copy of the same thing,
//     or a copy of it. And a name that there is before the run and after it is never without a thing.
//   - Whole: what the run makes is not there yet, or has all of its content. Where it is read-only, or takes the place of
//     something, it has all of its attributes too: nobody would look at it again.
//   - Convergence: the run that follows ends as it would have ended without the cut. All that would be there then is there,
//     and nothing else: no folder has more things in it, and none has a name that would not be there.
//
// Words:
//
//   - Story: an uncut run, and the run that follows it.
//   - Stamp: a text in names that tells one run from another, such as the time of a snapshot. Names that differ in their
//     stamps only count as one.
package powercut

import (
	"regexp"

	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// Story is what happens without a power cut.
type Story struct {
	Before []rehearse.Thing // before the run
	After  []rehearse.Thing // after it
	Made   []Made           // by it, in order
	Then   []rehearse.Thing // after the run that follows
	Stamps []string         // of both runs
	// Numbers are patterns of texts in names that count as stamps too, whatever they are. They may be empty.
	Numbers []*regexp.Regexp
}

// Made is a change that a run has made.
type Made struct {
	Step   string
	Change sdk.Change
}

// Violation is something that must not be.
type Violation = rehearse.Violation

// key is how a thing is known: by its ID where it has one, else by its name.
type key struct{ kind, scope, id, name string }

func keyOf(r sdk.Resource) key {
	if r.ID != "" {
		return key{kind: r.Type, scope: r.Scope, id: r.ID}
	}
	return named(r)
}

func named(r sdk.Resource) key { return key{kind: r.Type, scope: r.Scope, name: r.Name} }

// index finds things.
type index map[key]rehearse.Thing

// indexOf finds things both by ID and by name.
func indexOf(all []rehearse.Thing) index {
	x := index{}
	for _, t := range all {
		x[keyOf(t.Resource)], x[named(t.Resource)] = t, t
	}
	return x
}

func (x index) has(k key) bool {
	_, ok := x[k]
	return ok
}
