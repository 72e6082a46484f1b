package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

// maxWeight bounds the types of list and map literals: let a = {x: b, y: b} doubles them in a line.
const maxWeight = 10_000

// checker types one expression and gathers all of its problems. A wrong part has the type Any, so that one mistake is
// reported once.
type checker struct {
	source
	scope    Scope
	types    map[ast.Node]Type
	regexps  map[ast.Node]*regexp.Regexp // of matches with a constant pattern
	locals   []Field                     // let, innermost last
	items    []Type                      // of # in nested predicates, innermost last
	present  map[string]int              // paths that the surrounding condition showed to be there
	refs     [][]string
	status   bool
	dashEnd  int // end of an id with a - that has been reported
	problems []Problem
}

func newChecker(scope Scope, text string, base int) *checker {
	return &checker{source: source{[]rune(text), base}, scope: scope, types: map[ast.Node]Type{},
		regexps: map[ast.Node]*regexp.Regexp{}, present: map[string]int{}}
}

// report adds a problem at n and returns Any.
func (c *checker) report(n ast.Node, code, suggestion, format string, args ...any) Type {
	offset, length := c.span(n)
	c.problems = append(c.problems, Problem{Offset: offset, Length: length, Code: code,
		Message: fmt.Sprintf(format, args...), Suggestion: suggestion})
	return Any
}

// check is the type of n. A value that may be absent keeps that in its type.
func (c *checker) check(n ast.Node) Type {
	if t, ok := c.types[n]; ok {
		return t // a node with two parents
	}
	t := c.typeOf(n)
	if t.absent != nil && len(c.present) > 0 && c.present[key(path(n))] > 0 {
		t = t.present()
	}
	c.types[n] = t
	return t
}

// use is the type of n where something is done with the value, so that it must be there.
func (c *checker) use(n ast.Node) Type {
	t := c.check(n)
	if t.kind == nilKind {
		return c.report(n, CodeType, "", "nil cannot be used here")
	}
	if t.absent != nil {
		c.reportAbsent(n, t, "")
	}
	return t.present()
}

// whole is the type of n where the value is only passed on: as the result, an element, a member.
func (c *checker) whole(n ast.Node) Type {
	t := c.check(n)
	if t.absent != nil && t.absent.strict {
		c.reportAbsent(n, t, "")
		return t.present()
	}
	return t
}

// reportAbsent reports that n may be absent; fixed is what to write instead, if it is known.
func (c *checker) reportAbsent(n ast.Node, t Type, fixed string) {
	if fixed == "" {
		fixed = "(" + c.of(n) + " ?? a fallback)"
	}
	c.report(n, t.absent.code, "write "+fixed, "%s may be absent: %s", c.name(n), t.absent.reason)
}

func (c *checker) typeOf(n ast.Node) Type {
	switch n := n.(type) {
	case *ast.NilNode:
		return Nil
	case *ast.BoolNode:
		return Bool
	case *ast.IntegerNode:
		return Int
	case *ast.FloatNode:
		return Number
	case *ast.StringNode:
		return Enum(n.Value)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.ChainNode:
		return c.check(n.Node)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, id.Value, n.Arguments)
		}
		return c.report(n, CodeType, "", "only functions can be called, and a value has none of its own")
	case *ast.PredicateNode:
		return c.check(n.Node)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.ArrayNode:
		return c.list(n)
	case *ast.MapNode:
		return c.record(n)
	case *ast.SequenceNode:
		return c.report(n, CodeSyntax, "remove the ;", "an expression is a single value")
	case *ast.BytesNode:
		return c.report(n, CodeType, `remove the b before the string`, "byte strings are not part of the language")
	}
	return c.report(n, CodeSyntax, "", "this is not part of the language")
}

