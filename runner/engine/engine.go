// Package engine walks a checked program: for each step condition, inputs, plan
// and, in a run, the apply of just that plan. A preview is the same walk
// without the applies; what earlier steps have planned is handed to later ones,
// which lay it over what they observe.
//
// All decisions are made by the plugins' Plan. The engine decides only which
// steps run, and accounts for every one of them: each ends with exactly one
// StepFinished, whatever happened. It starts no process and reads no clock: both
// are given to it.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk"
)

// Plugins is what the engine needs of the plugins. A *protocol.DomainError is a
// refusal; any other error means that the plugin is broken, or that ctx ended.
type Plugins interface {
	Resolve(ctx context.Context, plugin string, r sdk.Request) ([]sdk.Lock, error)
	Plan(ctx context.Context, plugin string, r sdk.Request) (*sdk.Plan, error)
	Apply(ctx context.Context, plugin string, r sdk.Request, p *sdk.Plan, emit func(sdk.Event)) (*sdk.Result, error)
}

// Options of an execution.
type Options struct {
	Plugins Plugins
	Mode    Mode
	Run     string    // the run's id
	Instant time.Time // the run's one instant; expressions and plugins know no other
	// Inputs are complete and typed: what Program.Resolve returned.
	Inputs map[string]any
	Host   map[string]any // name, kernel
	// Hold, when not empty, says why nothing may be destroyed now: steps of actions
	// that can destroy are skipped.
	Hold string
	Emit func(Event)
	Now  func() time.Time // for durations
	// Last is the context of the on_failure and always sections: they run although
	// ctx has ended. nil: they can't be stopped.
	Last context.Context
}

// Report is everything about an execution that has ended.
type Report struct {
	Started  RunStarted   `json:"started"`
	Steps    []StepResult `json:"steps"`
	Finished RunFinished  `json:"finished"`
}

// Causes of the end of a context.
var (
	errStepTime = errors.New("the step's time was up")
	errRunTime  = errors.New("the run's time was up")
)

// Execute walks the program. It returns when every step is accounted for.
func Execute(ctx context.Context, p *check.Program, o Options) *Report {
	if o.Last == nil {
		o.Last = context.WithoutCancel(ctx)
	}
	if p.Playbook.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, p.Playbook.Timeout, errRunTime)
		defer stop()
	}
	w := &walk{program: p, options: o, ctx: ctx, begin: o.Now(),
		steps: map[string]any{}, clouded: map[string]string{}}
	w.start()
	w.vars()
	w.section(ctx, SectionSteps, p.Steps)
	switch {
	case w.failed != nil && !w.cancelled():
		w.section(o.Last, SectionOnFailure, p.OnFailure)
	default:
		w.idle(SectionOnFailure, p.OnFailure)
	}
	w.section(o.Last, SectionAlways, p.Always)
	w.finish()
	return &w.report
}

// walk is the state of one execution.
type walk struct {
	program *check.Program
	options Options
	ctx     context.Context // of the steps section
	begin   time.Time
	report  Report

	varValues map[string]any
	steps     map[string]any // what expressions see: id → {status, changed, outputs}
	prior     []sdk.Change   // preview: planned and not made
	// clouded are the types of resources that a step decided at run may touch, with
	// the id of that step.
	clouded map[string]string
	failed  *failure // the first failure that counts
	calls   int
	// unsure is set in a preview when it can't be told whether the run would have
	// failed by now.
	unsure bool
}

// failure is what `error` is in expressions.
type failure struct {
	step    string
	status  Status
	message string
}

func (w *walk) preview() bool { return w.options.Mode == ModePreview }

// cancelled reports whether the run was stopped on request (not by time).
func (w *walk) cancelled() bool {
	return w.ctx.Err() != nil && !errors.Is(context.Cause(w.ctx), errRunTime)
}

func (w *walk) start() {
	playbook := w.program.Playbook
	w.report.Started = RunStarted{Run: w.options.Run, Mode: w.options.Mode, Playbook: playbook.Name,
		Description: playbook.Description, File: playbook.File, Instant: w.options.Instant,
		Inputs: w.program.PrintInputs(w.options.Inputs), Defaulted: w.program.Defaulted(w.options.Inputs), Steps: len(w.program.Steps)}
	w.emit(w.report.Started)
}

// vars evaluates the variables. A mistake that only values show fails the run
// before any step.
func (w *walk) vars() {
	w.varValues = map[string]any{}
	for _, v := range w.program.Vars {
		value, err := v.Value.Eval(w.ctx, w.env(nil))
		if err != nil {
			w.failed = &failure{step: "", status: Failed, message: "vars." + v.Name + ": " + err.Error()}
			return
		}
		w.varValues[v.Name] = value
	}
}

// idle accounts for the steps of a section that does not run.
func (w *walk) idle(s Section, steps []*check.Step) {
	for _, step := range steps {
		r := StepResult{Step: w.ref(s, step), Status: Unreached, Why: "the run did not fail"}
		if w.cancelled() {
			r.Why = "the run was stopped on request"
		} else if w.preview() {
			r.Conditional = "only if the run fails"
		}
		w.end(step, r, nil)
	}
}

func (w *walk) section(ctx context.Context, s Section, steps []*check.Step) {
	for _, step := range steps {
		w.step(ctx, s, step)
	}
}

func (w *walk) finish() {
	f := RunFinished{Run: w.options.Run, Mode: w.options.Mode, Status: Succeeded, Steps: map[Status]int{},
		Duration: w.options.Now().Sub(w.begin)}
	for _, r := range w.report.Steps {
		f.Steps[r.Status]++
		for _, d := range r.Diagnostics {
			if d.Severity == sdk.SeverityWarning {
				f.Warnings++
			}
		}
		changes := r.Made
		if w.preview() {
			changes = r.Planned.Changes
		}
		for _, c := range changes {
			if r.Conditional != "" {
				f.Changes.Conditional++
			} else {
				f.Changes.Add(c.Kind)
			}
		}
	}
	switch {
	case w.cancelled():
		f.Status, f.Reason = RunCancelled, "stopped on request"
	case w.ctx.Err() != nil && w.failed != nil && w.failed.status == TimedOut && errors.Is(context.Cause(w.ctx), errRunTime):
		f.Status, f.Reason = RunTimedOut, "the run's time was up"
	case w.failed != nil:
		f.Status, f.Reason = RunFailed, w.failed.message
		if w.failed.step != "" {
			f.Reason = "step " + w.failed.step + ": " + f.Reason
		}
	}
	w.report.Finished = f
	w.emit(f)
}

func (w *walk) emit(e Event) {
	if w.options.Emit != nil {
		w.options.Emit(e)
	}
}

// env is what expressions see now. item is nil outside of a for_each.
func (w *walk) env(i *item) expression.Env {
	values := map[string]any{
		"inputs": w.options.Inputs,
		"vars":   w.varValues,
		"steps":  w.steps,
		"run": map[string]any{"id": w.options.Run, "playbook": w.program.Playbook.Name,
			"started_at": w.options.Instant},
		"host": w.options.Host,
	}
	if w.failed != nil {
		values["error"] = map[string]any{"step": w.failed.step, "status": string(w.failed.status),
			"message": w.failed.message}
	}
	if i != nil {
		values["item"], values["index"] = i.value, i.key
	}
	var failed any = w.failed != nil
	var succeeded any = w.failed == nil
	if w.unsure && w.failed == nil {
		failed, succeeded = expression.Unknown{}, expression.Unknown{}
	}
	return expression.Env{Values: values, Status: map[string]any{
		"success": succeeded, "failure": failed, "cancelled": w.cancelled(), "always": true}}
}
