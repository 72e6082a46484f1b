package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
)

// Action is made by Read or Write.
type Action interface {
	info() Info
	resolve(ctx context.Context, c *Call, inputs json.RawMessage) ([]Lock, error)
	plan(ctx context.Context, c *Call, inputs json.RawMessage) (*Plan, error)
	apply(ctx context.Context, c *Call, inputs json.RawMessage, plan *Plan) (*Result, error)
}

// Call is one call of an action: what the runner tells about the run, and the
// way to tell something back. Its methods may be called concurrently.
type Call struct {
	Run, Step string
	Instant   time.Time // the run's one instant, UTC; use it, not the clock
	Prior     []Change  // planned by earlier steps and not yet made
	Virtual   Virtual   // of a simulation; in Plan only

	mu   sync.Mutex
	emit func(Event)
	done []int
	sum  string
	warn []Diagnostic

	outputs json.RawMessage // as planned; in Apply
}

func newCall(r Request, emit func(Event)) *Call {
	return &Call{Run: r.Run, Step: r.Step, Instant: r.Instant.UTC(), Prior: r.Prior, Virtual: r.Virtual, emit: emit}
}

// Done says that the change with this index in the plan has been made. Call it
// as soon as that is true, once a change. A change that turned out to be made
// already is not reported.
func (c *Call) Done(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, change)
	if c.emit != nil {
		c.emit(Done{Change: change})
	}
}

// PlannedOutputs decodes what Plan has predicted as outputs, in Apply: where they
// are large, Private need not hold them too.
func (c *Call) PlannedOutputs(out any) error { return json.Unmarshal(c.outputs, out) }

// Warn reports something that is no failure and that somebody has to know.
func (c *Call) Warn(d Diagnostic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.Severity = SeverityWarning
	c.warn = append(c.warn, d)
}

// Summarize says in a few words what Apply has done, beyond its changes.
func (c *Call) Summarize(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum = fmt.Sprintf(format, args...)
}

// Progress tells how far the action is.
func (c *Call) Progress(p Progress) { c.tell(p) }

// Logf writes a line to the run's log. level is debug, info, warn or error.
func (c *Call) Logf(level, format string, args ...any) {
	c.tell(Log{Level: level, Message: fmt.Sprintf(format, args...)})
}

func (c *Call) tell(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.emit != nil {
		c.emit(e)
	}
}

// Read makes an action that only reads. In a preview it is executed like in a
// run; it should lay c.Prior over what it observes.
func Read[In, Out any](info Info, read func(ctx context.Context, c *Call, in In) (Planned[Out, None], error)) Action {
	info.Effect = Reads
	info.Converges = true
	return &action[In, Out, None]{meta: complete[In, Out](info), decide: read}
}

// None is the private state of an action that needs none.
type None struct{}

// Planned is a plan with its types.
type Planned[Out, Private any] struct {
	Summary     string // in a few words
	Changes     []Change
	Kept        []Kept
	Outputs     Out
	Unknown     []string // JSON pointers into Outputs
	Facts       any      // what the decision rests on; nil: nothing
	Private     Private  // for Apply
	Diagnostics []Diagnostic
}

// Writer is the code of a writing action.
type Writer[In, Out, Private any] struct {
	// Locks names what the action would lock; nil: nothing.
	Locks func(ctx context.Context, c *Call, in In) ([]Lock, error)
	// Plan looks and decides; it changes nothing.
	Plan func(ctx context.Context, c *Call, in In) (Planned[Out, Private], error)
	// Apply does what private says, which is as Plan left it, and reports each
	// change with c.Done. Outputs count even with an error, except those that are null in JSON.
	Apply func(ctx context.Context, c *Call, in In, private Private) (Out, error)
}

// Write makes an action that changes something.
func Write[In, Out, Private any](info Info, w Writer[In, Out, Private]) Action {
	if info.Effect == "" {
		info.Effect = Writes
	}
	return &action[In, Out, Private]{meta: complete[In, Out](info), locks: w.Locks, decide: w.Plan, do: w.Apply}
}

