package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

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

func (w *walk) ref(s Section, step *check.Step) StepRef {
	return StepRef{ID: step.ID, Title: step.ID, Uses: step.Source.Uses.String(), Section: s,
		Effect: string(step.Action.Effect)}
}

// step runs one step, all items of it, and accounts for it.
func (w *walk) step(ctx context.Context, s Section, step *check.Step) {
	ref := w.ref(s, step)
	r := StepResult{Step: ref}
	goes, conditional := w.condition(ctx, s, step, &r)
	if !goes {
		w.title(step, &r.Step, nil)
		w.end(step, r, nil)
		return
	}
	if step.ForEach == nil {
		r, outputs := w.once(ctx, step, ref, nil, conditional)
		w.end(step, r, outputs)
		return
	}
	w.loop(ctx, step, ref, conditional)
}

// condition decides whether the step runs. conditional is why that can't be told
// in a preview; "" when it can.
func (w *walk) condition(ctx context.Context, s Section, step *check.Step, r *StepResult) (goes bool, conditional string) {
	if step.If == nil || !step.If.UsesStatus() {
		// Without a status function in its condition a step runs only while all is
		// well; the sections after a failure have their own reason to run.
		if s == SectionSteps {
			if why := w.stopped(ctx); why != "" {
				r.Status, r.Why = Unreached, why
				return false, ""
			}
		}
	}
	if s == SectionSteps && ctx.Err() != nil {
		r.Status, r.Why = Unreached, w.stopped(ctx)
		return false, ""
	}
	if w.options.Hold != "" && step.Action.Effect == sdk.Destroys {
		r.Status, r.Why = Skipped, "on hold: "+w.options.Hold
		r.Diagnostics = []sdk.Diagnostic{sdk.Warning("nothing is destroyed: %s", w.options.Hold)}
		return false, ""
	}
	if step.If == nil {
		return true, ""
	}
	v, err := step.If.Eval(ctx, w.env(nil))
	switch v := v.(type) {
	case bool:
		if err == nil && !v {
			r.Status, r.Why = Skipped, "its condition is false"
		}
		if err == nil {
			return v, ""
		}
	case expression.Unknown:
		return true, "whether it runs is decided at run"
	}
	if err == nil {
		err = errors.New("is neither true nor false")
	}
	w.fail(r, step, Failed, fmt.Errorf("if: %w", err))
	return false, ""
}

// stopped says why a step that needs all to be well does not run; "" when it
// does.
func (w *walk) stopped(ctx context.Context) string {
	switch {
	case w.cancelled():
		return "the run was stopped on request"
	case ctx.Err() != nil:
		return "the run's time was up"
	case w.failed != nil && w.failed.step == "":
		return w.failed.message
	case w.failed != nil:
		return "step " + w.failed.step + " failed"
	}
	return ""
}

