package engine

import (
	"context"
	"slices"
	"sort"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/sdk"
)

// held is a lock of the run.
type held struct {
	key     string
	plugin  string
	touches []string // by the actions that it was taken for
	release func()
}

// lock takes what a step has to lock and the run does not have yet.
func (w *walk) lock(ctx context.Context, step *check.Step, request sdk.Request) error {
	if w.options.Lock == nil || w.preview() || step.Action.Effect == sdk.Reads {
		return nil
	}
	wanted, err := w.options.Plugins.Resolve(ctx, step.Plugin(), request)
	if err != nil {
		return err
	}
	w.locking.Lock()
	defer w.locking.Unlock()
	// In the order of the keys, so that two runs can't wait for each other in a ring.
	sort.Slice(wanted, func(i, j int) bool { return wanted[i].Key < wanted[j].Key })
	for _, l := range wanted {
		i := slices.IndexFunc(w.held, func(h *held) bool { return h.key == l.Key && h.plugin == step.Plugin() })
		if i < 0 {
			release, err := w.options.Lock(ctx, step.Plugin(), l)
			if err != nil {
				return err
			}
			i = len(w.held)
			w.held = append(w.held, &held{key: l.Key, plugin: step.Plugin(), release: release})
		}
		w.held[i].touches = append(w.held[i].touches, step.Action.Touches...)
	}
	return nil
}

// unneeded lets go of the locks that no later step can need.
func (w *walk) unneeded() {
	w.letGo(func(h *held) bool {
		for _, s := range w.program.AllSteps() {
			if s.Action == nil || w.over[s] || s.Action.Effect == sdk.Reads || s.Plugin() != h.plugin {
				continue
			}
			for _, t := range s.Action.Touches {
				if slices.Contains(h.touches, t) {
					return false
				}
			}
		}
		return true
	})
}

// letGo releases locks.
func (w *walk) letGo(which func(*held) bool) {
	w.locking.Lock()
	defer w.locking.Unlock()
	w.held = slices.DeleteFunc(w.held, func(h *held) bool {
		if !which(h) {
			return false
		}
		h.release()
		return true
	})
}
