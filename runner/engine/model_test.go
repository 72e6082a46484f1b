package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// shelf is a plugin with a machine small enough to look through: a set of names.
// put adds one, drop removes all but the last few of the alphabet, list reads.
type shelf struct {
	mu    sync.Mutex
	names []string // in order of their putting
	calls []string // plan and apply calls, "apply put a"
	hook  func(call string) error
	// within, where set, is called by put with the context of the call: "plan put a",
	// "apply put a", and "made put a" when a is there. Its error ends the call.
	within func(ctx context.Context, call string) error
}

type putIn struct {
	Name string `json:"name" min:"1"`
}
type putOut struct {
	Name   string `json:"name"`
	Number int    `json:"number" doc:"Known when it is done."`
}
type dropIn struct {
	Keep int `json:"keep" min:"0"`
}
type dropOut struct {
	Dropped []string `json:"dropped"`
}
type listOut struct {
	Names []string `json:"names"`
	Count int      `json:"count"`
}

func (s *shelf) in(ctx context.Context, call string) error {
	if s.within == nil {
		return nil
	}
	return s.within(ctx, call)
}

func (s *shelf) note(call string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		return hook(call)
	}
	return nil
}

// overlay is what the shelf will hold after the planned changes.
func (s *shelf) overlay(prior []sdk.Change) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(s.names)
	for _, c := range prior {
		switch c.Kind {
		case sdk.Create:
			names = append(names, c.Resource.Name)
		case sdk.Delete:
			names = slices.DeleteFunc(names, func(n string) bool { return n == c.Resource.Name })
		}
	}
	slices.Sort(names) // items of a parallel loop are put in any order
	return names
}

func thing(name string) sdk.Resource { return sdk.Resource{Type: "thing", Scope: "shelf", Name: name} }

func (s *shelf) plugin() *sdk.Plugin {
	return &sdk.Plugin{Name: "shelf", Version: "1", Actions: []sdk.Action{
		sdk.Read(sdk.Info{Name: "list", Touches: []string{"thing"}}, func(_ context.Context, c *sdk.Call, _ struct{}) (p sdk.Planned[listOut, sdk.None], err error) {
			if err := s.note("plan list"); err != nil {
				return p, err
			}
			p.Outputs.Names = s.overlay(c.Prior)
			p.Outputs.Count = len(p.Outputs.Names)
			return p, nil
		}),
		sdk.Write(sdk.Info{Name: "stir", Touches: []string{sdk.Anything}}, sdk.Writer[struct{}, sdk.None, sdk.None]{
			Plan: func(context.Context, *sdk.Call, struct{}) (p sdk.Planned[sdk.None, sdk.None], err error) {
				p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: "stirring", Name: "stir"}}}
				return p, s.note("plan stir")
			},
			Apply: func(_ context.Context, c *sdk.Call, _ struct{}, _ sdk.None) (sdk.None, error) {
				c.Done(0)
				return sdk.None{}, s.note("apply stir")
			},
		}),
		sdk.Write(sdk.Info{Name: "put", Touches: []string{"thing"}}, sdk.Writer[putIn, putOut, putIn]{
			Plan: func(ctx context.Context, c *sdk.Call, in putIn) (p sdk.Planned[putOut, putIn], err error) {
				if err := s.note("plan put " + in.Name); err != nil {
					return p, err
				}
				if err := s.in(ctx, "plan put "+in.Name); err != nil {
					return p, err
				}
				p.Private = in
				p.Outputs.Name = in.Name
				p.Unknown = []string{"/number"}
				if !slices.Contains(s.overlay(c.Prior), in.Name) {
					p.Changes = []sdk.Change{{Kind: sdk.Create, Resource: thing(in.Name)}}
				}
				return p, nil
			},
			Apply: func(ctx context.Context, c *sdk.Call, in putIn, _ putIn) (out putOut, err error) {
				if err := s.note("apply put " + in.Name); err != nil {
					return out, err
				}
				if err := s.in(ctx, "apply put "+in.Name); err != nil {
					return out, err
				}
				s.mu.Lock()
				if !slices.Contains(s.names, in.Name) {
					s.names = append(s.names, in.Name)
					c.Done(0)
				}
				out = putOut{Name: in.Name, Number: len(s.names)}
				s.mu.Unlock()
				return out, s.in(ctx, "made put "+in.Name)
			},
		}),
		sdk.Write(sdk.Info{Name: "drop", Effect: sdk.Destroys, Touches: []string{"thing"}}, sdk.Writer[dropIn, dropOut, []string]{
			Plan: func(_ context.Context, c *sdk.Call, in dropIn) (p sdk.Planned[dropOut, []string], err error) {
				if err := s.note(fmt.Sprintf("plan drop %d", in.Keep)); err != nil {
					return p, err
				}
				p.Outputs.Dropped = []string{}
				names := s.overlay(c.Prior)
				for i, n := range names {
					if i < len(names)-in.Keep {
						p.Changes = append(p.Changes, sdk.Change{Kind: sdk.Delete, Resource: thing(n)})
						p.Outputs.Dropped = append(p.Outputs.Dropped, n)
					}
				}
				p.Private = p.Outputs.Dropped
				return p, nil
			},
			Apply: func(ctx context.Context, c *sdk.Call, in dropIn, dropped []string) (out dropOut, err error) {
				if err := s.note(fmt.Sprintf("apply drop %d", in.Keep)); err != nil {
					return out, err
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				for i, n := range dropped {
					if at := slices.Index(s.names, n); at >= 0 {
						s.names = slices.Delete(s.names, at, at+1)
						c.Done(i)
					}
				}
				return dropOut{Dropped: dropped}, nil
			},
		}),
	}}
}

