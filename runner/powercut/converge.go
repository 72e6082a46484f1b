package powercut

import (
	"path"
	"reflect"
	"strings"

	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// Converged says where the run after a cut has not ended as it would have ended without the cut.
func (s *Story) Converged(end []rehearse.Thing) []Violation {
	j := &judge{Story: s, before: indexOf(s.Before), state: indexOf(end)}
	names := map[key]rehearse.Thing{} // of the end, without stamps
	folders := map[key]int{}          // how many things the story has in each
	for _, e := range end {
		names[s.stampless(e.Resource)] = e
	}
	expected := map[key]bool{}
	for _, t := range s.Then {
		expected[s.stampless(t.Resource)] = true
		folders[folder(t.Resource)]++
		now, there := names[s.stampless(t.Resource)]
		if j.before.has(keyOf(t.Resource)) {
			now, there = j.state[keyOf(t.Resource)]
		}
		switch {
		case !there:
			j.say("convergence", t.Resource, "%q is not there in the end", t.Resource.Name)
		case s.stampless(now.Resource) != s.stampless(t.Resource):
			j.say("convergence", t.Resource, "%q is called %q in the end", t.Resource.Name, now.Resource.Name)
		default:
			s.compare(j, t, now)
		}
	}
	for _, e := range end {
		folders[folder(e.Resource)]--
	}
	for _, e := range end {
		if known := j.before.has(keyOf(e.Resource)); !known && !expected[s.stampless(e.Resource)] {
			j.say("convergence", e.Resource, "%q is there in the end, and would not be without the cut", e.Resource.Name)
		} else if known && !expected[s.stampless(e.Resource)] && folders[folder(e.Resource)] < 0 {
			j.say("convergence", e.Resource, "%q is still there in the end", e.Resource.Name)
		}
	}
	return j.found
}

func (s *Story) compare(j *judge, want, now rehearse.Thing) {
	for _, attribute := range attributes(want, now) {
		a, b := want.Attributes[attribute], now.Attributes[attribute]
		if text, ok := a.(string); ok {
			if other, ok := b.(string); ok && s.plain(text) == s.plain(other) {
				continue
			}
		}
		if !reflect.DeepEqual(a, b) {
			j.say("convergence", now.Resource, "%s of %q is %v in the end, and would be %v", attribute, now.Resource.Name, b, a)
		}
	}
}

// stampless is the name of a thing, whichever run it is from.
func (s *Story) stampless(r sdk.Resource) key {
	k := named(r)
	k.name = s.plain(k.name)
	return k
}

func (s *Story) plain(text string) string {
	for _, pattern := range s.Numbers {
		text = pattern.ReplaceAllLiteralString(text, "\x00")
	}
	for _, stamp := range s.Stamps {
		text = strings.ReplaceAll(text, stamp, "\x00")
	}
	return text
}

func folder(r sdk.Resource) key {
	k := named(r)
	k.name = path.Dir(r.Name)
	return k
}
