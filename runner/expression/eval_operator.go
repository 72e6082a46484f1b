package expression

import (
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

func (e *evaluation) unary(n *ast.UnaryNode) (any, error) {
	v, err := e.eval(n.Node)
	if err != nil {
		return nil, err
	}
	not := n.Operator == "!" || n.Operator == "not"
	if unknown(v) {
		return unknownIf(e.sure(n.Node) && (not || n.Operator == "+"), v), nil
	}
	if not {
		b, ok := v.(bool)
		if !ok {
			return nil, e.use(n.Node, v, n.Operator+" needs true or false, this is %s")
		}
		return !b, nil
	}
	if v == nil {
		return nil, e.absent(n.Node)
	}
	negative, err := negate(v)
	if n.Operator == "+" && (err == nil || err == errTooLarge) {
		return v, nil
	}
	return e.place(n, negative, err)
}

func (e *evaluation) binary(n *ast.BinaryNode) (any, error) {
	switch n.Operator {
	case "&&", "and":
		return e.logic(n, false)
	case "||", "or":
		return e.logic(n, true)
	case "??":
		return e.fallback(n)
	}
	l, err := e.eval(n.Left)
	if err != nil {
		return nil, err
	}
	r, err := e.eval(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "==", "!=":
		v, err := e.equality(n, l, r)
		return e.place(n, v, err)
	case "in":
		return e.contained(n, l, r)
	}
	if l == nil {
		return nil, e.absent(n.Left)
	}
	if r == nil {
		return nil, e.absent(n.Right)
	}
	if unknown(l) || unknown(r) {
		return unknownIf(e.cannotFail(n, r), l, r), nil
	}
	switch n.Operator {
	case "<", ">", "<=", ">=":
		order, err := compare(l, r)
		return e.place(n, ordering(n.Operator, order), err)
	case "matches", "contains", "startsWith", "endsWith":
		return e.textOperator(n, l, r)
	case "..":
		return e.interval(n, l, r)
	}
	v, err := arithmetic(n.Operator, l, r)
	if s, ok := v.(string); ok {
		return e.place(n, s, e.grow(len(s)))
	}
	return e.place(n, v, err)
}

// cannotFail reports whether the operator has a result for all values of the operands' types.
func (e *evaluation) cannotFail(n *ast.BinaryNode, r any) bool {
	if !e.sure(n.Left, n.Right) {
		return false
	}
	switch n.Operator {
	case "<", ">", "<=", ">=", "contains", "startsWith", "endsWith":
		return true
	case "matches":
		return e.regexps[n] != nil
	case "+":
		return e.types[n].kind == stringKind
	case "/":
		// a known divisor from 1 up makes nothing too large
		return e.types[n].kind == numberKind && e.types[n.Left].isNumber() && !unknown(r) && float(r) >= 1
	}
	return false
}

func ordering(op string, order int) bool {
	switch op {
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	}
	return order >= 0
}

// logic is && (decided by false) and || (decided by true), in three values. A known operand on either side may decide
// while the other is unknown, provided that the other cannot fail instead.
func (e *evaluation) logic(n *ast.BinaryNode, decides bool) (any, error) {
	l, err := e.truth(n.Left, n.Operator)
	if err != nil || l == any(decides) {
		return l, err
	}
	r, err := e.truth(n.Right, n.Operator)
	if !unknown(l) {
		return r, err
	}
	switch {
	case err != nil && isBudget(err):
		return nil, err
	case err != nil: // the run may not come here
		return failing{}, nil
	case r == any(decides) && l == any(Unknown{}):
		return decides, nil
	}
	return unknownIf(true, l, r), nil
}

// truth is a bool or unknown.
func (e *evaluation) truth(n ast.Node, operator string) (any, error) {
	v, err := e.eval(n)
	if err != nil {
		return nil, err
	}
	if unknown(v) {
		return unknownIf(e.sure(n), v), nil
	}
	if _, ok := v.(bool); !ok {
		return nil, e.use(n, v, operator+" needs true or false, this is %s")
	}
	return v, nil
}

func (e *evaluation) conditional(n *ast.ConditionalNode) (any, error) {
	cond, err := e.truth(n.Cond, "?")
	if err != nil {
		return nil, err
	}
	switch {
	case cond == any(true) && n.Exp1 == n.Cond: // a ?: b has a twice in the tree
		return cond, nil
	case cond == any(true):
		return e.eval(n.Exp1)
	case cond == any(false):
		return e.eval(n.Exp2)
	}
	a, errA := e.eval(n.Exp1)
	b, errB := e.eval(n.Exp2)
	for _, err := range []error{errA, errB} {
		if err != nil && isBudget(err) {
			return nil, err
		}
	}
	if errA != nil || errB != nil {
		return failing{}, nil
	}
	if cond == any(Unknown{}) { // both branches alike: it does not matter which
		same, err := e.equal(a, b)
		if err != nil {
			return e.place(n, nil, err)
		}
		if same == yes && sameKind(a, b) {
			return a, nil
		}
	}
	return unknownIf(true, cond, a, b), nil
}

// sameKind: 1 and 1.0 are equal and still not the same value; only plain values are looked at.
func sameKind(a, b any) bool {
	switch a.(type) {
	case nil, bool, string, int:
		return a == b
	}
	return false
}

func (e *evaluation) fallback(n *ast.BinaryNode) (any, error) {
	l, err := e.eval(n.Left)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return e.eval(n.Right)
	}
	if !unknown(l) || e.types[n.Left].concrete() {
		return l, nil
	}
	r, err := e.eval(n.Right)
	switch {
	case err != nil && isBudget(err):
		return nil, err
	case err != nil:
		return failing{}, nil
	}
	return unknownIf(true, l, r), nil
}

