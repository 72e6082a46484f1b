package expression

import (
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

func (c *checker) member(n *ast.MemberNode) Type {
	refs := len(c.refs)
	base := c.check(n.Node)
	if p := path(n); p != nil && len(c.refs) > refs { // the longer path says it all
		c.refs[len(c.refs)-1] = p
	}
	if base.kind == nilKind {
		return c.report(n, CodeType, "", "nil has no members")
	}
	lost := base.absent
	if lost != nil && !n.Optional && !chained(n.Node) {
		c.reportAbsent(n.Node, base, c.optionalChain(n))
		lost = nil
	}
	t := c.memberOf(n, base.present())
	if lost != nil && t.absent == nil && t.kind != nilKind {
		t.absent = &absence{code: lost.code, reason: lost.reason}
	}
	return t
}

// optionalChain is how to write the member so that an absent value does no harm.
func (c *checker) optionalChain(n *ast.MemberNode) string {
	base := c.of(n.Node)
	if property, ok := n.Property.(*ast.StringNode); ok {
		return "(" + base + "?." + property.Value + " ?? a fallback)"
	}
	return "(" + base + "?.[" + c.of(n.Property) + "] ?? a fallback)"
}

func (c *checker) memberOf(n *ast.MemberNode, base Type) Type {
	word, constant := n.Property.(*ast.StringNode)
	if !constant {
		return c.index(n, base)
	}
	c.types[n.Property] = Enum(word.Value)
	switch base.kind {
	case anyKind:
		return Any
	case mapKind:
		return orMissing(base.element())
	case recordKind:
		if t, ok := base.Field(word.Value); ok {
			return t
		}
		full := word.Value
		if p := path(n.Node); p != nil {
			full = strings.Join(append(p, word.Value), ".")
		}
		suggestion := c.dashHint(n.Property, word.Value)
		if suggestion == "" {
			suggestion = diagnostic.DidYouMean(word.Value, base.names())
		}
		c.report(n.Property, CodeUnknownName, suggestion, "unknown name %s", full)
		c.problems[len(c.problems)-1].Allowed = base.names()
		return Any
	}
	return c.report(n.Property, CodeType, "", "%s is %s and has no member %s", c.name(n.Node), base.article(), word.Value)
}

// orMissing is the type of a map's value under a name that the map may not have.
func orMissing(elem Type) Type {
	if elem.absent != nil || elem.kind == nilKind {
		return elem
	}
	return elem.maybe("the map may not have it")
}

func (c *checker) index(n *ast.MemberNode, base Type) Type {
	at := c.use(n.Property)
	switch base.kind {
	case anyKind:
		return Any
	case listKind:
		if at.kind != intKind && at.kind != anyKind {
			return c.report(n.Property, CodeType, "", "a list is indexed with an int, not with %s", at.article())
		}
		return base.element()
	case mapKind, recordKind:
		if at.kind != stringKind && at.kind != anyKind {
			return c.report(n.Property, CodeType, "", "members are chosen with a string, not with %s", at.article())
		}
		_, elem, _ := base.Iterable()
		return orMissing(elem)
	case stringKind:
		return c.report(n, CodeType, "write s[0:1] for a letter of a string", "a string has no elements")
	}
	return c.report(n, CodeType, "", "%s is %s and has no elements", c.name(n.Node), base.article())
}

func (c *checker) slice(n *ast.SliceNode) Type {
	t := c.use(n.Node)
	for _, bound := range []ast.Node{n.From, n.To} {
		if bound == nil {
			continue
		}
		if b := c.use(bound); b.kind != intKind && b.kind != anyKind {
			c.report(bound, CodeType, "", "a position must be an int, this is %s", b.article())
		}
	}
	switch t.kind {
	case stringKind:
		return String
	case listKind, anyKind:
		return t
	}
	return c.report(n, CodeType, "", "%s has no parts to take", t.article())
}
