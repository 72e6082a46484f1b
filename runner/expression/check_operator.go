package expression

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

func (c *checker) unary(n *ast.UnaryNode) Type {
	t := c.use(n.Node)
	switch n.Operator {
	case "!", "not":
		if t.kind != boolKind && t.kind != anyKind {
			c.report(n.Node, CodeType, "compare it with something", "%s needs true or false, this is %s", n.Operator, t.article())
		}
		return Bool
	}
	if t.kind != anyKind && !t.isNumber() && t.kind != durationKind {
		return c.report(n, CodeType, "", "%s cannot stand before %s", n.Operator, t.article())
	}
	return Type{kind: t.kind, name: t.name}
}

func (c *checker) binary(n *ast.BinaryNode) Type {
	switch n.Operator {
	case "&&", "and":
		return c.logic(n, true)
	case "||", "or":
		return c.logic(n, false)
	case "==", "!=":
		return c.equality(n)
	case "??":
		l := c.check(n.Left)
		if l.kind == nilKind {
			return c.whole(n.Right)
		}
		return unify(l.present(), c.whole(n.Right))
	}
	l, r := c.use(n.Left), c.use(n.Right)
	switch n.Operator {
	case "<", ">", "<=", ">=":
		ordered := l.kind == r.kind && (l.kind == stringKind || l.kind == durationKind || l.kind == timestampKind) || l.isNumber() && r.isNumber()
		open := l.kind == anyKind && (r.kind == anyKind || orderable(r)) || r.kind == anyKind && orderable(l)
		if !ordered && !open {
			c.report(n, CodeType, unitHint(n, l, r), "cannot compare %s with %s", l.article(), r.article())
		}
		return Bool
	case "in":
		return c.in(n, l, r)
	case "matches", "contains", "startsWith", "endsWith":
		return c.textOperator(n, l, r)
	case "..":
		if (l.kind != intKind && l.kind != anyKind) || (r.kind != intKind && r.kind != anyKind) {
			c.report(n, CodeType, "", "a range goes from an int to an int")
		}
		return List(Int)
	}
	if t, ok := arithmeticType(n.Operator, l, r); ok {
		return t
	}
	suggestion := unitHint(n, l, r)
	if n.Operator == "+" && (l.kind == stringKind && r.isNumber() || r.kind == stringKind && l.isNumber()) {
		suggestion = "string(…) makes a string of a value"
	}
	return c.report(n, CodeType, suggestion, "%s does not go between %s and %s", n.Operator, l.article(), r.article())
}

func orderable(t Type) bool {
	return t.isNumber() || t.kind == stringKind || t.kind == durationKind || t.kind == timestampKind
}

// arithmeticType is the type of l op r.
func arithmeticType(op string, l, r Type) (Type, bool) {
	numbers := l.isNumber() && r.isNumber()
	promoted := Number
	if l.kind == intKind && r.kind == intKind {
		promoted = Int
		if l.name == r.name || op != "*" {
			promoted.name = l.name
		}
		if r.name != l.name && l.name == "" {
			promoted.name = r.name
		}
	}
	is := func(a, b kind) bool { return l.kind == a && r.kind == b }
	switch {
	case l.kind == anyKind || r.kind == anyKind:
		return Any, true
	case numbers && (op == "+" || op == "-" || op == "*"):
		return promoted, true
	case numbers && (op == "/" || op == "**" || op == "^"):
		return Number, true
	case op == "%" && is(intKind, intKind):
		return Int, true
	case op == "+" && is(stringKind, stringKind):
		return String, true
	case (op == "+" || op == "-") && is(durationKind, durationKind):
		return Duration, true
	case (op == "+" || op == "-") && is(timestampKind, durationKind), op == "+" && is(durationKind, timestampKind):
		return Timestamp, true
	case op == "-" && is(timestampKind, timestampKind):
		return Duration, true
	case op == "*" && (l.kind == durationKind && r.isNumber() || r.kind == durationKind && l.isNumber()):
		return Duration, true
	case op == "/" && l.kind == durationKind && r.isNumber():
		return Duration, true
	case op == "/" && is(durationKind, durationKind):
		return Number, true
	}
	return Any, false
}

