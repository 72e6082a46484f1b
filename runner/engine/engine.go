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
	"fmt"
	"slices"
	"strings"
	"sync"
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
	// Prior, in a preview of a simulation, is what earlier virtual runs have planned.
	Prior   []sdk.Change
	Virtual sdk.Virtual
	// Hold, when not empty, says why nothing may be destroyed now: steps of actions
	// that can destroy are skipped.
	Hold string
	Emit func(Event)
	Now  func() time.Time // for durations
	// Lock takes a lock that a step has named, for the run; nil: there are none. It is
	// called before anything is read for a decision. A *sdk.Error with the reason Busy
	// says that somebody else has it.
	Lock func(ctx context.Context, plugin string, lock sdk.Lock) (release func(), err error)
	// Withhold, in a run, says why a step of that action is planned and not applied, as in a preview; "" is that it is
	// applied. nil: all are. What depends on a step that was withheld is withheld too.
	Withhold func(plugin, action string) string
	// Expect is asked before a step is applied whether its plan is the expected one;
	// nil: any is. A *sdk.Error with the reason Drifted says that it is not.
	Expect func(StepResult) error
	// Sleep waits between the attempts of a retry, or until ctx ends.
	Sleep func(ctx context.Context, d time.Duration)
	// Last is the context of what runs although ctx has ended: on_failure, and always
	// sections, those of blocks too. nil: they can't be stopped.
	Last context.Context
	// Past is what an earlier run has done of this one; nil: nothing.
	Past *Past
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
	w := &walk{program: p, options: o, ctx: ctx, begin: o.Now(), frame: &frame{},
		prior: o.Prior, scope: newScope(p.Playbook.Name, "", o.Inputs), clouded: map[string]string{}, over: map[*check.Step]bool{}}
	w.anew = w.plannedAnew()
	w.start()
	if err := w.vars(w.program.Vars); err != nil {
		w.frame.failed = &failure{status: Failed, message: err.Error()}
	}
	w.section(ctx, SectionSteps, p.Steps)
	if w.failed = w.frame.failed; w.failed == nil && w.missed && !w.cancelled() {
		w.failed = &failure{status: TimedOut, message: "the run's time was up"}
	}
	if w.failed != nil && !w.cancelled() {
		w.within(&frame{cause: w.failed, lenient: true}, func() { w.section(o.Last, SectionOnFailure, p.OnFailure) })
	} else {
		w.idle(SectionOnFailure, p.OnFailure, "the run did not fail", "only if the run fails")
	}
	last := w.within(&frame{cause: w.failed, lenient: true}, func() { w.section(o.Last, SectionAlways, p.Always) })
	if w.failed == nil {
		w.failed = last
	}
	w.letGo(func(*held) bool { return true })
	w.finish()
	return &w.report
}

// walk is the state of one execution. Items of a parallel for_each share it:
// they hold mu while they touch what changes.
type walk struct {
	program *check.Program
	options Options
	ctx     context.Context // of the steps section
	begin   time.Time
	depth   int // number of blocks around what runs now

	scope  *scope // of the playbook whose steps run now
	frame  *frame
	failed *failure // why the run has failed; set when its steps are over
	// clouded are the types of resources that a step decided at run may touch, with
	// the id of that step.
	clouded map[string]string
	// opaque are the steps of a preview that may change anything, in order: later ones are predicted as if they changed nothing.
	opaque []string
	// missed is set when a step did not run because the time was up or the run was
	// stopped.
	missed bool
	// doubt is why what runs now may not run, in a block that is decided at run.
	doubt string
	// unsure is set in a preview when it can't be told whether the run would have
	// failed by now.
	unsure bool
	// ominous is set in a preview when a step that is decided at run would fail.
	ominous bool

	locking sync.Mutex // held while locks are taken, which can take long

	mu     sync.Mutex
	report Report
	prior  []sdk.Change // preview: planned and not made
	calls  int
	held   []*held              // under locking
	over   map[*check.Step]bool // steps that have ended
	anew   map[*check.Step]bool // steps that Past has finished, and that are planned anew
}

// frame is a list of steps that fail together: a section of the playbook, or of
// a block.
type frame struct {
	parent  *frame
	cause   *failure // what a rescue, on_failure or always deals with
	failed  *failure // the first failure of a step in it
	maybe   string   // preview: the first step in it that fails if it runs, which is decided at run
	lenient bool     // its steps run although earlier ones of it have failed
	root    bool     // of a called playbook: its steps know of no failure outside
}

// failure is what `error` is in expressions.
type failure struct {
	step    string
	status  Status
	message string
}

// within runs steps in a frame of their own and returns why it failed.
func (w *walk) within(f *frame, run func()) *failure {
	f.parent = w.frame
	w.frame = f
	run()
	w.frame = f.parent
	return f.failed
}

