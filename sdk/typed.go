package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/hbohlen/coppice/sdk/schema"
)

// action is an action without its types: code that knows them exists once for each action in the program, so that there is as little
// of it as can be. Inputs are passed as *In, outputs as Out.
type action struct {
	about  Info        // without schemas
	full   func() Info // with them
	in     reflect.Type
	locks  lockFunc // nil: nothing is locked
	decide planFunc
	do     applyFunc // nil: it only reads
}

type (
	lockFunc  func(ctx context.Context, c *Call, in any) ([]Lock, error)
	planFunc  func(ctx context.Context, c *Call, in any) (Planned[any, any], error)
	applyFunc func(ctx context.Context, c *Call, in any, private json.RawMessage) (any, error)
)

func newAction[In, Out any](about Info, locks lockFunc, decide planFunc, do applyFunc) Action {
	return untyped(about, &action{in: reflect.TypeFor[In](), locks: locks, decide: decide, do: do}, reflect.TypeFor[Out]())
}

// untyped leaves the schemas to whoever asks first: a process that is started for one action derives those of that one.
func untyped(about Info, a *action, out reflect.Type) Action {
	a.about = about
	a.full = sync.OnceValue(func() Info {
		about.Inputs, about.Outputs = schema.Of(a.in), schema.Of(out)
		return about
	})
	return a
}

// loosely is plan without its types.
func loosely[In, Out, Private any](plan func(context.Context, *Call, In) (Planned[Out, Private], error)) planFunc {
	return func(ctx context.Context, c *Call, in any) (Planned[any, any], error) {
		p, err := plan(ctx, c, *in.(*In))
		return Planned[any, any]{Summary: p.Summary, Changes: p.Changes, Kept: p.Kept, Outputs: p.Outputs, Unknown: p.Unknown,
			Facts: p.Facts, Private: p.Private, Diagnostics: p.Diagnostics}, err
	}
}

func (a *action) action() *action { return a }

// summary is what an action is, without schemas and description.
func (a *action) summary() Info {
	short := a.about
	short.Description = ""
	return short
}

func (a *action) resolve(ctx context.Context, c *Call, inputs json.RawMessage) ([]Lock, error) {
	if a.locks == nil {
		return nil, nil
	}
	in, err := a.decode(inputs)
	if err != nil {
		return nil, err
	}
	return a.locks(ctx, c, in)
}

func (a *action) plan(ctx context.Context, c *Call, inputs json.RawMessage) (*Plan, error) {
	in, err := a.decode(inputs)
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

func (a *action) apply(ctx context.Context, c *Call, inputs json.RawMessage, plan *Plan) (*Result, error) {
	if a.do == nil {
		return nil, &Error{Reason: Invalid, Summary: fmt.Sprintf("action %q only reads: it has no Apply", a.about.Name)}
	}
	in, err := a.decode(inputs)
	if err != nil {
		return nil, err
	}
	c.outputs = plan.Outputs
	out, err := a.do(ctx, c, in, plan.Private)
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
func (a *action) decode(inputs json.RawMessage) (any, error) {
	schema := a.full().Inputs
	filled, err := schema.Fill(inputs)
	if err != nil {
		return nil, &Error{Reason: Invalid, Summary: err.Error()}
	}
	var errs []error
	for _, v := range schema.Check(filled) {
		errs = append(errs, InvalidInput(v.Path, "%s", v.Message))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	encoded, err := json.Marshal(filled)
	if err != nil {
		return nil, fmt.Errorf("cannot encode inputs: %w", err)
	}
	in := reflect.New(a.in).Interface()
	dec := json.NewDecoder(bytes.NewReader(encoded))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return nil, &Error{Reason: Invalid, Summary: "inputs do not fit the schema: " + err.Error()}
	}
	return in, nil
}
