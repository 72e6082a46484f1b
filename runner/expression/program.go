package expression

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/sdk/schema"
)

// Program is a compiled expression or template. It never changes.
type Program struct {
	parts  []part
	typ    Type
	units  Units
	refs   [][]string
	status bool
}

// part is literal text, or an expression when expr is not nil.
type part struct {
	literal string
	expr    *checked
	typ     Type
}

// Type is the static type of the result.
func (p *Program) Type() Type { return p.typ }

// AssignableTo reports whether the result may stand where s describes the value, see Type.AssignableTo.
func (p *Program) AssignableTo(s *schema.Schema) (ok bool, why string) { return p.typ.AssignableTo(s) }

// References lists the paths of names that the program reads, each once, in the order of the text: [steps take outputs
// free_ratio]. A path ends before an index that is not a constant string.
func (p *Program) References() [][]string { return p.refs }

// UsesStatus reports whether success, failure, cancelled or always is called.
func (p *Program) UsesStatus() bool { return p.status }

// Constant is the result when the program is plain text without an expression.
func (p *Program) Constant() (string, bool) {
	if len(p.parts) == 1 && p.parts[0].expr == nil {
		return p.parts[0].literal, true
	}
	return "", false
}

// Eval evaluates the program. The result is Unknown, or holds Unknown, exactly where the values of env leave it open: a
// known part is what every run with other values in place of the unknown ones would give. An error is an *EvalError.
// Eval takes at most two seconds, or less if ctx says so.
func (p *Program) Eval(ctx context.Context, env Env) (any, error) {
	if text, ok := p.Constant(); ok {
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if len(p.parts) == 1 {
		return p.parts[0].eval(ctx, env, p.units)
	}
	var b strings.Builder
	open := false
	for _, part := range p.parts {
		text, known, err := part.text(ctx, env, p.units)
		if err != nil {
			return nil, err
		}
		open = open || !known
		b.WriteString(text)
	}
	if open {
		return Unknown{}, nil
	}
	return b.String(), nil
}

// Render is the result as one text for people, for a step's name. What is unknown reads "(known after run)", and what
// has no value says why in parentheses. It never fails.
func (p *Program) Render(ctx context.Context, env Env) string {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	var b strings.Builder
	for _, part := range p.parts {
		text, known, err := part.text(ctx, env, p.units)
		switch {
		case err != nil:
			text = "(" + err.Error() + ")"
		case !known:
			text = Unknown{}.String()
		}
		b.WriteString(text)
	}
	return b.String()
}

// eval gives the value of a part.
func (p part) eval(ctx context.Context, env Env, units Units) (value any, err error) {
	if p.expr == nil {
		return p.literal, nil
	}
	e := &evaluation{checked: p.expr, ctx: ctx, env: env, units: units}
	defer func() {
		if r := recover(); r != nil { // a value in env of a kind that there is not
			value, err = nil, e.fail(p.expr.root, "the expression cannot be evaluated: %v", r)
		}
		var where *EvalError
		if errors.As(err, &where) {
			err = where
		}
	}()
	v, err := e.eval(p.expr.root)
	if err == nil {
		err = e.measure(v)
	}
	if v, err = e.place(p.expr.root, v, err); err != nil {
		return nil, err
	}
	if unknown(v) {
		return Unknown{}, nil
	}
	return v, nil
}

// text gives a part as text; known is false when its value is not known.
func (p part) text(ctx context.Context, env Env, units Units) (text string, known bool, err error) {
	v, err := p.eval(ctx, env, units)
	switch {
	case err != nil:
		return "", false, err
	case unknown(v):
		return "", false, nil
	}
	text, err = units.text(v)
	if err != nil {
		offset, length := p.expr.span(p.expr.root)
		message := fmt.Sprintf("%s: %s", p.expr.name(p.expr.root), err)
		if v == nil {
			message = p.expr.name(p.expr.root) + " is absent"
		}
		return "", false, &EvalError{Offset: offset, Length: length, Message: message}
	}
	return text, true, nil
}
