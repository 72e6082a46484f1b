package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// act plans a step and, in a run, applies the plan. It fills r and returns the
// outputs as expressions see them.
func (w *walk) act(ctx context.Context, step *check.Step, i *item, r *StepResult) any {
	inputs, known, err := w.inputs(ctx, step, i)
	r.Presumes = slices.DeleteFunc(slices.Clone(w.opaque), func(id string) bool { return id == step.ID })
	switch {
	case err != nil:
		stop(ctx, r, err)
		return nil
	case !known:
		r.Status, r.Conditional = OK, "its inputs are known after run"
		w.cloud(step)
		w.obscure(step)
		return expression.Unknown{}
	}
	if id := w.under(step); id != "" && r.Conditional == "" {
		r.Conditional = "step " + id + ", which touches the same, is decided at run"
	}
	request := w.request(step, inputs)
	if err := w.lock(ctx, step, request); err != nil {
		stop(ctx, r, err)
		return nil
	}
	plan, err := w.options.Plugins.Plan(ctx, step.Plugin(), request)
	if err != nil {
		stop(ctx, r, err)
		return nil
	}
	if err := w.accept(step, plan); err != nil {
		fail(r, Errored, fmt.Errorf("plugin %s broke the contract: %w", step.Plugin(), err))
		return nil
	}
	r.Summary, r.Fingerprint = plan.Summary, plan.Fingerprint
	r.Planned = PlannedStep{Changes: append([]sdk.Change{}, plan.Changes...), Kept: plan.Kept}
	r.Diagnostics = plan.Diagnostics
	w.emit(StepPlanned{Step: r.Step, Plan: r.Planned})
	nothing := len(plan.Changes) == 0 && len(plan.Unknown) == 0 // Apply could only say the same
	if r.Withheld = w.withheld(step, r, nothing); r.Withheld != "" || w.preview() || step.Action.Effect == sdk.Reads || nothing {
		return w.predict(step, plan, r)
	}
	if w.options.Expect != nil {
		if err := w.options.Expect(*r); err != nil {
			fail(r, Failed, err)
			return nil
		}
	}
	return w.apply(ctx, step, request, plan, r)
}

// withheld says why a run does not apply a step that it has planned; "" when it does, or there is nothing to apply.
func (w *walk) withheld(step *check.Step, r *StepResult, nothing bool) string {
	if w.preview() || w.options.Withhold == nil || step.Action.Effect == sdk.Reads || nothing {
		return ""
	}
	if why := w.options.Withhold(step.Plugin(), step.Action.Name); why != "" {
		return why
	}
	if r.Conditional != "" {
		return "it depends on a step that was not applied"
	}
	return ""
}

// inputs evaluates `with`. known is false when a part of it is known only after
// the run.
func (w *walk) inputs(ctx context.Context, step *check.Step, i *item) (encoded []byte, known bool, err error) {
	value, err := step.With.Eval(ctx, w.env(i))
	if err != nil {
		return nil, false, err
	}
	if expression.ContainsUnknown(value) {
		return nil, false, nil
	}
	encoded, err = check.Units.ToJSON(step.Action.Inputs, value)
	if err != nil {
		return nil, false, err
	}
	filled, err := step.Action.Inputs.Fill(encoded)
	if err != nil {
		return nil, false, err
	}
	var wrong []error
	for _, v := range step.Action.Inputs.Check(filled) {
		wrong = append(wrong, sdk.InvalidInput(v.Path, "with%s: %s", strings.ReplaceAll(v.Path, "/", "."), v.Message))
	}
	if len(wrong) > 0 {
		return nil, false, errors.Join(wrong...)
	}
	encoded, err = json.Marshal(filled)
	return encoded, true, err
}

// accept holds a plan against the contract.
func (w *walk) accept(step *check.Step, p *sdk.Plan) error {
	if step.Action.Effect == sdk.Reads && len(p.Changes) > 0 {
		return fmt.Errorf("action %s only reads, and plans changes", step.Action.Name)
	}
	for _, c := range p.Changes {
		switch c.Kind {
		case sdk.Create, sdk.Update, sdk.Run:
		case sdk.Delete:
			if step.Action.Effect != sdk.Destroys {
				return fmt.Errorf("action %s does not destroy, and plans to delete %q", step.Action.Name, c.Resource.Name)
			}
		default:
			return fmt.Errorf("unknown kind of change %q", c.Kind)
		}
	}
	return nil
}

// predict is the end of a step that is not applied.
func (w *walk) predict(step *check.Step, plan *sdk.Plan, r *StepResult) any {
	if !w.preview() && r.Withheld == "" && len(plan.Unknown) > 0 {
		fail(r, Errored, fmt.Errorf("plugin %s broke the contract: a reading action left %s unknown",
			step.Plugin(), strings.Join(plan.Unknown, ", ")))
		return nil
	}
	outputs, err := w.decode(step, plan.Outputs, plan.Unknown)
	if err != nil {
		fail(r, Errored, fmt.Errorf("plugin %s broke the contract: %w", step.Plugin(), err))
		return nil
	}
	r.Outputs, r.Unknown = plan.Outputs, plan.Unknown
	r.Status = OK
	if len(plan.Changes) > 0 {
		r.Status = Changed
	}
	if sdk.HasErrors(plan.Diagnostics) {
		r.Status = Failed
	}
	if w.preview() && len(plan.Changes) > 0 {
		w.obscure(step)
	}
	switch {
	case r.Conditional != "":
		w.cloud(step)
	case w.preview() || r.Withheld != "":
		certain := sure(plan.Changes)
		w.prior = append(slices.Clip(w.prior), certain...)
		if len(certain) < len(plan.Changes) {
			w.cover(step)
		}
	}
	return outputs
}

