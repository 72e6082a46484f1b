package engine

import (
	"context"
	"fmt"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
)

// scope is what expressions of one playbook see. A called playbook has its own: it sees nothing of the one that calls it.
type scope struct {
	name   string // the playbook's
	prefix string // what the ids of its steps begin with
	inputs map[string]any
	vars   map[string]any
	steps  map[string]any // by their own ids: {status, changed, outputs}
	outer  *scope         // of the playbook that calls
}

func newScope(name, prefix string, inputs map[string]any) *scope {
	return &scope{name: name, prefix: prefix, inputs: inputs, vars: map[string]any{}, steps: map[string]any{}}
}

// noun is what a step with steps inside is called.
func noun(step *check.Step) string {
	if step.Call != nil {
		return "step " + step.ID
	}
	return "block " + step.ID
}

// enter makes the scope of a called playbook the current one, with its inputs and variables. On an error the current one
// stays.
func (w *walk) enter(ctx context.Context, step *check.Step) error {
	if step.Call == nil {
		return nil
	}
	inputs, err := step.Call.Resolve(ctx, w.env(nil))
	if err != nil {
		return err
	}
	w.push(step, inputs)
	if err := w.vars(step.Call.Vars); err != nil {
		w.exit(step)
		return err
	}
	return nil
}

func (w *walk) push(step *check.Step, inputs map[string]any) {
	inner := newScope(step.Call.Playbook.Name, step.Call.Prefix, inputs)
	inner.outer, w.scope = w.scope, inner
}

// exit goes back to the playbook that calls.
func (w *walk) exit(step *check.Step) {
	if step.Call != nil {
		w.scope = w.scope.outer
	}
}

// inside does something about the steps inside of a step that does not run now. What its playbook can't be given is absent.
func (w *walk) inside(step *check.Step, do func()) {
	if step.Call != nil {
		inputs, err := step.Call.Resolve(context.WithoutCancel(w.ctx), w.env(nil))
		if err != nil {
			inputs = map[string]any{}
		}
		w.push(step, inputs)
		_ = w.vars(step.Call.Vars) // those up to the first mistake
		defer w.exit(step)
	}
	do()
}

// outputs are what a called playbook gives; well: nothing has failed in it. They go into r too, where all are known.
func (w *walk) outputs(ctx context.Context, step *check.Step, r *StepResult, well bool) (any, error) {
	if step.Call == nil || !well {
		return nil, nil
	}
	all := map[string]any{}
	for _, o := range step.Call.Outputs {
		v, err := o.Value.Eval(context.WithoutCancel(ctx), w.env(nil))
		if err != nil {
			return nil, fmt.Errorf("outputs.%s: %w", o.Name, err)
		}
		all[o.Name] = v
	}
	if len(all) > 0 && !expression.ContainsUnknown(all) {
		encoded, err := check.Units.ToJSON(nil, all)
		if err != nil {
			return nil, fmt.Errorf("outputs: %w", err)
		}
		r.Outputs = encoded
	}
	return all, nil
}

// onFailure runs the steps that a called playbook has for a failure.
func (w *walk) onFailure(s Section, step *check.Step, failed *failure) {
	if failed == nil || w.cancelled() {
		w.idle(s, step.OnFailure, noun(step)+" did not fail", "only if "+noun(step)+" fails")
		return
	}
	w.within(&frame{cause: failed, lenient: true, root: true}, func() { w.section(w.options.Last, s, step.OnFailure) })
}
