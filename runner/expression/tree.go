package expression

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// source is the text of an expression, to say where a node stands and what it is called.
type source struct {
	text []rune
	base int // offset of the text in the text of the program
}

// span is the stretch of the program's text from the first to the last token of n, brackets included that open or close
// within it.
func (s source) span(n ast.Node) (offset, length int) {
	from, to := s.within(n)
	return s.base + from, to - from
}

func (s source) within(n ast.Node) (from, to int) {
	from = -1
	walk(n, func(n ast.Node) bool {
		if _, ternary := n.(*ast.ConditionalNode); ternary {
			return true // its own place is behind it
		}
		if at := n.Location(); at.To > at.From {
			if from < 0 || at.From < from {
				from = at.From
			}
			to = max(to, at.To)
		}
		return true
	})
	if from < 0 || to > len(s.text) {
		return 0, len(s.text)
	}
	return s.balance(from, to)
}

// balance widens a stretch to the brackets that it cuts off: places of the tree do not include closing ones.
func (s source) balance(from, to int) (int, int) {
	depth, least, end := 0, 0, to
	for i := from; i < len(s.text) && (i < to || depth > 0); i++ {
		switch s.text[i] {
		case '"', '\'', '`':
			i += stringEnd(s.text[i:])
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
			least = min(least, depth)
		}
		end = max(end, i+1)
	}
	if depth > 0 {
		return from, to
	}
	start := from
	for i := from - 1; i >= 0 && least < 0; i-- {
		if s.text[i] == '(' {
			least++
			start = i
		} else if s.text[i] != ' ' {
			return from, to
		}
	}
	return start, min(end, len(s.text))
}

// of is the text of n.
func (s source) of(n ast.Node) string {
	from, to := s.within(n)
	return string(s.text[from:to])
}

// name is what to call the value of n in a message.
func (s source) name(n ast.Node) string {
	if p := path(n); p != nil {
		return strings.Join(p, ".")
	}
	if text := s.of(n); len(text) <= 40 {
		return text
	}
	return "the value"
}

// children are the nodes directly below n, in the order of the text where it has one.
func children(n ast.Node) []ast.Node {
	var out []ast.Node
	add := func(nodes ...ast.Node) {
		for _, c := range nodes {
			if c != nil {
				out = append(out, c)
			}
		}
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		add(n.Node)
	case *ast.BinaryNode:
		add(n.Left, n.Right)
	case *ast.ChainNode:
		add(n.Node)
	case *ast.MemberNode:
		add(n.Node, n.Property)
	case *ast.SliceNode:
		add(n.Node, n.From, n.To)
	case *ast.CallNode:
		add(n.Callee)
		add(n.Arguments...)
	case *ast.BuiltinNode:
		add(n.Arguments...)
	case *ast.PredicateNode:
		add(n.Node)
	case *ast.VariableDeclaratorNode:
		add(n.Value, n.Expr)
	case *ast.SequenceNode:
		add(n.Nodes...)
	case *ast.ConditionalNode:
		add(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		add(n.Nodes...)
	case *ast.MapNode:
		add(n.Pairs...)
	case *ast.PairNode:
		add(n.Key, n.Value)
	}
	return out
}

// chained reports whether n goes on a chain a?.b, like a?.b[0].c: when a is absent, so is the whole.
func chained(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ChainNode:
		return true
	case *ast.MemberNode:
		return chained(n.Node)
	}
	return false
}

// walk visits every node once, parents first. A node can have two parents: `a < b < c` uses b twice.
func walk(root ast.Node, visit func(ast.Node) (descend bool)) {
	seen := map[ast.Node]bool{}
	var step func(ast.Node)
	step = func(n ast.Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if visit(n) {
			for _, c := range children(n) {
				step(c)
			}
		}
	}
	step(root)
}

// path is the chain of names that n reads, [steps take outputs] for steps.take.outputs; nil if it is anything else.
func path(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return []string{n.Value}
	case *ast.ChainNode:
		return path(n.Node)
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok {
			if base := path(n.Node); base != nil {
				return append(base, name.Value)
			}
		}
	}
	return nil
}