// trouble is the failure that steps which run now are to know of.
func (w *walk) trouble() *failure {
	for f := w.frame; f != nil; f = f.parent {
		switch {
		case f.cause != nil:
			return f.cause
		case f.failed != nil:
			return f.failed
		case f.root:
			return nil
		}
	}
	return nil
}

// identity is the run's id as plugins and expressions know it.
func (w *walk) identity() string {
	if w.options.Past != nil {
		return w.options.Past.Origin
	}
	return w.options.Run
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
	if p := w.options.Past; p != nil {
		w.report.Started.Resumes, w.report.Started.Origin = p.Run, p.Origin
	}
	w.emit(w.report.Started)
}

// vars evaluates the variables of a playbook. A mistake that only values show fails it before any step.
func (w *walk) vars(all []check.Var) error {
	for _, v := range all {
		value, err := v.Value.Eval(w.ctx, w.env(nil))
		if err != nil {
			return fmt.Errorf("vars.%s: %w", v.Name, err)
		}
		w.scope.vars[v.Name] = value
	}
	return nil
}

func (w *walk) section(ctx context.Context, s Section, steps []*check.Step) {
	for _, step := range steps {
		w.step(ctx, s, step)
	}
}

// idle accounts for steps that are there for a failure that did not happen.
func (w *walk) idle(s Section, steps []*check.Step, why, preview string) {
	if w.preview() { // what they would know of the failure is not known yet
		defer func(before bool) { w.ominous = before }(w.ominous)
		w.ominous = true
	}
	for _, step := range steps {
		r := StepResult{Step: w.ref(s, step), Status: Unreached, Why: why, Idle: true}
		if w.cancelled() {
			r.Why = "the run was stopped on request"
		} else if w.preview() {
			r.Conditional = preview
		}
		if unset := w.unwanted(step); unset != nil {
			r = StepResult{Step: r.Step, Status: Skipped, Why: "its condition is false: " + shorten(step.Source.If.Text), Unset: unset}
		}
		w.leave(s, step, r)
	}
}

// unwanted lists the inputs for lack of which a step would not run in any case; nil when it might.
func (w *walk) unwanted(step *check.Step) []string {
	if step.If == nil {
		return nil
	}
	unset := w.unset(step)
	if unset == nil {
		return nil
	}
	if v, err := step.If.Eval(w.options.Last, w.env(nil)); err != nil || v != false {
		return nil
	}
	return unset
}

// leave ends a step that does not run, and what is inside it.
func (w *walk) leave(s Section, step *check.Step, r StepResult) {
	w.title(step, &r.Step, nil)
	w.end(step, r, nil)
	w.depth++
	w.inside(step, func() {
		for _, i := range slices.Concat(step.Sections()...) {
			again := r
			again.Step = w.ref(s, i)
			again.Diagnostics = nil
			if again.Status.Bad() {
				again.Status, again.Why = Unreached, noun(step)+" did not run"
			}
			w.leave(s, i, again)
		}
	})
	w.depth--
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
			if r.Conditional != "" || w.preview() && c.Conditional != "" {
				f.Changes.Conditional++
			} else {
				f.Changes.Add(c.Kind)
			}
		}
	}
	switch {
	case w.cancelled():
		f.Status, f.Reason = RunCancelled, "stopped on request"
	case w.failed != nil && w.failed.status == TimedOut && errors.Is(context.Cause(w.ctx), errRunTime):
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.options.Emit != nil {
		w.options.Emit(e)
	}
}

// env is what expressions see now. item is nil outside of a for_each.
func (w *walk) env(i *item) expression.Env {
	values := map[string]any{
		"inputs": w.scope.inputs,
		"vars":   w.scope.vars,
		"steps":  w.scope.steps,
		"run":    map[string]any{"id": w.identity(), "playbook": w.scope.name, "started_at": w.options.Instant},
		"host":   w.options.Host,
	}
	trouble := w.trouble()
	switch {
	case trouble != nil:
		values["error"] = trouble.value(w.scope)
	case w.ominous:
		values["error"] = expression.Unknown{}
	}
	if i != nil {
		values["item"], values["index"] = i.value, i.key
	}
	var failed any = trouble != nil
	var succeeded any = trouble == nil
	if w.unsure && trouble == nil {
		failed, succeeded = expression.Unknown{}, expression.Unknown{}
	}
	return expression.Env{Values: values, Status: map[string]any{
		"success": succeeded, "failure": failed, "cancelled": w.cancelled(), "always": true}}
}

// value is what expressions see of a failure: they know the steps of their own playbook by their own ids.
func (f *failure) value(s *scope) map[string]any {
	return map[string]any{"step": strings.TrimPrefix(f.step, s.prefix), "status": string(f.status), "message": f.message}
}