// loop runs a for_each: the items in order, until one fails.
func (w *walk) loop(ctx context.Context, step *check.Step, ref StepRef, conditional string) {
	whole := StepResult{Step: ref, Conditional: conditional}
	w.title(step, &whole.Step, nil)
	value, err := step.ForEach.Eval(ctx, w.env(nil))
	if err != nil {
		w.fail(&whole, step, Failed, err)
		w.end(step, whole, nil)
		return
	}
	items, ok := itemsOf(value)
	if !ok {
		if !expression.ContainsUnknown(value) {
			w.fail(&whole, step, Failed, errors.New("for_each: neither a list nor a map"))
			w.end(step, whole, nil)
			return
		}
		whole.Conditional = "what it loops over is known after run"
		whole.Status = OK
		w.cloud(step)
		w.end(step, whole, expression.Unknown{})
		return
	}
	if len(items) == 0 {
		whole.Status, whole.Why = Skipped, "there is nothing to loop over"
		w.end(step, whole, []any{})
		return
	}
	outputs := make([]any, 0, len(items))
	status, broken := OK, false
	for i := range items {
		itemRef := ref
		itemRef.Item, itemRef.Label = &items[i].index, label(items[i])
		if broken || (i > 0 && w.stopped(ctx) != "" && w.failed == nil) {
			r := StepResult{Step: itemRef, Status: Unreached, Why: "an earlier item failed"}
			if why := w.stopped(ctx); why != "" && !broken {
				r.Why = why
			}
			w.record(step, r)
			continue
		}
		r, out := w.once(ctx, step, itemRef, &items[i], conditional)
		w.record(step, r)
		outputs = append(outputs, out)
		if r.Status.Bad() && !status.Bad() || r.Status == Changed && status == OK {
			status = r.Status
		}
		broken = r.Status.Bad() && !step.Source.ContinueOnError
	}
	w.remember(step, status, outputs, conditional)
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

// title renders the step's name.
func (w *walk) title(step *check.Step, ref *StepRef, i *item) {
	if step.Name != nil {
		ref.Title = step.Name.Render(context.WithoutCancel(w.ctx), w.env(i))
	}
}

// once runs a step, or one item of it, and returns what it gave: a value, or
// Unknown, or nil.
func (w *walk) once(ctx context.Context, step *check.Step, ref StepRef, i *item, conditional string) (StepResult, any) {
	w.title(step, &ref, i)
	r := StepResult{Step: ref, Conditional: conditional}
	begin := w.options.Now()
	w.emit(StepStarted{Step: ref})
	if step.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, step.Timeout, errStepTime)
		defer stop()
	}
	outputs := w.act(ctx, step, i, &r)
	r.Duration = w.options.Now().Sub(begin)
	return r, outputs
}

// fail makes a result a failure.
func (w *walk) fail(r *StepResult, step *check.Step, status Status, err error) {
	r.Status = status
	r.Diagnostics = append(r.Diagnostics, sdk.Diagnose(err)...)
	w.noteFailure(step, *r)
}

// noteFailure remembers the first failure that counts.
func (w *walk) noteFailure(step *check.Step, r StepResult) {
	if w.failed != nil || step.Source.ContinueOnError || !r.Status.Bad() {
		return
	}
	message := string(r.Status)
	for _, d := range r.Diagnostics {
		if d.Severity == sdk.SeverityError {
			message = d.Summary
			break
		}
	}
	w.failed = &failure{step: step.ID, status: r.Status, message: message}
}

// end records the one result of a step.
func (w *walk) end(step *check.Step, r StepResult, outputs any) {
	w.record(step, r)
	w.remember(step, r.Status, outputs, r.Conditional)
}

func (w *walk) record(step *check.Step, r StepResult) {
	for i := range r.Diagnostics {
		if d := &r.Diagnostics[i]; d.Path != "" {
			d.At = step.Place(d.Path)
		}
	}
	w.report.Steps = append(w.report.Steps, r)
	w.emit(StepFinished{StepResult: r})
}

// remember makes the step's results known to expressions.
func (w *walk) remember(step *check.Step, status Status, outputs any, conditional string) {
	var seenStatus, changed any = string(status), status == Changed
	if conditional != "" {
		seenStatus, changed = expression.Unknown{}, expression.Unknown{}
		if step.If != nil || outputs == nil {
			outputs = expression.Unknown{}
		}
	}
	w.steps[step.ID] = map[string]any{"status": seenStatus, "changed": changed, "outputs": outputs}
}

// cloud marks what a step that is decided at run may touch.
func (w *walk) cloud(step *check.Step) {
	for _, t := range step.Action.Touches {
		if w.clouded[t] == "" {
			w.clouded[t] = step.ID
		}
	}
	if !step.Source.ContinueOnError {
		w.unsure = true
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

// timeLeft is for the request: plugins get no clock of ours.
func (w *walk) request(step *check.Step, inputs []byte) sdk.Request {
	w.calls++
	return sdk.Request{ID: fmt.Sprintf("%s/%d", step.ID, w.calls), Run: w.options.Run, Step: step.ID,
		Action: step.Action.Name, Instant: w.options.Instant.Round(0).In(time.UTC), Inputs: inputs, Prior: w.prior}
}
