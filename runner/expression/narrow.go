package expression

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// key is a path as one word; no name holds the separator.
func key(path []string) string { return strings.Join(path, "\x00") }

// given runs f with what is known to be there when cond has the given truth: in `a != nil && …`, a.
func (c *checker) given(cond ast.Node, truth bool, f func()) {
	paths := proves(cond, truth)
	for _, p := range paths {
		c.present[p]++
	}
	f()
	for _, p := range paths {
		c.present[p]--
	}
}

// proves lists the paths that are not nil when n has the given truth.
func proves(n ast.Node, truth bool) []string {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return proves(n.Node, !truth)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and":
			if truth {
				return append(proves(n.Left, true), proves(n.Right, true)...)
			}
		case "||", "or":
			if !truth {
				return append(proves(n.Left, false), proves(n.Right, false)...)
			}
		case "!=":
			if truth {
				return notNil(n)
			}
		case "==":
			if !truth {
				return notNil(n)
			}
		}
	}
	return nil
}

// notNil lists the path that n compares with nil, and all that it starts with: a?.b is nil when a is.
func notNil(n *ast.BinaryNode) []string {
	side := n.Left
	if _, ok := n.Left.(*ast.NilNode); ok {
		side = n.Right
	} else if _, ok := n.Right.(*ast.NilNode); !ok {
		return nil
	}
	var out []string
	for p := path(side); len(p) > 0; p = p[:len(p)-1] {
		out = append(out, key(p))
	}
	return out
}