func complete[In, Out any](info Info) Info {
	info.Inputs, info.Outputs = schema.For[In](), schema.For[Out]()
	return info
}

type action[In, Out, Private any] struct {
	meta   Info
	locks  func(context.Context, *Call, In) ([]Lock, error)
	decide func(context.Context, *Call, In) (Planned[Out, Private], error)
	do     func(context.Context, *Call, In, Private) (Out, error)
}

func (a *action[In, Out, Private]) info() Info { return a.meta }

func (a *action[In, Out, Private]) resolve(ctx context.Context, c *Call, inputs json.RawMessage) ([]Lock, error) {
	if a.locks == nil {
		return nil, nil
	}
	in, err := decode[In](a.meta, inputs)
	if err != nil {
		return nil, err
	}
	return a.locks(ctx, c, in)
}

func (a *action[In, Out, Private]) plan(ctx context.Context, c *Call, inputs json.RawMessage) (*Plan, error) {
	in, err := decode[In](a.meta, inputs)
	if err != nil {
		return nil, err
	}
	planned, err := a.decide(ctx, c, in)
	if err != nil {
		return nil, err
	}
	p := &Plan{Summary: planned.Summary, Changes: planned.Changes, Kept: planned.Kept, Unknown: planned.Unknown, Diagnostics: planned.Diagnostics}
	if p.Outputs, err = json.Marshal(planned.Outputs); err != nil {
		return nil, fmt.Errorf("cannot encode outputs: %w", err)
	}
	if planned.Facts != nil {
		if p.Fingerprint, err = json.Marshal(planned.Facts); err != nil {
			return nil, fmt.Errorf("cannot encode facts: %w", err)
		}
	}
	if a.do != nil {
		if p.Private, err = json.Marshal(planned.Private); err != nil {
			return nil, fmt.Errorf("cannot encode the plan: %w", err)
		}
	}
	return p, nil
}

func (a *action[In, Out, Private]) apply(ctx context.Context, c *Call, inputs json.RawMessage, plan *Plan) (*Result, error) {
	if a.do == nil {
		return nil, &Error{Reason: Invalid, Summary: fmt.Sprintf("action %q only reads: it has no Apply", a.meta.Name)}
	}
	in, err := decode[In](a.meta, inputs)
	if err != nil {
		return nil, err
	}
	var private Private
	if err := json.Unmarshal(plan.Private, &private); err != nil {
		return nil, &Error{Reason: Invalid, Summary: "cannot read the plan", Err: err}
	}
	c.outputs = plan.Outputs
	out, err := a.do(ctx, c, in, private)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = &Error{Reason: Cancelled, Summary: "stopped on request", Err: err}
	}
	encoded, encodeErr := json.Marshal(out)
	if encodeErr != nil {
		return nil, fmt.Errorf("cannot encode outputs: %w", encodeErr)
	}
	if err != nil && string(encoded) == "null" { // it has none
		encoded = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Result{Summary: c.sum, Outputs: encoded, Diagnostics: append(c.warn, Diagnose(err)...), Done: c.done}, nil
}

// decode reads inputs strictly: defaults of the schema are filled in, unknown
// members are refused, bounds are checked.
func decode[In any](info Info, inputs json.RawMessage) (In, error) {
	var in In
	filled, err := info.Inputs.Fill(inputs)
	if err != nil {
		return in, &Error{Reason: Invalid, Summary: err.Error()}
	}
	var errs []error
	for _, v := range info.Inputs.Check(filled) {
		errs = append(errs, InvalidInput(v.Path, "%s", v.Message))
	}
	if len(errs) > 0 {
		return in, errors.Join(errs...)
	}
	encoded, err := json.Marshal(filled)
	if err != nil {
		return in, fmt.Errorf("cannot encode inputs: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(encoded))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, &Error{Reason: Invalid, Summary: "inputs do not fit the schema: " + err.Error()}
	}
	return in, nil
}
