// Package simulate lets a playbook run in virtual time: it previews it at one instant after the other, each on top of what the earlier
// ones would have changed, and tells what exists then. Nothing is executed. It knows no plugin: what exists is what the changes and
// the kept resources of the previews say.
//
// It is a function of its arguments; the preview itself is one of them.
package simulate

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// Preview previews the playbook at an instant, on top of changes that are planned and not made.
type Preview func(ctx context.Context, instant time.Time, prior []sdk.Change) *engine.Report

// Result is what a simulation has shown.
type Result struct {
	Playbook string    `json:"playbook"`
	From     time.Time `json:"from"`     // instant of the first run
	Until    time.Time `json:"until"`    // instant of the last one
	Empty    bool      `json:"empty"`    // begun as if what earlier runs have made did not exist
	Runs     []Run     `json:"runs"`     // in the order of time
	Groups   []Group   `json:"groups"`   // sorted by type, scope and folder
	Warnings []Told    `json:"warnings"` // of all runs
	Failures []Told    `json:"failures"` // why runs would fail
}

// Run is one virtual run.
type Run struct {
	Instant time.Time        `json:"instant"`
	Status  engine.RunStatus `json:"status"`
	Created []string         `json:"created"`     // names of resources
	Deleted []Deletion       `json:"deleted"`     // in the order in which they go
	Updated int              `json:"updated"`     // changes of resources that stay
	Ran     int              `json:"ran"`         // changes that leave no resource behind
	Maybe   int              `json:"conditional"` // changes that a real run may make besides; the simulation does not
}

// Deletion is a resource that a virtual run deletes.
type Deletion struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Group is the resources of one type in one folder.
type Group struct {
	Type    string `json:"type"`            // of its resources
	Scope   string `json:"scope,omitempty"` // where their names are unique, such as a filesystem's UUID
	Folder  string `json:"folder"`          // of their names
	Start   int    `json:"start"`           // how many there were before the first run
	Counts  []int  `json:"counts"`          // how many there are after each run
	Created int    `json:"created"`         // how many the runs created
	Deleted int    `json:"deleted"`         // how many they deleted
	// What exists at the end, the oldest first.
	Resources []Existing `json:"resources"`
	Keepers   []Keeper   `json:"keepers"` // what keeps them, the most frequent first
}

