package expression

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

// param is what a function accepts in one place.
type param struct {
	what string // "a string"
	ok   func(Type) bool
	soft bool // nil is welcome
}

func oneOf(what string, types ...Type) param {
	return param{what: what, ok: func(t Type) bool {
		return t.kind == anyKind || slices.ContainsFunc(types, func(p Type) bool { return accepts(p, t) })
	}}
}

// accepts reports whether a value of type t may stand where a function takes p.
func accepts(p, t Type) bool {
	switch {
	case p.kind == anyKind || t.kind == anyKind || p.kind == numberKind && t.kind == intKind:
		return true
	case p.kind == listKind && t.kind == listKind:
		return t.element().absent == nil && accepts(p.element(), t.element())
	case p.kind == mapKind:
		return isObject(t)
	}
	return p.kind == t.kind
}

var (
	aString     = oneOf("a string", String)
	anInt       = oneOf("an int", Int)
	aNumber     = oneOf("a number", Number)
	someStrings = oneOf("a list of string", List(String))
	anyList     = oneOf("a list", List(Any))
	aMap        = oneOf("a map", Map(Any))
	sizable     = oneOf("a string, a list or a map", String, List(Any), Map(Any))
	container   = param{what: "a list or a map", soft: true, ok: oneOf("", List(Any), Map(Any), Nil).ok}
	choice      = oneOf("an int or a string", Int, String)
	anything    = param{what: "a value", soft: true, ok: func(Type) bool { return true }}
	printable   = oneOf("a string, number, bool, duration or timestamp", String, Number, Bool, Duration, Timestamp)
	ordered     = oneOf("numbers, strings, durations, timestamps or a list of them",
		Number, String, Duration, Timestamp, List(Number), List(String), List(Duration), List(Timestamp))
	sortable = oneOf("a list of numbers, strings, durations or timestamps",
		List(Number), List(String), List(Duration), List(Timestamp))
)

// function is one that takes values.
type function struct {
	params   []param
	optional int  // how many of the last params may be left out
	variadic bool // the last param may be repeated
	result   func(args []Type) Type
	eval     func(c *call) (any, error)
	total    bool // never fails for arguments of the right types
	partial  bool // looks only at the outside of its arguments: unknown parts inside do no harm
}

// call is one evaluation of a function. The arguments have been compared with its params.
type call struct {
	e    *evaluation
	args []any
}

func (c *call) text(i int) string {
	s, _ := c.args[i].(string)
	return s
}

func (c *call) items(i int) []any {
	l, _ := c.args[i].([]any)
	return l
}

func (c *call) int(i int) int {
	n, _ := c.args[i].(int)
	return n
}

func always(t Type) func([]Type) Type { return func([]Type) Type { return t } }

func first(args []Type) Type { return args[0] }

// disabled are functions of expr that playbooks do not have, and why.
var disabled = map[string]string{
	"now":      "it would differ between plan and run: use run.started_at",
	"date":     "use timestamp(…)",
	"timezone": "timestamps are in UTC",
	"reduce":   "use sum, count, join or filter",
	"repeat":   "its result has no bound",
}

// call types a call of the function called name.
func (c *checker) call(n ast.Node, name string, args []ast.Node) Type {
	if slices.Contains(StatusFunctions, name) {
		return c.statusCall(n, name, args)
	}
	if p := predicates[name]; p != nil {
		return c.predicateCall(n, name, p, args)
	}
	f := functions[name]
	if f == nil {
		return c.unknownFunction(n, name)
	}
	if most := len(f.params); len(args) < most-f.optional || len(args) > most && !f.variadic {
		return c.report(n, CodeType, "", "%s takes %s, found %d", name, f.arity(), len(args))
	}
	types, bad := make([]Type, len(args)), false
	for i, arg := range args {
		p := f.params[min(i, len(f.params)-1)]
		if p.soft {
			types[i] = c.whole(arg)
		} else {
			types[i] = c.use(arg)
		}
		if !p.ok(types[i]) {
			c.report(arg, CodeType, "", "%s takes %s here, this is %s", name, p.what, types[i].article())
			bad = true
		}
	}
	if bad {
		return Any
	}
	c.constant(name, args)
	return c.bounded(n, f.result(types))
}

func (f *function) arity() string {
	least, most := len(f.params)-f.optional, len(f.params)
	switch {
	case f.variadic:
		return fmt.Sprintf("at least %d arguments", least)
	case least < most:
		return fmt.Sprintf("%d to %d arguments", least, most)
	case most == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", most)
}

func (c *checker) statusCall(n ast.Node, name string, args []ast.Node) Type {
	if !slices.Contains(c.scope.Status, name) {
		c.report(n, CodeUnknownName, "use it in the if of a step", "%s() cannot be used here", name)
		return Bool
	}
	if len(args) > 0 {
		c.report(n, CodeType, "", "%s() takes no arguments", name)
	}
	c.status = true
	return Bool
}

func (c *checker) unknownFunction(n ast.Node, name string) Type {
	if why, ok := disabled[name]; ok {
		return c.report(n, CodeUnknownName, why, "%s() is not available in playbooks", name)
	}
	legal := c.functionNames()
	c.problems = append(c.problems, Problem{Offset: c.base + n.Location().From, Length: len([]rune(name)), Code: CodeUnknownName,
		Message: fmt.Sprintf("unknown function %s", name), Allowed: legal, Suggestion: diagnostic.DidYouMean(name, legal)})
	return Any
}

func (c *checker) functionNames() []string {
	var names []string
	for name := range functions {
		names = append(names, name)
	}
	for name := range predicates {
		names = append(names, name)
	}
	slices.Sort(names)
	return append(names, c.scope.Status...)
}

// constant checks units that are written out: duration("30x") is a mistake before the run.
func (c *checker) constant(name string, args []ast.Node) {
	word, ok := args[0].(*ast.StringNode)
	if !ok {
		return
	}
	var err error
	switch name {
	case "duration":
		_, err = c.scope.Units.ParseDuration(word.Value)
	case "size":
		_, err = c.scope.Units.ParseSize(word.Value)
	case "timestamp":
		_, err = c.scope.Units.ParseTimestamp(word.Value)
	}
	if err != nil {
		c.report(word, CodeType, "", "%s", err)
	}
}
