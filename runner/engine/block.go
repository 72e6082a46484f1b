package engine

import (
	"cmp"
	"context"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
)

// block runs a block: its steps; when one of them failed the rescue; and always
// the last section, also when the run was stopped or the time is up.
func (w *walk) block(ctx context.Context, s Section, step *check.Step, ref StepRef, conditional string) {
	w.title(step, &ref, nil)
	begin := w.options.Now()
	w.emit(StepStarted{Step: ref})
	r := StepResult{Step: ref, Conditional: conditional, Status: OK}
	first := len(w.report.Steps)
	inner := ctx
	if step.Timeout > 0 {
		var stop context.CancelFunc
		inner, stop = context.WithTimeoutCause(ctx, step.Timeout, errStepTime)
		defer stop()
	}
	if err := w.enter(ctx, step); err != nil {
		fail(&r, Failed, err)
		w.leave(s, step, r)
		w.broken(step, r)
		return
	}
	w.depth++
	saved := w.doubt
	if conditional != "" {
		w.doubt = noun(step) + " is decided at run"
	}
	before := w.missed
	w.missed = false
	body := &frame{root: step.Call != nil}
	failed := w.within(body, func() { w.section(inner, s, step.Block) })
	if failed == nil && w.missed {
		// The time was up, or the run was stopped, between two steps.
		failed = &failure{step: step.ID, status: ended(inner), message: w.stoppedBlock(inner)}
	}
	w.missed = before || w.missed && ctx.Err() != nil
	cause := failed
	rescued := false
	mend, tidy := &frame{cause: failed, root: body.root}, &frame{cause: failed, lenient: true, root: body.root}
	switch {
	case failed != nil && len(step.Rescue) > 0 && ctx.Err() == nil:
		again := w.within(mend, func() { w.section(ctx, s, step.Rescue) })
		if rescued = again == nil && ctx.Err() == nil; rescued {
			failed = nil
		} else if again != nil {
			failed = again
		}
	case failed != nil:
		w.idle(s, step.Rescue, w.stoppedBlock(ctx), "")
	default:
		w.idle(s, step.Rescue, noun(step)+" did not fail", "only if "+noun(step)+" fails")
	}
	if step.Call != nil {
		w.onFailure(s, step, failed)
	}
	// Clean-up is not stopped in the middle: neither by a request nor by the time of the run or of a block around.
	if late := w.within(tidy, func() { w.section(w.options.Last, s, step.Always) }); failed == nil {
		failed = late
	}
	w.depth--
	w.doubt = saved
	outputs, err := w.outputs(ctx, step, &r, failed == nil)
	if err != nil {
		failed = &failure{step: step.ID, status: Failed, message: err.Error()}
	}
	w.exit(step)

	certain := !w.preview() // what has changed the block has done so
	for _, inside := range w.report.Steps[first:] {
		certain = certain || len(sure(inside.Planned.Changes)) > 0 && inside.Conditional == ""
		if inside.Status == Changed && r.Status == OK {
			r.Status = Changed
		}
		if inside.Conditional != "" && !inside.Idle && r.Conditional == "" {
			r.Conditional = "step " + inside.Step.ID + " inside it is decided at run"
		}
	}
	switch {
	case failed != nil && failed.step == step.ID && err != nil:
		fail(&r, Failed, err)
	case failed != nil:
		r.Status, r.Why = failed.status, "step "+failed.step+": "+failed.message
	case rescued:
		r.Status, r.Why = Rescued, "step "+cause.step+": "+cause.message
	}
	if id := cmp.Or(body.maybe, mend.maybe, tidy.maybe); failed == nil && id != "" && !step.Source.ContinueOnError {
		w.omen(id)
	}
	r.Duration = w.options.Now().Sub(begin)
	w.end(step, r, outputs)
	if seen := w.scope.steps[step.Source.ID].(map[string]any); r.Status == Changed && !certain {
		seen["status"], seen["changed"] = expression.Unknown{}, expression.Unknown{}
	}
	if step.Call != nil && conditional == "" { // each of them is known or not
		w.scope.steps[step.Source.ID].(map[string]any)["outputs"] = outputs
	}
	if failed != nil && w.frame.failed == nil && !step.Source.ContinueOnError {
		w.frame.failed = failed
	}
}

// stoppedBlock says why a block ended before its end.
func (w *walk) stoppedBlock(ctx context.Context) string {
	saved := w.frame
	w.frame = &frame{}
	defer func() { w.frame = saved }()
	return w.stopped(ctx)
}
