package expression

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// EvalError is why an evaluation has no result.
type EvalError struct {
	Offset, Length int // in runes, in the text that was compiled
	Message        string
}

// Error is the message.
func (e *EvalError) Error() string { return e.Message }

// evaluation is one walk over a checked tree. Every value may be unknown; what an operation makes of that stands beside
// the operation. An operation that always evaluates an operand passes its error on; one that might not evaluate it in
// the run turns the error into a value that is unknown and may fail.
type evaluation struct {
	*checked
	ctx    context.Context
	env    Env
	units  Units
	locals []local
	items  []item
	steps  int
	memory int
}

type local struct {
	name  string
	value any
}

// item is what # and #index stand for.
type item struct {
	value any
	index any
}

// shorted is the value of a?.b inside of its chain when a is absent.
type shorted struct{}

func (e *evaluation) fail(n ast.Node, format string, args ...any) error {
	offset, length := e.span(n)
	return &EvalError{Offset: offset, Length: length, Message: fmt.Sprintf(format, args...)}
}

// place gives an error of an operation the place of its node.
func (e *evaluation) place(n ast.Node, v any, err error) (any, error) {
	switch err.(type) {
	case nil:
		return v, nil
	case *EvalError, *located:
		return nil, err
	case *budgetError:
		offset, length := e.span(n)
		return nil, &located{EvalError{Offset: offset, Length: length, Message: err.Error()}, err}
	}
	return nil, e.fail(n, "%s", err)
}

// located is a budgetError with its place.
type located struct {
	EvalError
	cause error
}

func (l *located) Unwrap() []error { return []error{&l.EvalError, l.cause} }

// absent is the error of using n, which is nil.
func (e *evaluation) absent(n ast.Node) error {
	t := e.types[n]
	why := ""
	switch {
	case t.absent == nil:
	case t.absent.code == CodeMaybeSkipped:
		why = " (the step was skipped)"
	case t.absent.code == CodeUnsetInput:
		why = " (it is not set)"
	}
	return e.fail(n, "%s is absent%s", e.name(n), why)
}

// sure reports whether an operation on n cannot fail for the kind of its value.
func (e *evaluation) sure(nodes ...ast.Node) bool {
	return !slices.ContainsFunc(nodes, func(n ast.Node) bool { return !e.types[n].concrete() })
}

func (e *evaluation) eval(n ast.Node) (any, error) {
	if err := e.tick(); err != nil {
		return e.place(n, nil, err)
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.IntegerNode:
		return n.Value, nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.IdentifierNode:
		for _, l := range slices.Backward(e.locals) {
			if l.name == n.Value {
				return l.value, nil
			}
		}
		return e.env.Values[n.Value], nil
	case *ast.PointerNode:
		top := e.items[len(e.items)-1]
		if n.Name == "index" {
			return top.index, nil
		}
		return top.value, nil
	case *ast.UnaryNode:
		return e.unary(n)
	case *ast.BinaryNode:
		return e.binary(n)
	case *ast.ConditionalNode:
		return e.conditional(n)
	case *ast.ChainNode:
		v, err := e.eval(n.Node)
		if _, short := v.(shorted); short {
			return nil, err
		}
		return v, err
	case *ast.MemberNode:
		return e.member(n)
	case *ast.SliceNode:
		return e.slice(n)
	case *ast.BuiltinNode:
		return e.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		return e.call(n, e.name(n.Callee), n.Arguments)
	case *ast.PredicateNode:
		return e.eval(n.Node)
	case *ast.VariableDeclaratorNode:
		v, err := e.eval(n.Value)
		if err != nil {
			return nil, err
		}
		e.locals = append(e.locals, local{n.Name, v})
		result, err := e.eval(n.Expr)
		e.locals = e.locals[:len(e.locals)-1]
		if err == nil && v == any(failing{}) {
			return v, nil // also when nothing uses it
		}
		return result, err
	case *ast.ArrayNode:
		return e.list(n)
	case *ast.MapNode:
		return e.record(n)
	}
	return nil, e.fail(n, "this is not part of the language")
}

func (e *evaluation) list(n *ast.ArrayNode) (any, error) {
	out := make([]any, len(n.Nodes))
	fails := false
	for i, node := range n.Nodes {
		v, err := e.eval(node)
		if err != nil {
			return nil, err
		}
		fails = fails || v == any(failing{})
		out[i] = v
	}
	if fails {
		return failing{}, nil
	}
	return e.place(n, out, e.grow(len(out)*wordSize))
}

