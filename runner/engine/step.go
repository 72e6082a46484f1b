package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk"
)

func (w *walk) ref(s Section, step *check.Step) StepRef {
	ref := StepRef{ID: step.ID, Title: step.ID, Section: s, Depth: w.depth}
	if step.Call != nil {
		ref.Playbook = step.Call.Playbook.Name
	}
	if step.Action != nil {
		ref.Uses, ref.Effect = step.Source.Uses.String(), string(step.Action.Effect)
	}
	return ref
}

// step runs one step, all of it, and accounts for it.
func (w *walk) step(ctx context.Context, s Section, step *check.Step) {
	if done, ok := w.past(s, step, nil); ok && step.IsBlock() {
		w.recallBlock(s, step, done)
		return
	} else if ok && step.ForEach == nil {
		r, outputs := w.recall(step, w.ref(s, step), done, nil)
		w.end(step, r, outputs)
		return
	}
	r := StepResult{Step: w.ref(s, step)}
	goes, conditional := w.condition(ctx, step, &r)
	switch {
	case !goes:
		w.leave(s, step, r)
		if step.IsBlock() {
			w.broken(step, r)
		}
	case step.IsBlock():
		w.block(ctx, s, step, r.Step, conditional)
	case step.ForEach != nil:
		w.loop(ctx, step, r.Step, conditional)
	default:
		r, outputs := w.once(ctx, step, r.Step, nil, conditional)
		w.end(step, r, outputs)
	}
}

// condition decides whether the step runs. conditional is why that can't be told
// in a preview; "" when it can.
func (w *walk) condition(ctx context.Context, step *check.Step, r *StepResult) (goes bool, conditional string) {
	// Without a status function in its condition a step runs only while all is well
	// where it stands; when the time is up or the run is stopped, none does.
	why := w.stopped(ctx)
	if why != "" && (ctx.Err() != nil || step.If == nil || !step.If.UsesStatus()) {
		r.Status, r.Why = Unreached, why
		w.missed = w.missed || ctx.Err() != nil
		return false, ""
	}
	if w.options.Hold != "" && step.Action != nil && step.Action.Effect == sdk.Destroys {
		r.Status, r.Why = Skipped, "on hold: "+w.options.Hold
		r.Diagnostics = []sdk.Diagnostic{sdk.Warning("nothing is destroyed: %s", w.options.Hold)}
		return false, ""
	}
	if step.If == nil {
		return true, w.doubtful()
	}
	v, err := step.If.Eval(ctx, w.env(nil))
	switch v := v.(type) {
	case bool:
		if err == nil && !v {
			r.Status, r.Why, r.Unset = Skipped, "its condition is false: "+shorten(step.Source.If.Text), w.unset(step)
		}
		if err == nil {
			return v, w.doubtful()
		}
	case expression.Unknown:
		return true, "whether it runs is decided at run"
	}
	if err == nil {
		err = errors.New("is neither true nor false")
	}
	fail(r, Failed, fmt.Errorf("if: %w", err))
	return false, ""
}

// unset lists the inputs without a value that a condition reads, if it reads inputs only and calls nothing but status functions.
func (w *walk) unset(step *check.Step) []string {
	var names []string
	for _, ref := range step.If.References() {
		if len(ref) < 2 || ref[0] != "inputs" {
			return nil
		}
		if w.scope.inputs[ref[1]] == nil {
			names = append(names, ref[1])
		}
	}
	return names
}

// shorten makes one line of a condition, of a length that fits into one.
func shorten(text string) string {
	const most = 80
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return string(runes)
}

// stopped says why a step that needs all to be well does not run; "" when it
// does.
func (w *walk) stopped(ctx context.Context) string {
	if ctx.Err() != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errStepTime):
			return "the time of the block was up"
		case errors.Is(cause, errRunTime):
			return "the run's time was up"
		}
		return "the run was stopped on request"
	}
	switch failed := w.frame.failed; {
	case failed == nil || w.frame.lenient:
		return ""
	case failed.step == "":
		return failed.message
	default:
		return "step " + failed.step + " failed"
	}
}

// title renders the step's name.
func (w *walk) title(step *check.Step, ref *StepRef, i *item) {
	if step.Name != nil {
		ref.Title = step.Name.Render(context.WithoutCancel(w.ctx), w.env(i))
	}
}

// once runs a step, or one item of it, and returns what it gave: a value, or
// Unknown, or nil. A step that fails is tried again as its retry says.
func (w *walk) once(ctx context.Context, step *check.Step, ref StepRef, i *item, conditional string) (StepResult, any) {
	w.title(step, &ref, i)
	begin := w.options.Now()
	w.emit(StepStarted{Step: ref})
	var made []sdk.Change
	for attempt := 1; ; attempt++ {
		r := StepResult{Step: ref, Conditional: conditional}
		outputs := w.attempt(ctx, step, i, &r)
		r.Made = append(made, r.Made...)
		r.Duration = w.options.Now().Sub(begin)
		if step.Retry != nil && !w.preview() {
			r.Attempts = attempt
		}
		if !w.again(ctx, step, i, attempt, &r) {
			return r, outputs
		}
		made = r.Made
	}
}

// attempt runs a step once, within its time.
func (w *walk) attempt(ctx context.Context, step *check.Step, i *item, r *StepResult) any {
	if step.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, step.Timeout, errStepTime)
		defer stop()
	}
	return w.act(ctx, step, i, r)
}