// inProcess is Plugins without a process: errors arrive as they do over the wire.
type inProcess struct{ plugin *sdk.Plugin }

func wire(err error) error {
	if err == nil || errors.Is(err, errBroken) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &protocol.DomainError{Diagnostics: sdk.Diagnose(err)}
}

var errBroken = errors.New("plugin shelf is broken: it died")

func (p inProcess) Resolve(ctx context.Context, _ string, r sdk.Request) ([]sdk.Lock, error) {
	locks, err := p.plugin.Resolve(ctx, r)
	return locks, wire(err)
}

func (p inProcess) Plan(ctx context.Context, _ string, r sdk.Request) (*sdk.Plan, error) {
	plan, err := p.plugin.Plan(ctx, r)
	return plan, wire(err)
}

func (p inProcess) Apply(ctx context.Context, _ string, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event)) (*sdk.Result, error) {
	result, err := p.plugin.Apply(ctx, r, plan, emit)
	if err != nil {
		return nil, wire(err)
	}
	for _, d := range result.Diagnostics {
		if d.Summary == errBroken.Error() {
			return nil, errBroken
		}
	}
	return result, nil
}

var instant = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// program checks a playbook for the shelf; the steps are what follows `steps:`. Behind it can be playbooks that are called, each
// behind a line "-- file.yaml --".
func program(t testing.TB, text string, s *shelf) *check.Program {
	t.Helper()
	archive := txtar.Parse([]byte("version: 1\nname: test\n" + text))
	p, found := playbook.Parse("test.yaml", archive.Comment)
	sources := []*diagnostic.Source{diagnostic.NewSource("test.yaml", archive.Comment)}
	found = append(found, playbook.Link(p, func(_ *playbook.Playbook, name string) (playbook.Called, error) {
		for _, f := range archive.Files {
			if f.Name == name {
				data := append([]byte("version: 1\nname: "+strings.TrimSuffix(name, ".yaml")+"\n"), f.Data...)
				sources = append(sources, diagnostic.NewSource(name, data))
				return playbook.Called{File: name, Data: data}, nil
			}
		}
		return playbook.Called{}, errors.New("there is none")
	})...)
	d, _ := s.plugin().Describe(context.Background())
	// As over the wire.
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var described sdk.Description
	if err := json.Unmarshal(data, &described); err != nil {
		t.Fatal(err)
	}
	checked, more := check.Check(p, map[string]*sdk.Description{"shelf": &described}, []string{"shelf"})
	if all := append(found, more...); all.HasErrors() {
		_ = all.Render(os.Stderr, sources...)
		t.Fatal("the playbook has mistakes")
	}
	return checked
}

// execute walks a program and checks what holds for every execution.
func execute(t testing.TB, ctx context.Context, p *check.Program, s *shelf, mode Mode) *Report {
	t.Helper()
	return resume(t, ctx, p, s, mode, nil)
}

// resume is execute, going on from another run.
func resume(t testing.TB, ctx context.Context, p *check.Program, s *shelf, mode Mode, past *Past) *Report {
	t.Helper()
	inputs, wrong := p.Resolve(nil)
	if wrong.HasErrors() {
		t.Fatal(wrong)
	}
	var events []Event
	r := Execute(ctx, p, Options{Plugins: inProcess{s.plugin()}, Mode: mode, Run: "r1", Instant: instant, Inputs: inputs, Past: past,
		Host: map[string]any{"name": "h", "kernel": "k"}, Now: time.Now, Sleep: func(context.Context, time.Duration) {}, Emit: func(e Event) { events = append(events, e) }})
	if _, ok := events[0].(RunStarted); !ok {
		t.Errorf("first event: %T", events[0])
	}
	if _, ok := events[len(events)-1].(RunFinished); !ok {
		t.Errorf("last event: %T", events[len(events)-1])
	}
	finished := map[string]int{}
	for _, e := range events {
		if f, ok := e.(StepFinished); ok && f.Step.Item == nil {
			finished[f.Step.ID]++
		}
	}
	for _, step := range p.AllSteps() {
		if step.ForEach == nil && finished[step.ID] != 1 {
			t.Errorf("step %s finished %d times", step.ID, finished[step.ID])
		}
	}
	return r
}

// outline is the report in a few words a step: "put_a changed +a".
func outline(r *Report, mode Mode) string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.Step.ID)
		if s.Step.Item != nil {
			fmt.Fprintf(&b, "[%s]", s.Step.Label)
		}
		fmt.Fprintf(&b, " %s", s.Status)
		if s.Conditional != "" {
			b.WriteString("?")
		}
		changes := s.Made
		if mode == ModePreview {
			changes = s.Planned.Changes
		}
		for _, c := range changes {
			b.WriteString(map[sdk.Kind]string{sdk.Create: " +", sdk.Delete: " -"}[c.Kind] + c.Resource.Name)
		}
		b.WriteString("\n")
	}
	return b.String()
}