func (e *evaluation) record(n *ast.MapNode) (any, error) {
	out := make(map[string]any, len(n.Pairs))
	open, fails := false, false
	for _, node := range n.Pairs {
		pair, ok := node.(*ast.PairNode)
		if !ok {
			continue
		}
		k, err := e.eval(pair.Key)
		if err != nil {
			return nil, err
		}
		v, err := e.eval(pair.Value)
		if err != nil {
			return nil, err
		}
		word, ok := k.(string)
		switch {
		case unknown(k):
			open = true
			fails = fails || k == any(failing{}) || !e.sure(pair.Key)
		case !ok:
			return nil, e.fail(pair.Key, "a key must be a string, this is %s", shape(k).article())
		}
		fails = fails || v == any(failing{})
		out[word] = v
	}
	if open || fails {
		return unknownIf(!fails), nil
	}
	return e.place(n, out, e.grow(len(out)*2*wordSize))
}

// member reads a member or an element. The known members of a value that is unknown in part stay known.
func (e *evaluation) member(n *ast.MemberNode) (any, error) {
	base, err := e.eval(n.Node)
	if err != nil {
		return nil, err
	}
	if _, short := base.(shorted); short {
		return base, nil
	}
	if base == nil && (n.Optional || chained(n.Node)) {
		return shortOrNil(n), nil
	}
	at, err := e.eval(n.Property)
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, e.absent(n.Node)
	}
	if unknown(base) {
		t := e.types[n.Node]
		if n.Optional || chained(n.Node) {
			t = t.present()
		}
		return unknownIf(t.concrete() && t.kind != listKind && e.sure(n.Property), base, at), nil
	}
	switch from := base.(type) {
	case map[string]any:
		if unknown(at) {
			return unknownIf(e.sure(n.Property), at), nil
		}
		word, ok := at.(string)
		if !ok {
			return nil, e.fail(n.Property, "members are chosen with a string, not with %s", shape(at).article())
		}
		return from[word], nil
	case []any:
		if unknown(at) {
			return failing{}, nil
		}
		i, ok := at.(int)
		if !ok {
			return nil, e.fail(n.Property, "a list is indexed with an int, not with %s", shape(at).article())
		}
		if i < -len(from) || i >= len(from) {
			return nil, e.fail(n, "the list has %d elements, there is none at %d", len(from), i)
		}
		return element(from, i), nil
	}
	return nil, e.fail(n, "%s is %s and has no members", e.name(n.Node), shape(base).article())
}

// shortOrNil ends a chain early. What follows a [ ] in a chain stands outside of it in the tree, and gives nil at once.
func shortOrNil(n *ast.MemberNode) any {
	if n.Optional {
		return shorted{}
	}
	return nil
}

func (e *evaluation) slice(n *ast.SliceNode) (any, error) {
	v, err := e.eval(n.Node)
	if err != nil {
		return nil, err
	}
	bounds := []any{0, nil}
	open, sure := unknown(v), e.sure(n.Node)
	for i, node := range []ast.Node{n.From, n.To} {
		if node == nil {
			continue
		}
		if bounds[i], err = e.eval(node); err != nil {
			return nil, err
		}
		open, sure = open || unknown(bounds[i]), sure && e.sure(node)
	}
	if open {
		return unknownIf(sure, v, bounds[0], bounds[1]), nil
	}
	letters, isText := []rune(nil), false
	list, isList := v.([]any)
	length := len(list)
	if s, ok := v.(string); ok {
		letters, isText = []rune(s), true
		length = len(letters)
	}
	if !isText && !isList {
		return nil, e.use(n.Node, v, "%s has no parts to take")
	}
	from, ok := bounds[0].(int)
	to := length
	if bounds[1] != nil || n.To != nil {
		var isInt bool
		to, isInt = bounds[1].(int)
		ok = ok && isInt
	}
	if !ok {
		return nil, e.fail(n, "a position must be an int")
	}
	if from < 0 {
		from = max(from+length, 0)
	}
	if to < 0 {
		to = max(to+length, 0)
	}
	to = min(to, length)
	from = min(from, to)
	if isText {
		return e.place(n, string(letters[from:to]), e.grow(to-from))
	}
	return list[from:to], nil
}

// use is the error of a value of the wrong kind; format has one %s for it.
func (e *evaluation) use(n ast.Node, v any, format string) error {
	if v == nil {
		return e.absent(n)
	}
	return e.fail(n, strings.ReplaceAll(format, "%s", "%[1]s"), shape(v).article())
}