// sure are the changes that will be made if the step runs.
func sure(all []sdk.Change) []sdk.Change {
	return slices.DeleteFunc(slices.Clone(all), func(c sdk.Change) bool { return c.Conditional != "" })
}

// apply does what the plan says.
func (w *walk) apply(ctx context.Context, step *check.Step, request sdk.Request, plan *sdk.Plan, r *StepResult) any {
	made := map[int]bool{}
	result, err := w.options.Plugins.Apply(ctx, step.Plugin(), request, plan, func(e sdk.Event) {
		switch e := e.(type) {
		case sdk.Progress:
			w.emit(StepProgress{Step: r.Step, Current: e.Current, Total: e.Total, Unit: e.Unit, Message: e.Message})
		case sdk.Log:
			w.emit(StepLog{Step: r.Step, Plugin: step.Plugin(), Level: e.Level, Message: e.Message})
		case sdk.Done:
			if !made[e.Change] {
				made[e.Change] = true
				change := plan.Changes[e.Change]
				change.Conditional = "" // it is made
				r.Made = append(r.Made, change)
				w.emit(ChangeMade{Step: r.Step, Change: change})
			}
		}
	})
	if err != nil {
		stop(ctx, r, err)
		return nil
	}
	r.Diagnostics = append(r.Diagnostics, result.Diagnostics...)
	r.Outputs = result.Outputs
	if result.Summary != "" {
		r.Summary = result.Summary
	}
	var outputs any
	if len(result.Outputs) > 0 {
		if outputs, err = w.decode(step, result.Outputs, nil); err != nil {
			fail(r, Errored, fmt.Errorf("plugin %s broke the contract: %w", step.Plugin(), err))
			return nil
		}
	}
	switch {
	case sdk.HasErrors(r.Diagnostics):
		r.Status = verdict(ctx, r.Diagnostics)
	case len(r.Made) > 0:
		r.Status = Changed
	default:
		r.Status = OK
	}
	return outputs
}

// verdict is the status of a step whose plugin said no.
func verdict(ctx context.Context, all []sdk.Diagnostic) Status {
	for _, d := range all {
		if d.Severity == sdk.SeverityError && d.Reason != sdk.Cancelled {
			return Failed
		}
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return Cancelled
}

// ended is the status of a step that the end of its context has stopped.
func ended(ctx context.Context) Status {
	cause := context.Cause(ctx)
	if errors.Is(cause, errStepTime) || errors.Is(cause, errRunTime) {
		return TimedOut
	}
	return Cancelled
}

// stop ends a step with the error of a call.
func stop(ctx context.Context, r *StepResult, err error) {
	var refusal *protocol.DomainError
	var failure *sdk.Error
	switch {
	case errors.As(err, &refusal):
		r.Diagnostics = append(r.Diagnostics, refusal.Diagnostics...)
		r.Status = verdict(ctx, refusal.Diagnostics)
	case errors.As(err, &failure) && failure.Reason == sdk.Busy:
		r.Status = Failed // also when it was waited for until the time was up
		r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(err)...)
	case ctx.Err() != nil:
		r.Status = ended(ctx)
		r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(fmt.Errorf("%w: %w", context.Cause(ctx), err))...)
	case errors.As(err, &failure):
		r.Status = Failed
		r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(err)...)
	default:
		r.Status = Errored
		r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(err)...)
	}
}

// decode turns outputs into a value of expressions, with Unknown at the places
// that only the run can tell. Outputs that do not fit their schema are an error.
func (w *walk) decode(step *check.Step, data json.RawMessage, unknown []string) (any, error) {
	s := step.Action.Outputs
	if w.options.Virtual != sdk.NotVirtual && !w.program.ReadsOutputs(step.ID) {
		return nil, nil // of a thousand virtual runs; a real one or a preview tells whether they fit
	}
	filled, err := s.Fill(data)
	if err != nil {
		return nil, fmt.Errorf("its outputs: %w", err)
	}
	if wrong := s.Check(filled); len(wrong) > 0 {
		return nil, fmt.Errorf("its outputs do not fit its schema: %s %s", wrong[0].Path, wrong[0].Message)
	}
	if !w.program.ReadsOutputs(step.ID) {
		return nil, nil // no expression will look at them, and they can be large
	}
	value, err := check.Units.FromPartialJSON(s, data, unknown)
	if err != nil {
		return nil, fmt.Errorf("its outputs: %w", err)
	}
	return value, nil
}
