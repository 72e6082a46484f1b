package check

import (
	"context"
	"fmt"

	"github.com/hbohlen/coppice/runner/expression"
)

// Tree is a value of a playbook with its expressions compiled: a constant, an
// expression, a list or a map.
type Tree interface {
	// Eval computes the value. Parts of it can be expression.Unknown.
	Eval(ctx context.Context, env expression.Env) (any, error)
	// Type is what is known about the value before the run.
	Type() expression.Type
}

type constant struct {
	value any
	typ   expression.Type
}

func (c constant) Eval(context.Context, expression.Env) (any, error) { return c.value, nil }
func (c constant) Type() expression.Type                             { return c.typ }

type computed struct {
	program *expression.Program
	place   string // for errors: "with.sources"
}

func (c computed) Eval(ctx context.Context, env expression.Env) (any, error) {
	v, err := c.program.Eval(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.place, err)
	}
	return v, nil
}

func (c computed) Type() expression.Type { return c.program.Type() }

type list []Tree

func (l list) Eval(ctx context.Context, env expression.Env) (any, error) {
	out := make([]any, len(l))
	for i, item := range l {
		v, err := item.Eval(ctx, env)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (l list) Type() expression.Type {
	if len(l) == 0 {
		return expression.List(expression.Any)
	}
	first := l[0].Type()
	for _, item := range l[1:] {
		if item.Type().String() != first.String() {
			return expression.List(expression.Any)
		}
	}
	return expression.List(first)
}

type member struct {
	name  string
	value Tree
}

type record []member

func (r record) Eval(ctx context.Context, env expression.Env) (any, error) {
	out := make(map[string]any, len(r))
	for _, m := range r {
		v, err := m.value.Eval(ctx, env)
		if err != nil {
			return nil, err
		}
		if v != nil { // an absent value is a member that is not given
			out[m.name] = v
		}
	}
	return out, nil
}

func (r record) Type() expression.Type {
	fields := make([]expression.Field, len(r))
	for i, m := range r {
		fields[i] = expression.Field{Name: m.name, Type: m.value.Type()}
	}
	return expression.Record(fields...)
}