// again decides whether a step that has failed is tried once more, and waits.
func (w *walk) again(ctx context.Context, step *check.Step, i *item, attempt int, r *StepResult) bool {
	retry := step.Retry
	if retry == nil || w.preview() || !r.Status.Bad() || r.Status == Cancelled || attempt >= retry.Attempts || ctx.Err() != nil {
		return false
	}
	f := failureOf(step, *r)
	if retry.When != nil {
		env := w.env(i)
		env.Values["error"] = f.value(w.scope)
		switch v, err := retry.When.Eval(ctx, env); {
		case err != nil:
			r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(fmt.Errorf("retry.when: %w", err))...)
			return false
		case v != true:
			return false
		}
	}
	wait := retry.Wait(attempt + 1)
	w.emit(StepRetrying{Step: r.Step, Attempt: attempt + 1, Attempts: retry.Attempts, Wait: wait, Reason: f.message})
	w.options.Sleep(ctx, wait)
	if ctx.Err() != nil {
		fail(r, ended(ctx), context.Cause(ctx))
		return false
	}
	return true
}

// fail makes a result a failure.
func fail(r *StepResult, status Status, err error) {
	r.Status = status
	r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(err)...)
}

// failureOf is the failure that a bad result is.
func failureOf(step *check.Step, r StepResult) *failure {
	f := &failure{step: step.ID, status: r.Status, message: string(r.Status)}
	for _, d := range r.Diagnostics {
		if d.Severity == sdk.SeverityError {
			f.message = d.Summary
			break
		}
	}
	return f
}

// end records the one result of a step.
func (w *walk) end(step *check.Step, r StepResult, outputs any) {
	w.publish(step, &r)
	w.record(step, r)
	w.remember(step, r.Status, outputs, r.Conditional)
	if w.preview() && r.Conditional == "" && r.Status == Changed && !step.IsBlock() && len(sure(r.Planned.Changes)) == 0 {
		seen := w.scope.steps[step.Source.ID].(map[string]any)
		seen["status"], seen["changed"] = expression.Unknown{}, expression.Unknown{}
	}
}

// publish tells a result.
func (w *walk) publish(step *check.Step, r *StepResult) {
	for i := range r.Diagnostics {
		if d := &r.Diagnostics[i]; d.Path != "" {
			d.At = step.Place(d.Path)
		}
	}
	if r.Planned.Changes == nil {
		r.Planned.Changes = []sdk.Change{}
	}
	w.emit(StepFinished{StepResult: *r})
}

// record puts a result into the report.
func (w *walk) record(step *check.Step, r StepResult) {
	w.report.Steps = append(w.report.Steps, r)
	w.notice(step, r)
}

// notice remembers the first failure that counts.
func (w *walk) notice(step *check.Step, r StepResult) {
	if !step.IsBlock() {
		w.broken(step, r)
	}
}

// broken remembers a failure, unless it does not count.
func (w *walk) broken(step *check.Step, r StepResult) {
	if !r.Status.Bad() || step.Source.ContinueOnError {
		return
	}
	switch {
	case r.Conditional != "":
		w.omen(step.ID)
	case w.frame.failed == nil:
		w.frame.failed = failureOf(step, r)
	}
}

// omen notes that a step which is decided at run would fail.
func (w *walk) omen(id string) {
	if w.frame.maybe == "" {
		w.frame.maybe = id
	}
	w.unsure, w.ominous = true, true
}

// doubtful says why it can't be told whether a step is reached; "" when it can.
func (w *walk) doubtful() string {
	if w.frame.maybe != "" && !w.frame.lenient {
		return "step " + w.frame.maybe + ", which would fail, is decided at run"
	}
	return w.doubt
}

// remember makes the step's results known to expressions.
func (w *walk) remember(step *check.Step, status Status, outputs any, conditional string) {
	var seenStatus, changed any = string(status), status == Changed
	if conditional != "" {
		seenStatus, changed = expression.Unknown{}, expression.Unknown{}
		outputs = expression.Unknown{} // what it would give now is not what it will give
	}
	w.over[step] = true
	w.unneeded()
	seen := map[string]any{"status": seenStatus, "changed": changed}
	if !step.Source.IsBlock() {
		seen["outputs"] = outputs
	}
	w.scope.steps[step.Source.ID] = seen
}

// cloud marks what a step that is decided at run may touch.
func (w *walk) cloud(step *check.Step) {
	if step.Action != nil {
		w.cover(step)
	}
	if !step.Source.ContinueOnError {
		w.unsure = true
	}
}

// cover marks what a step touches as known after the run only.
func (w *walk) cover(step *check.Step) {
	for _, t := range step.Action.Touches {
		if w.clouded[t] == "" && t != sdk.Anything {
			w.clouded[t] = step.ID
		}
	}
}

// obscure notes, in a preview, that a step may change anything.
func (w *walk) obscure(step *check.Step) {
	if w.preview() && slices.Contains(step.Action.Touches, sdk.Anything) && !slices.Contains(w.opaque, step.ID) {
		w.opaque = append(w.opaque, step.ID)
	}
}

// under says which undecided step a step depends on through what both touch.
func (w *walk) under(step *check.Step) string {
	for _, t := range step.Action.Touches {
		if id := w.clouded[t]; id != "" {
			return id
		}
	}
	return ""
}

func (w *walk) request(step *check.Step, inputs []byte) sdk.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	return sdk.Request{ID: fmt.Sprintf("%s/%d", step.ID, w.calls), Run: w.identity(), Step: step.ID,
		Action: step.Action.Name, Instant: w.options.Instant.Round(0).In(time.UTC), Inputs: inputs, Prior: w.prior, Virtual: w.options.Virtual}
}
