package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// whole are the functions whose results hold the texts of their arguments as they are, or not at all.
var whole = []string{"join", "first", "last", "get", "filter", "find", "findLast", "concat", "flatten", "values", "sort", "sortBy", "uniq", "take",
	"groupBy", "map", "toPairs", "fromPairs", "string", "reverse"}

// Carries reports whether the result can hold the text of a secret. secret tells of a path of names, as in References,
// whether a secret stands there.
func (p *Program) Carries(secret func(path []string) bool) bool {
	return slices.ContainsFunc(p.parts, func(part part) bool {
		return part.expr != nil && follow(part.expr, secret).of(part.expr.root)
	})
}

// Altered lists the places at which another text is made of that of a secret: one that nobody could know again, and so
// not mask.
func (p *Program) Altered(secret func(path []string) bool) []Problem {
	var problems []Problem
	for _, part := range p.parts {
		if part.expr == nil {
			continue
		}
		t := follow(part.expr, secret)
		walk(part.expr.root, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.BuiltinNode:
				what = n.Name
			case *ast.CallNode:
				what = part.expr.of(n.Callee)
			case *ast.SliceNode:
				what = "a slice"
			default:
				return true
			}
			if !t.of(n) || slices.Contains(whole, what) || what == "a slice" && part.expr.types[n].kind == listKind {
				return true
			}
			problem := Problem{Code: CodeSecret, Message: what + " makes another text of a secret, which could not be masked",
				Suggestion: "use the secret as it is"}
			problem.Offset, problem.Length = part.expr.span(n)
			problems = append(problems, problem)
			return false
		})
	}
	return problems
}

// taint follows secrets through an expression.
type taint struct {
	*checked
	secret func(path []string) bool
	any    bool            // there is a secret somewhere in the expression
	lets   map[string]bool // names that it gives to values itself
}

func follow(c *checked, secret func(path []string) bool) *taint {
	t := &taint{checked: c, secret: secret, lets: map[string]bool{}}
	walk(c.root, func(n ast.Node) bool {
		if let, ok := n.(*ast.VariableDeclaratorNode); ok {
			t.lets[let.Name] = true
		}
		t.any = t.any || t.texts(n) && t.secretPath(path(n))
		return true
	})
	return t
}

// of reports whether the value of n can hold the text of a secret, or of a part of one.
func (t *taint) of(n ast.Node) bool {
	if t.texts(n) && t.secretPath(path(n)) {
		return true
	}
	some := func(nodes ...ast.Node) bool { return slices.ContainsFunc(nodes, t.of) }
	switch n := n.(type) {
	case *ast.PointerNode: // what a predicate is about, and names: not followed further
		return t.any
	case *ast.IdentifierNode:
		return t.any && t.lets[n.Value]
	case *ast.BinaryNode:
		return (n.Operator == "+" || n.Operator == "??") && some(n.Left, n.Right)
	case *ast.ConditionalNode:
		return some(n.Exp1, n.Exp2)
	case *ast.UnaryNode:
		return false
	case *ast.MemberNode:
		return path(n) == nil && t.texts(n) && t.of(n.Node)
	case *ast.BuiltinNode, *ast.CallNode, *ast.SliceNode, *ast.ChainNode, *ast.ArrayNode, *ast.MapNode, *ast.PairNode, *ast.PredicateNode,
		*ast.VariableDeclaratorNode, *ast.SequenceNode:
		return t.texts(n) && some(children(n)...)
	}
	return false
}

// texts reports whether a value of the node's type can hold a text. A node without a type may.
func (t *taint) texts(n ast.Node) bool {
	typ, known := t.types[n]
	if !known {
		return true
	}
	switch typ.kind {
	case boolKind, intKind, numberKind, durationKind, timestampKind, nilKind:
		return false
	}
	return true
}

// secretPath reports whether a secret stands at a path, or below it.
func (t *taint) secretPath(path []string) bool { return path != nil && t.secret(path) }
