package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// lockable is a shelf whose writing actions lock it.
func lockable(s *shelf) *sdk.Plugin {
	locks := func(context.Context, *sdk.Call, putIn) ([]sdk.Lock, error) {
		return []sdk.Lock{{Key: "z"}, {Key: "shelf", Title: "the shelf"}}, nil
	}
	plugin := s.plugin()
	plugin.Actions[1] = sdk.Write(sdk.Info{Name: "put", Touches: []string{"thing"}}, sdk.Writer[putIn, putOut, putIn]{
		Locks: locks,
		Plan: func(_ context.Context, c *sdk.Call, in putIn) (p sdk.Planned[putOut, putIn], err error) {
			p.Changes = []sdk.Change{{Kind: sdk.Create, Resource: thing(in.Name)}}
			p.Private = in
			return p, s.note("plan put " + in.Name)
		},
		Apply: func(_ context.Context, c *sdk.Call, in putIn, _ putIn) (putOut, error) {
			c.Done(0)
			return putOut{Name: in.Name}, s.note("apply put " + in.Name)
		},
	})
	return plugin
}

// A lock is taken before the first decision that needs it, once, in the order of
// the keys, and let go of when no later step can need it.
func TestLocks(t *testing.T) {
	s := &shelf{names: []string{"x"}}
	p := program(t, `
steps:
  - {id: look, uses: shelf.list}
  - {id: one, uses: shelf.put, with: {name: one}}
  - {id: two, uses: shelf.put, with: {name: two}}
  - {id: again, uses: shelf.list}
always:
  - {id: last, uses: shelf.list}
`, s)
	options := Options{Plugins: inProcess{lockable(s)}, Mode: ModeRun, Instant: instant, Now: time.Now,
		Lock: func(_ context.Context, plugin string, l sdk.Lock) (func(), error) {
			_ = s.note("lock " + l.Key)
			return func() { _ = s.note("unlock " + l.Key) }, nil
		}}
	if r := Execute(context.Background(), p, options); r.Finished.Status != Succeeded {
		t.Errorf("%+v", r.Finished)
	}
	want := []string{"plan list", "lock shelf", "lock z", "plan put one", "apply put one", "plan put two", "apply put two",
		"unlock shelf", "unlock z", "plan list", "plan list"}
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls: %s", strings.Join(s.calls, ", "))
	}
	s.calls = nil
	options.Mode = ModePreview
	Execute(context.Background(), p, options)
	if slices.ContainsFunc(s.calls, func(c string) bool { return strings.Contains(c, "lock ") }) {
		t.Errorf("a preview locks: %s", strings.Join(s.calls, ", "))
	}
}

func TestBusy(t *testing.T) {
	s := &shelf{}
	p := program(t, "steps: [{id: one, uses: shelf.put, with: {name: one}}]", s)
	r := Execute(context.Background(), p, Options{Plugins: inProcess{lockable(s)}, Mode: ModeRun, Instant: instant, Now: time.Now,
		Lock: func(context.Context, string, sdk.Lock) (func(), error) {
			return nil, &sdk.Error{Reason: sdk.Busy, Summary: "the shelf: in use by run r2"}
		}})
	if got := r.Steps[0]; got.Status != Failed || got.Diagnostics[0].Reason != sdk.Busy || len(s.calls) > 0 {
		t.Errorf("%+v, calls %v", got, s.calls)
	}
}