func (c *checker) logic(n *ast.BinaryNode, and bool) Type {
	side := func(n ast.Node, operator string) {
		if t := c.use(n); t.kind != boolKind && t.kind != anyKind {
			c.report(n, CodeType, "compare it with something", "%s needs true or false on either side, this is %s", operator, t.article())
		}
	}
	side(n.Left, n.Operator)
	c.given(n.Left, and, func() { side(n.Right, n.Operator) })
	return Bool
}

func (c *checker) equality(n *ast.BinaryNode) Type {
	l, r := c.check(n.Left), c.check(n.Right)
	switch {
	case !canEqual(l, r):
		c.report(n, CodeType, unitHint(n, l, r), "cannot compare %s with %s", l.article(), r.article())
	case disjoint(l, r):
		side, limited, other := n.Left, l, r
		if _, constant := n.Left.(*ast.StringNode); constant {
			side, limited, other = n.Right, r, l
		}
		c.report(n, CodeType, diagnostic.DidYouMean(other.enum[0], limited.enum), "%s is never %q", c.name(side), strings.Join(other.enum, ", "))
		c.problems[len(c.problems)-1].Allowed = limited.enum
	}
	return Bool
}

func (c *checker) in(n *ast.BinaryNode, l, r Type) Type {
	switch {
	case r.kind == anyKind:
	case r.kind == listKind && !canEqual(l, r.element()):
		c.report(n, CodeType, unitHint(n, l, r.element()), "%s cannot be in a %s", l.article(), r)
	case r.kind == listKind && disjoint(l, r.element()):
		c.report(n, CodeType, "", "%s is never one of %s", c.name(n.Left), strings.Join(r.element().enum, ", "))
		c.problems[len(c.problems)-1].Allowed = l.enum
	case isObject(r) && l.kind != stringKind && l.kind != anyKind:
		c.report(n, CodeType, "", "the names in %s are strings, not %s", r.article(), l.article())
	case r.kind == stringKind:
		c.report(n, CodeType, "write text contains part", "in looks into lists and maps, not into strings")
	case r.kind != listKind && !isObject(r):
		c.report(n, CodeType, "", "in looks into lists and maps, not into %s", r.article())
	}
	return Bool
}

func (c *checker) textOperator(n *ast.BinaryNode, l, r Type) Type {
	for i, t := range []Type{l, r} {
		if t.kind != stringKind && t.kind != anyKind {
			suggestion := ""
			if i == 0 && t.kind == listKind && n.Operator == "contains" {
				suggestion = fmt.Sprintf("write %s in %s", c.of(n.Right), c.of(n.Left))
			}
			c.report(n, CodeType, suggestion, "%s stands between strings, this is %s", n.Operator, t.article())
			return Bool
		}
	}
	if pattern, ok := n.Right.(*ast.StringNode); ok && n.Operator == "matches" {
		re, err := regexp.Compile(pattern.Value)
		if err != nil {
			c.report(n.Right, CodeType, "", "the pattern is wrong: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		c.regexps[n] = re
	}
	return Bool
}

func (c *checker) conditional(n *ast.ConditionalNode) Type {
	if t := c.use(n.Cond); t.kind != boolKind && t.kind != anyKind {
		c.report(n.Cond, CodeType, "compare it with something", "the condition before ? must be true or false, this is %s", t.article())
	}
	var a, b Type
	c.given(n.Cond, true, func() { a = c.whole(n.Exp1) })
	c.given(n.Cond, false, func() { b = c.whole(n.Exp2) })
	return c.bounded(n, unify(a, b))
}

// unitHint is for text compared or combined with a type that is written as text elsewhere in a playbook.
func unitHint(n *ast.BinaryNode, l, r Type) string {
	text, other := n.Right, l
	if _, ok := n.Left.(*ast.StringNode); ok {
		text, other = n.Left, r
	}
	word, ok := text.(*ast.StringNode)
	if !ok {
		return ""
	}
	switch {
	case other.kind == durationKind:
		return fmt.Sprintf("write duration(%q)", word.Value)
	case other.kind == timestampKind:
		return fmt.Sprintf("write timestamp(%q)", word.Value)
	case other.name == "size":
		return fmt.Sprintf("write size(%q)", word.Value)
	case other.isNumber():
		return "write the number without quotes"
	}
	return ""
}
