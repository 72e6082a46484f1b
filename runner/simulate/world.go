package simulate

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// world is what the virtual runs so far have changed, as few changes as say it: the prior changes of the next one. What was created
// and is deleted again was never there; of two changes that set the same the later one counts.
type world struct {
	changes []sdk.Change
	last    map[string]int // index of the last change of a key
	dead    map[int]bool   // indexes of changes that mean nothing any more
}

// key says which earlier change a change takes the place of.
func key(c sdk.Change) string {
	r := c.Resource
	parts := []string{string(c.Kind), r.Type, r.Scope, r.Name, r.ID}
	if c.Kind == sdk.Update || c.Kind == sdk.Run {
		var after map[string]json.RawMessage
		_ = json.Unmarshal(c.After, &after) // no object: it sets nothing that has a name
		parts = append(append(parts, "sets"), slices.Sorted(maps.Keys(after))...)
	}
	return strings.Join(parts, "\x00")
}

// add lays the changes of a run over the world.
func (w *world) add(all []sdk.Change) {
	if w.last == nil {
		w.last, w.dead = map[string]int{}, map[int]bool{}
	}
	for _, c := range all {
		if c.Kind == sdk.Delete && c.Resource.ID == "" && w.annul(c.Resource) {
			continue
		}
		c.Summary, c.Reason = "", "" // for people only
		k := key(c)
		if i, ok := w.last[k]; ok && c.Kind != sdk.Create {
			w.dead[i] = true
		}
		w.last[k] = len(w.changes)
		w.changes = append(w.changes, c)
	}
	w.compact()
}

// annul takes back the creation of a resource that only the simulation has made, and what was changed of it since.
func (w *world) annul(r sdk.Resource) bool {
	created, ok := w.last[key(sdk.Change{Kind: sdk.Create, Resource: r})]
	if !ok || w.dead[created] {
		return false
	}
	w.dead[created] = true
	return true
}

func (w *world) compact() {
	if len(w.dead) == 0 {
		return
	}
	gone := map[sdk.Resource]bool{} // created and annulled
	var left []sdk.Change
	for i, c := range w.changes {
		switch {
		case w.dead[i] && c.Kind == sdk.Create:
			gone[c.Resource] = true
		case w.dead[i] || c.Kind == sdk.Update && gone[c.Resource]:
		default:
			if c.Kind == sdk.Create {
				delete(gone, c.Resource)
			}
			left = append(left, c)
		}
	}
	w.changes, w.dead = left, map[int]bool{}
	w.last = make(map[string]int, len(left))
	for i, c := range left {
		w.last[key(c)] = i
	}
}
