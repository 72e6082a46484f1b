package rehearse

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hbohlen/coppice/runner/simulate"
	"github.com/hbohlen/coppice/sdk"
)

// Timeline is what rehearsed runs at one time after the other have shown.
type Timeline struct {
	Copies      []Copy           `json:"copies"`   // the filesystems that it happened on
	Happened    *simulate.Result `json:"happened"` // what the runs have made of them
	Differences []Difference     `json:"differences"`
	Notes       []string         `json:"notes"`
}

// mostDifferences is how many are told; one early in a year makes many.
const mostDifferences = 20

// CompareDays holds what has happened against a simulation of the same runs, and against what can be seen in the end.
func CompareDays(simulated, happened *simulate.Result, before, after []Thing) *Timeline {
	t := &Timeline{Copies: []Copy{}, Happened: happened, Differences: []Difference{}, Notes: []string{}}
	differ := func(format string, args ...any) {
		if len(t.Differences) < mostDifferences {
			t.Differences = append(t.Differences, Difference{Text: fmt.Sprintf(format, args...)})
		}
	}
	for i := range max(len(simulated.Runs), len(happened.Runs)) {
		if i >= len(simulated.Runs) || i >= len(happened.Runs) {
			differ("%d runs were simulated, and %d have happened", len(simulated.Runs), len(happened.Runs))
			break
		}
		s, h := simulated.Runs[i], happened.Runs[i]
		at := h.Instant.Format("2006-01-02 15:04 UTC")
		if s.Status != h.Status {
			differ("the run of %s was simulated as %s, and has %s", at, s.Status, h.Status)
		}
		if len(s.Created) != len(h.Created) || !reflect.DeepEqual(sorted(s.Created), sorted(h.Created)) {
			differ("the run of %s was simulated to create %s, and has created %s", at, few(s.Created), few(h.Created))
		}
		if gone, went := deletions(s), deletions(h); !slices.Equal(gone, went) {
			differ("the run of %s was simulated to delete %s, and has deleted %s", at, few(gone), few(went))
		}
	}
	then, now := map[name]bool{}, map[name]bool{}
	for _, thing := range before {
		then[nameOf(thing.Resource)] = true
	}
	for _, thing := range after {
		now[nameOf(thing.Resource)] = true
	}
	accounted := map[name]bool{}
	for _, g := range happened.Groups {
		for _, r := range g.Resources {
			n := name{g.Type, g.Scope, r.Name}
			if accounted[n] = true; !now[n] && sees(after, g.Type) {
				differ("%q is not there in the end", r.Name)
			}
		}
	}
	deleted := map[string]bool{}
	for _, run := range happened.Runs {
		for _, d := range run.Deleted {
			deleted[d.Name] = true
		}
	}
	for _, thing := range after {
		if n := nameOf(thing.Resource); !then[n] && !accounted[n] {
			differ("%q is there in the end, and no run has made it", thing.Resource.Name)
		}
	}
	for _, thing := range before {
		if n := nameOf(thing.Resource); !now[n] && !deleted[n.name] {
			differ("%q is gone in the end, and no run has deleted it", thing.Resource.Name)
		}
	}
	return t
}

// name is how a thing is called.
type name struct{ kind, scope, name string }

func nameOf(r sdk.Resource) name { return name{r.Type, r.Scope, r.Name} }

func sees(after []Thing, kind string) bool {
	return slices.ContainsFunc(after, func(t Thing) bool { return t.Resource.Type == kind })
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}

func deletions(r simulate.Run) []string {
	var names []string
	for _, d := range r.Deleted {
		names = append(names, d.Name)
	}
	return sorted(names)
}

// few is a list in one line.
func few(all []string) string {
	switch {
	case len(all) == 0:
		return "nothing"
	case len(all) > 3:
		return fmt.Sprintf("%q and %d more", all[0], len(all)-1)
	}
	return fmt.Sprintf("%q", all)
}
