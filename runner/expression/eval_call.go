package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

func (e *evaluation) call(n ast.Node, name string, args []ast.Node) (any, error) {
	if slices.Contains(StatusFunctions, name) {
		return e.statusCall(n, name)
	}
	if p := predicates[name]; p != nil {
		v, err := e.predicateCall(n, p, args)
		return e.place(n, v, err)
	}
	f := functions[name]
	c := &call{e: e, args: make([]any, len(args))}
	total, open := f.total, false
	for i, arg := range args {
		v, err := e.eval(arg)
		if err != nil {
			return nil, err
		}
		p := f.params[min(i, len(f.params)-1)]
		hidden := false
		if !f.partial {
			if hidden, err = e.hasUnknown(v); err != nil {
				return e.place(arg, nil, err)
			}
		}
		switch {
		case unknown(v) || hidden:
			open = true
		case v == nil && !p.soft:
			return nil, e.absent(arg)
		case !p.ok(shape(v)):
			return nil, e.fail(arg, "%s takes %s here, this is %s", name, p.what, shape(v).article())
		}
		t := e.types[arg]
		total = total && settled(t, !f.partial)
		c.args[i] = v
	}
	if open {
		return unknownIf(total, c.args...), nil
	}
	v, err := f.eval(c)
	return e.place(n, v, err)
}

// settled reports whether every value of t fits wherever t does; deep looks at elements too.
func settled(t Type, deep bool) bool {
	if !t.concrete() {
		return false
	}
	return !deep || t.kind != listKind || settled(t.element(), deep)
}

func (e *evaluation) statusCall(n ast.Node, name string) (any, error) {
	if name == "always" {
		return true, nil
	}
	v, ok := e.env.Status[name]
	if !ok {
		return Unknown{}, nil
	}
	switch v.(type) {
	case bool, Unknown:
		return v, nil
	}
	return nil, e.fail(n, "%s() has no value", name)
}