// Existing is a resource that exists at the end.
type Existing struct {
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`          // when it came to be
	Until  time.Time `json:"until,omitzero"` // from when nothing would keep it if nothing else changed
	Reason string    `json:"reason,omitempty"`
}

// Keeper is a kind of reasons.
type Keeper struct {
	Why   string `json:"why"`   // without figures and particulars
	Count int    `json:"count"` // how many resources it keeps
}

// Told is something that runs have said.
type Told struct {
	Text  string    `json:"text"`  // in one line
	Runs  int       `json:"runs"`  // how many said it
	First time.Time `json:"first"` // instant of the first of those runs
}

// mostTold is how many different texts are remembered.
const mostTold = 50

// simulation is a Result in the making.
type simulation struct {
	result   Result
	world    world
	groups   map[id]*group
	told     map[string]int // index in Warnings
	failures map[string]int // index in Failures
}

// id of a group.
type id struct{ kind, scope, folder string }

type group struct {
	Group
	things map[string]*Existing // by name
}

// Simulate previews at each instant. It ends early, with the error of ctx, when that ends.
func Simulate(ctx context.Context, instants []time.Time, preview Preview, progress func(done int)) (*Result, error) {
	s := &simulation{groups: map[id]*group{}, told: map[string]int{}, failures: map[string]int{}}
	for i, instant := range instants {
		report := preview(ctx, instant, slices.Clip(s.world.changes))
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("stopped after %d of %d virtual runs: %w", i, len(instants), err)
		}
		s.take(report, instant, i == 0)
		if progress != nil {
			progress(i + 1)
		}
	}
	if len(instants) > 0 {
		s.result.From, s.result.Until = instants[0], instants[len(instants)-1]
	}
	s.finish()
	return &s.result, nil
}

// take notes what a run would have done.
func (s *simulation) take(report *engine.Report, instant time.Time, first bool) {
	run := Run{Instant: instant, Status: report.Finished.Status, Created: []string{}, Deleted: []Deletion{}}
	if run.Status != engine.Succeeded {
		note(&s.result.Failures, s.failures, report.Finished.Reason, instant)
	}
	said := map[string]bool{}
	var made []sdk.Change
	for _, step := range report.Steps {
		for _, d := range step.Diagnostics {
			if d.Severity == sdk.SeverityWarning && !said[d.Summary] && !step.Idle {
				said[d.Summary] = true
				note(&s.result.Warnings, s.told, d.Summary, instant)
			}
		}
		s.keep(step.Planned.Kept)
		for _, c := range step.Planned.Changes {
			if step.Conditional != "" || c.Conditional != "" {
				run.Maybe++
				continue
			}
			s.change(&run, c, first)
			made = append(made, c)
		}
	}
	s.world.add(made)
	for _, g := range s.groups {
		for len(g.Counts) < len(s.result.Runs) { // nothing was known of it before
			g.Counts = append(g.Counts, g.Start)
		}
		g.Counts = append(g.Counts, len(g.things))
	}
	s.result.Runs = append(s.result.Runs, run)
}

// keep notes resources that are there.
func (s *simulation) keep(all []sdk.Kept) {
	for _, k := range all {
		if k.Since.IsZero() {
			continue // it is nothing that comes and goes
		}
		g := s.group(k.Resource)
		t := g.things[k.Resource.Name]
		if t == nil {
			t = &Existing{Name: k.Resource.Name}
			g.things[k.Resource.Name] = t
			g.Start++
		}
		t.Since, t.Until, t.Reason = k.Since, k.Until, k.Reason
	}
}

func (s *simulation) change(run *Run, c sdk.Change, first bool) {
	switch c.Kind {
	case sdk.Create:
		g := s.group(c.Resource)
		g.Created++
		g.things[c.Resource.Name] = &Existing{Name: c.Resource.Name, Since: run.Instant}
		run.Created = append(run.Created, c.Resource.Name)
	case sdk.Delete:
		g := s.group(c.Resource)
		g.Deleted++
		if g.things[c.Resource.Name] == nil && first {
			g.Start++ // nothing had told of it
		}
		delete(g.things, c.Resource.Name)
		run.Deleted = append(run.Deleted, Deletion{c.Resource.Name, c.Reason})
	case sdk.Update:
		run.Updated++
	default:
		run.Ran++
	}
}

func (s *simulation) group(r sdk.Resource) *group {
	folder := path.Dir(r.Name)
	at := id{r.Type, r.Scope, folder}
	g := s.groups[at]
	if g == nil {
		g = &group{Group: Group{Type: r.Type, Scope: r.Scope, Folder: folder}, things: map[string]*Existing{}}
		s.groups[at] = g
	}
	return g
}

// note counts a text.
func note(all *[]Told, index map[string]int, text string, instant time.Time) {
	i, known := index[text]
	if !known {
		if len(*all) == mostTold {
			return
		}
		i = len(*all)
		index[text] = i
		*all = append(*all, Told{Text: text, First: instant})
	}
	(*all)[i].Runs++
}

func (s *simulation) finish() {
	s.result.Groups = []Group{}
	for _, g := range s.groups {
		g.Resources = []Existing{}
		keepers := map[string]int{}
		for _, name := range slices.Sorted(maps.Keys(g.things)) {
			t := *g.things[name]
			g.Resources = append(g.Resources, t)
			for _, why := range keepersOf(t.Reason) {
				keepers[why]++
			}
		}
		slices.SortStableFunc(g.Resources, func(a, b Existing) int { return a.Since.Compare(b.Since) })
		g.Keepers = []Keeper{}
		for _, why := range slices.Sorted(maps.Keys(keepers)) {
			g.Keepers = append(g.Keepers, Keeper{why, keepers[why]})
		}
		sort.SliceStable(g.Keepers, func(i, j int) bool { return g.Keepers[j].Count < g.Keepers[i].Count })
		s.result.Groups = append(s.result.Groups, g.Group)
	}
	slices.SortFunc(s.result.Groups, func(a, b Group) int {
		return strings.Compare(a.Type+"\x00"+a.Scope+"\x00"+a.Folder, b.Type+"\x00"+b.Scope+"\x00"+b.Folder)
	})
	for _, list := range []*[]Told{&s.result.Warnings, &s.result.Failures} {
		if *list == nil {
			*list = []Told{}
		}
	}
}

// keepersOf are the kinds of the reasons in a list of them with semicolons: each up to its first figure or particular.
func keepersOf(reasons string) []string {
	var all []string
	for _, reason := range strings.Split(reasons, "; ") {
		if end := strings.IndexAny(reason, "0123456789,:\"("); end >= 0 {
			reason = reason[:end]
		}
		if reason = strings.TrimSpace(reason); reason != "" && !slices.Contains(all, reason) {
			all = append(all, reason)
		}
	}
	return all
}
