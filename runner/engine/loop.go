package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk"
)

// item is one turn of a for_each.
type item struct {
	index int
	key   any // index of a list, name in a map
	value any
}

// maxItems bounds what a step can loop over: each item has a result in the report.
const maxItems = 10_000

// turn is an item with what became of it. The result stands in the report from the start, so that there are not two of
// each of many.
type turn struct {
	item    item
	result  *StepResult
	outputs any
}

// loop runs a for_each: the items in order until one fails, or several at the
// same time. The results come in the order of the items.
func (w *walk) loop(ctx context.Context, step *check.Step, ref StepRef, conditional string) {
	whole := StepResult{Step: ref, Conditional: conditional}
	w.title(step, &whole.Step, nil)
	value, err := step.ForEach.Eval(ctx, w.env(nil))
	if err != nil {
		fail(&whole, Failed, err)
		w.end(step, whole, nil)
		return
	}
	items, ok := itemsOf(value)
	switch {
	case !ok && !expression.ContainsUnknown(value):
		fail(&whole, Failed, errors.New("for_each: neither a list nor a map"))
		w.end(step, whole, nil)
		return
	case !ok:
		whole.Conditional = "what it loops over is known after run"
		whole.Status = OK
		w.cloud(step)
		w.obscure(step)
		w.end(step, whole, expression.Unknown{})
		return
	case len(items) > maxItems:
		fail(&whole, Failed, fmt.Errorf("for_each: %d items; at most %d are possible", len(items), maxItems))
		w.end(step, whole, nil)
		return
	case len(items) == 0:
		whole.Status, whole.Why = Skipped, "there is nothing to loop over"
		w.end(step, whole, []any{})
		return
	}
	turns, indexes := make([]turn, len(items)), make([]int, len(items))
	first := len(w.report.Steps)
	w.report.Steps = slices.Grow(w.report.Steps, len(items))[:first+len(items)]
	for i := range items {
		indexes[i] = items[i].index
		turns[i] = turn{item: items[i], result: &w.report.Steps[first+i]}
		turns[i].result.Step = ref
		turns[i].result.Step.Item, turns[i].result.Step.Label = &indexes[i], label(items[i])
	}
	if step.Source.MaxParallel > 1 {
		w.together(ctx, step, turns, conditional)
	} else {
		w.inTurn(ctx, step, turns, conditional)
	}
	outputs := make([]any, 0, len(turns))
	status := OK
	for _, t := range turns {
		w.notice(step, *t.result)
		if conditional == "" {
			conditional = t.result.Conditional
		}
		if t.result.Status != Unreached {
			outputs = append(outputs, t.outputs)
		}
		if t.result.Status.Bad() && !status.Bad() || t.result.Status == Changed && status == OK {
			status = t.result.Status
		}
	}
	w.remember(step, status, outputs, conditional)
}

// turn runs an item, unless an earlier run has done it.
func (w *walk) turn(ctx context.Context, step *check.Step, t *turn, conditional string) {
	ref := t.result.Step
	if done, ok := w.past(ref.Section, step, &t.item); ok {
		*t.result, t.outputs = w.recall(step, ref, done, &t.item)
		return
	}
	*t.result, t.outputs = w.once(ctx, step, ref, &t.item, conditional)
}

// inTurn runs the items one after the other, until one fails.
func (w *walk) inTurn(ctx context.Context, step *check.Step, turns []turn, conditional string) {
	broken := false
	for i := range turns {
		t := &turns[i]
		why := ""
		switch {
		case broken:
			why = "an earlier item failed"
		case i > 0 && ctx.Err() != nil:
			why = w.stopped(ctx)
		}
		if why != "" {
			*t.result = StepResult{Step: t.result.Step, Status: Unreached, Why: why, Conditional: conditional}
			w.title(step, &t.result.Step, &t.item)
		} else {
			w.turn(ctx, step, t, conditional)
		}
		w.publish(step, t.result)
		broken = broken || t.result.Status.Bad() && !step.Source.ContinueOnError
		if broken && t.result.Conditional != "" {
			conditional = t.result.Conditional // so is whether the items behind it are reached
		}
	}
}

// together runs several items at the same time. All are planned against what
// was there before the first; those that lock the same wait for each other. A
// failure keeps items from starting and stops none that runs.
func (w *walk) together(ctx context.Context, step *check.Step, turns []turn, conditional string) {
	if w.preview() {
		base := w.prior
		var planned []sdk.Change
		for i := range turns {
			t := &turns[i]
			w.prior = base
			w.turn(ctx, step, t, conditional)
			w.publish(step, t.result)
			planned = append(planned, w.prior[len(base):]...)
		}
		w.prior = append(base[:len(base):len(base)], planned...)
		return
	}
	var (
		slots  = make(chan struct{}, step.Source.MaxParallel)
		locks  keyed
		all    sync.WaitGroup
		mu     sync.Mutex
		broken bool
	)
	for i := range turns {
		t := &turns[i]
		slots <- struct{}{}
		mu.Lock()
		stop := broken
		mu.Unlock()
		if why := w.stopped(ctx); stop || ctx.Err() != nil {
			if stop {
				why = "another item failed"
			}
			*t.result = StepResult{Step: t.result.Step, Status: Unreached, Why: why}
			w.title(step, &t.result.Step, &t.item)
			w.publish(step, t.result)
			<-slots
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			unlock := locks.lock(w.keys(ctx, step, &t.item))
			w.turn(ctx, step, t, conditional)
			unlock()
			if t.result.Status.Bad() && !step.Source.ContinueOnError {
				mu.Lock()
				broken = true
				mu.Unlock()
			}
			w.publish(step, t.result)
		})
	}
	all.Wait()
}

// keys are what an item locks. One that can't tell locks nothing: its plan will
// say what is wrong with it.
func (w *walk) keys(ctx context.Context, step *check.Step, i *item) []string {
	inputs, known, err := w.inputs(ctx, step, i)
	if err != nil || !known {
		return nil
	}
	found, err := w.options.Plugins.Resolve(ctx, step.Plugin(), w.request(step, inputs))
	if err != nil {
		return nil
	}
	var keys []string
	for _, l := range found {
		keys = append(keys, l.Key)
	}
	sort.Strings(keys)
	return keys
}

// keyed is a lock for each key.
type keyed struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// lock takes the locks of sorted keys, and returns how to let go of them.
func (k *keyed) lock(keys []string) (unlock func()) {
	var held []*sync.Mutex
	for i, key := range keys {
		if i > 0 && key == keys[i-1] {
			continue
		}
		k.mu.Lock()
		if k.locks == nil {
			k.locks = map[string]*sync.Mutex{}
		}
		one := k.locks[key]
		if one == nil {
			one = &sync.Mutex{}
			k.locks[key] = one
		}
		k.mu.Unlock()
		one.Lock()
		held = append(held, one)
	}
	return func() {
		for _, one := range held {
			one.Unlock()
		}
	}
}

// itemsOf takes a list or a map apart, a map in the order of its names.
func itemsOf(value any) ([]item, bool) {
	var items []item
	switch v := value.(type) {
	case []any:
		for i, e := range v {
			items = append(items, item{index: i, key: i, value: e})
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		sort.Strings(names)
		for i, name := range names {
			items = append(items, item{index: i, key: name, value: v[name]})
		}
	default:
		return nil, false
	}
	return items, true
}

// label names an item for people.
func label(i item) string {
	if name, ok := i.key.(string); ok {
		return name
	}
	switch v := i.value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	}
	return "#" + strconv.Itoa(i.index+1)
}
