package report

import (
	"github.com/hbohlen/coppice/runner/engine"
)

// record collects a preview in a defined order: steps as they started, items of one step by their index behind it,
// however the events of parallel items were mixed.
type record struct {
	started  engine.RunStarted
	finished *engine.RunFinished
	any      bool
	steps    []recordedStep
}

type recordedStep struct {
	key    stepKey
	ref    engine.StepRef
	done   bool
	result engine.StepResult
}

func (r *record) emit(e engine.Event) {
	if r.finished != nil {
		return
	}
	r.any = true
	switch e := e.(type) {
	case engine.RunStarted:
		r.started = e
	case engine.StepStarted:
		r.slot(e.Step)
	case engine.StepFinished:
		s := r.slot(e.Step)
		s.done, s.result = true, e.StepResult
	case engine.RunFinished:
		r.finished = &e
	}
}

// slot finds a step's place, or makes it.
func (r *record) slot(ref engine.StepRef) *recordedStep {
	key := keyOf(ref)
	at := len(r.steps)
	for i := len(r.steps) - 1; i >= 0; i-- {
		k := r.steps[i].key
		if k == key {
			return &r.steps[i]
		}
		if k.whole() == key.whole() && k.item > key.item { // a step stands before its items, wherever it was heard of
			at = i
		}
	}
	r.steps = append(r.steps, recordedStep{})
	copy(r.steps[at+1:], r.steps[at:])
	r.steps[at] = recordedStep{key: key, ref: ref}
	return &r.steps[at]
}

// results are the steps that ended, in order.
func (r *record) results() []engine.StepResult {
	all := make([]engine.StepResult, 0, len(r.steps))
	for _, s := range r.steps {
		if s.done {
			all = append(all, s.result)
		}
	}
	return all
}

// end is how it ended; one that nobody told has failed.
func (r *record) end() engine.RunFinished {
	if r.finished != nil {
		return *r.finished
	}
	return neverFinished(r.started)
}

// stepKey tells steps, and items of a step, apart.
type stepKey struct {
	section engine.Section
	id      string
	item    int // -1: not an item
}

func keyOf(s engine.StepRef) stepKey {
	k := stepKey{s.Section, s.ID, -1}
	if s.Item != nil {
		k.item = *s.Item
	}
	return k
}

// whole is the key of the step that an item belongs to.
func (k stepKey) whole() stepKey { return stepKey{k.section, k.id, -1} }