func (c *checker) identifier(n *ast.IdentifierNode) Type {
	for _, l := range slices.Backward(c.locals) {
		if l.Name == n.Value {
			return l.Type
		}
	}
	for _, f := range c.scope.Names {
		if f.Name == n.Value {
			c.reference(n)
			return f.Type
		}
	}
	if n.Location().From < c.dashEnd {
		return Any
	}
	names := make([]string, 0, len(c.scope.Names))
	for _, f := range c.scope.Names {
		names = append(names, f.Name)
	}
	suggestion := diagnostic.DidYouMean(n.Value, names)
	switch {
	case n.Value == "$env":
		suggestion = ""
	case suggestion == "" && (functions[n.Value] != nil || predicates[n.Value] != nil || slices.Contains(c.scope.Status, n.Value)):
		suggestion = fmt.Sprintf("%s is a function: write %s(…)", n.Value, n.Value)
	case suggestion == "":
		suggestion = c.dashHint(n, n.Value)
	}
	if suggestion == "" {
		suggestion = fmt.Sprintf("text stands in quotes: %q", n.Value)
	}
	c.report(n, CodeUnknownName, suggestion, "unknown name %s", n.Value)
	c.problems[len(c.problems)-1].Allowed = names
	return Any
}

// dashHint explains steps.my-step.x, which reads as steps.my minus step.x.
func (c *checker) dashHint(n ast.Node, word string) string {
	at := n.Location()
	match := dashed().FindString(string(c.text[min(at.To, len(c.text)):]))
	if match == "" {
		return ""
	}
	c.dashEnd = at.To + len(match)
	whole := word + match
	return fmt.Sprintf("ids have no -, %s reads as a subtraction: name it %s", whole, strings.ReplaceAll(whole, "-", "_"))
}

var dashed = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-[A-Za-z_][A-Za-z0-9_-]*`) })

func (c *checker) reference(n ast.Node) {
	if p := path(n); p != nil {
		c.refs = append(c.refs, p)
	}
}

func (c *checker) pointer(n *ast.PointerNode) Type {
	switch {
	case len(c.items) == 0:
		return c.report(n, CodeSyntax, "", "# stands only inside filter, map and the like")
	case n.Name == "":
		return c.items[len(c.items)-1]
	case n.Name == "index":
		return Int
	}
	return c.report(n, CodeUnknownName, "use # or #index", "unknown name #%s", n.Name)
}

func (c *checker) let(n *ast.VariableDeclaratorNode) Type {
	if functions[n.Name] != nil || predicates[n.Name] != nil {
		c.report(n.Value, CodeType, "choose another name", "%s is the name of a function", n.Name)
	}
	for _, f := range append(slices.Clone(c.scope.Names), c.locals...) {
		if f.Name == n.Name {
			c.report(n.Value, CodeType, "choose another name", "%s has a meaning already", n.Name)
		}
	}
	c.locals = append(c.locals, Field{n.Name, c.whole(n.Value)})
	t := c.whole(n.Expr)
	c.locals = c.locals[:len(c.locals)-1]
	return t
}

func (c *checker) list(n *ast.ArrayNode) Type {
	if len(n.Nodes) == 0 {
		t := List(Any)
		t.empty = true
		return t
	}
	elem := c.whole(n.Nodes[0])
	for _, e := range n.Nodes[1:] {
		elem = unify(elem, c.whole(e))
	}
	return c.bounded(n, List(elem))
}

func (c *checker) record(n *ast.MapNode) Type {
	var fields []Field
	values, constant := Nil, true
	for _, node := range n.Pairs {
		pair, ok := node.(*ast.PairNode)
		if !ok {
			continue
		}
		value := c.whole(pair.Value)
		if len(fields) == 0 && constant {
			values = value
		} else {
			values = unify(values, value)
		}
		name, ok := pair.Key.(*ast.StringNode)
		if !ok {
			constant = false
			if key := c.use(pair.Key); key.kind != stringKind && key.kind != anyKind {
				c.report(pair.Key, CodeType, "", "a key must be a string, this is %s", key.article())
			}
			continue
		}
		if slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name.Value }) {
			c.report(name, CodeSyntax, "remove one of them", "the key %s stands twice", name.Value)
		}
		fields = append(fields, Field{name.Value, value})
	}
	if !constant {
		return c.bounded(n, Map(values))
	}
	t := Record(fields...)
	t.empty = len(fields) == 0
	return c.bounded(n, t)
}

func (c *checker) bounded(n ast.Node, t Type) Type {
	if t.weight > maxWeight {
		return c.report(n, CodeLimit, "", "the value is too large")
	}
	return t
}