func (e *evaluation) equality(n *ast.BinaryNode, l, r any) (any, error) {
	if l == any(failing{}) || r == any(failing{}) {
		return failing{}, nil
	}
	same, err := e.equal(l, r)
	if err != nil {
		return nil, err
	}
	if l == nil && unknown(r) && e.sure(n.Right) || r == nil && unknown(l) && e.sure(n.Left) {
		same = no // a value of that type is never absent
	}
	return answer(same, n.Operator == "!="), nil
}

func answer(t truth, negated bool) any {
	if t == maybe {
		return Unknown{}
	}
	return (t == yes) != negated
}

func (e *evaluation) contained(n *ast.BinaryNode, l, r any) (any, error) {
	if r == nil {
		return nil, e.absent(n.Right)
	}
	if l == any(failing{}) || unknown(r) {
		return unknownIf(e.sure(n.Right), l, r), nil
	}
	switch within := r.(type) {
	case []any:
		found, err := e.in(l, within)
		return e.place(n, answer(found, false), err)
	case map[string]any:
		if unknown(l) {
			return unknownIf(e.sure(n.Left), l), nil
		}
		word, ok := l.(string)
		if !ok {
			return nil, e.use(n.Left, l, "the names of a map are strings, not %s")
		}
		_, found := within[word]
		return found, nil
	}
	return nil, e.use(n.Right, r, "in looks into lists and maps, not into %s")
}

func (e *evaluation) textOperator(n *ast.BinaryNode, l, r any) (any, error) {
	text, ok := l.(string)
	if !ok {
		return nil, e.use(n.Left, l, n.Operator+" stands between strings, this is %s")
	}
	part, ok := r.(string)
	if !ok {
		return nil, e.use(n.Right, r, n.Operator+" stands between strings, this is %s")
	}
	switch n.Operator {
	case "contains":
		return strings.Contains(text, part), nil
	case "startsWith":
		return strings.HasPrefix(text, part), nil
	case "endsWith":
		return strings.HasSuffix(text, part), nil
	}
	re := e.regexps[n]
	if re == nil {
		if len(part) > maxBytes {
			return nil, e.fail(n.Right, "the pattern is longer than %d bytes", maxBytes)
		}
		var err error
		if re, err = regexp.Compile(part); err != nil {
			return nil, e.fail(n.Right, "the pattern is wrong: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	return re.MatchString(text), nil
}

// interval is the list l, l+1 … r; empty when r is smaller.
func (e *evaluation) interval(n *ast.BinaryNode, l, r any) (any, error) {
	from, ok := l.(int)
	to, ok2 := r.(int)
	if !ok || !ok2 {
		return nil, e.fail(n, "a range goes from an int to an int")
	}
	size := 0
	if from <= to {
		size = to - from + 1
	}
	if size < 0 || size > maxMemory/wordSize {
		return e.place(n, nil, errExpensive)
	}
	out := make([]any, size)
	for i := range out {
		out[i] = from + i
	}
	return e.place(n, out, e.grow(size*wordSize))
}
