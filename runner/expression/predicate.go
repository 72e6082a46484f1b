package expression

import (
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"
)

// predicate is a function that evaluates an expression for every element of a list.
type predicate struct {
	optional bool // the expression may be left out
	order    bool // a third argument, "asc" or "desc"
	boolean  bool // the expression must be true or false
	result   func(list, body Type) Type
	eval     func(p *pass) (any, error)
}

// pass is one evaluation of a predicate function over a known list.
type pass struct {
	list  []any
	body  []any // the expression's value for each element; may be Unknown, never failing
	order []any
	zero  any // of sum
	e     *evaluation
}

var predicates map[string]*predicate

func init() { // predicates refer to the evaluation, which refers to predicates
	list := func(list, _ Type) Type { return list }
	flag := func(Type, Type) Type { return Bool }
	count := func(Type, Type) Type { return Int }
	found := func(list, _ Type) Type { return orNilFor(list.element(), "there may be none") }
	where := func(Type, Type) Type { return Int.maybe("there may be none") }
	predicates = map[string]*predicate{
		"all":           {boolean: true, result: flag, eval: (*pass).all},
		"any":           {boolean: true, result: flag, eval: (*pass).any},
		"none":          {boolean: true, result: flag, eval: (*pass).none},
		"one":           {boolean: true, result: flag, eval: (*pass).one},
		"filter":        {boolean: true, result: list, eval: (*pass).filter},
		"count":         {boolean: true, optional: true, result: count, eval: (*pass).count},
		"find":          {boolean: true, result: found, eval: (*pass).find},
		"findLast":      {boolean: true, result: found, eval: (*pass).findLast},
		"findIndex":     {boolean: true, result: where, eval: (*pass).findIndex},
		"findLastIndex": {boolean: true, result: where, eval: (*pass).findLastIndex},
		"map":           {result: func(_, body Type) Type { return List(body) }, eval: (*pass).mapped},
		"sum":           {optional: true, result: func(_, body Type) Type { return body }, eval: (*pass).sum},
		"sortBy":        {order: true, result: list, eval: (*pass).sortBy},
		"groupBy":       {result: func(list, _ Type) Type { return Map(list) }, eval: (*pass).groupBy},
	}
}

// predicateCall types a call.
func (c *checker) predicateCall(n ast.Node, name string, p *predicate, args []ast.Node) Type {
	if len(args) < 1 || len(args) < 2 && !p.optional {
		return c.report(n, CodeType, "", "%s takes a list and an expression", name)
	}
	list := c.use(args[0])
	elem := Any
	switch list.kind {
	case listKind:
		elem = list.element()
	case anyKind:
		list = List(Any)
	default:
		c.report(args[0], CodeType, listHint(list), "%s takes a list, this is %s", name, list.article())
		list = List(Any)
	}
	body := elem
	if len(args) > 1 {
		c.items = append(c.items, elem)
		if name == "map" {
			body = c.whole(args[1])
		} else {
			body = c.use(args[1])
		}
		c.types[args[1]] = body
		c.items = c.items[:len(c.items)-1]
	}
	last := args[min(1, len(args)-1)]
	switch {
	case p.boolean && body.kind != boolKind && body.kind != anyKind:
		c.report(last, CodeType, "compare it with something", "%s needs true or false for each element, this is %s", name, body.article())
	case name == "sum" && !body.isNumber() && body.kind != durationKind && body.kind != anyKind:
		return c.report(last, CodeType, "", "sum adds numbers or durations, this is %s", body.article())
	case name == "groupBy" && body.kind != stringKind && body.kind != anyKind:
		c.report(last, CodeType, "string(…) makes one", "groupBy needs a string for each element, this is %s", body.article())
	case name == "sortBy" && !orderable(body) && body.kind != anyKind:
		c.report(last, CodeType, "", "%s has no order", body.article())
	}
	if len(args) > 2 {
		if order := c.use(args[2]); order.kind != anyKind && (order.kind != stringKind || disjoint(order, Enum("asc", "desc"))) {
			c.report(args[2], CodeType, "", `the order is "asc" or "desc"`)
		}
	}
	return c.bounded(n, p.result(list.present(), body))
}

func listHint(t Type) string {
	if isObject(t) {
		return "values(…) is a list of the values of a map"
	}
	return ""
}

// predicateCall evaluates a call. Of a list that is unknown, the expression is evaluated once with an unknown element,
// only to learn whether it can fail.
func (e *evaluation) predicateCall(n ast.Node, p *predicate, args []ast.Node) (any, error) {
	v, err := e.eval(args[0])
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok && !unknown(v) {
		return nil, e.use(args[0], v, "a list is needed here, this is %s")
	}
	open := unknown(v)
	if open {
		list = []any{Unknown{}}
	}
	run := &pass{list: list, body: list, e: e, zero: zeroOf(e.types[n])}
	fails := open && !e.sure(args[0]) || v == any(failing{})
	if len(args) > 1 {
		if err := e.grow(len(list) * wordSize); err != nil {
			return nil, err
		}
		run.body = make([]any, len(list))
	}
	for i := range list {
		value, err := list[i], error(nil)
		if len(args) > 1 {
			var index any = i
			if open {
				index = Unknown{}
			}
			e.items = append(e.items, item{list[i], index})
			value, err = e.eval(args[1])
			e.items = e.items[:len(e.items)-1]
		}
		if err == nil && p.boolean && !unknown(value) {
			if _, ok := value.(bool); !ok {
				err = e.use(args[len(args)-1], value, "true or false is needed here, this is %s")
			}
		}
		switch {
		case err != nil && open && !isBudget(err):
			fails = true
		case err != nil:
			return nil, err
		}
		if unknown(value) && !p.tolerates(e.types[args[len(args)-1]], len(args) > 1) {
			fails = true
		}
		fails = fails || value == any(failing{})
		if len(args) > 1 {
			run.body[i] = value
		}
	}
	if len(args) > 2 {
		order, err := e.eval(args[2])
		if err != nil {
			return nil, err
		}
		if unknown(order) {
			return failing{}, nil
		}
		run.order = []any{order}
	}
	if open || fails {
		return unknownIf(!fails), nil
	}
	return p.eval(run)
}

// tolerates reports whether an unknown value of the expression cannot make the function fail. map takes anything; the
// sum may become too large, an order may not exist.
func (p *predicate) tolerates(t Type, hasBody bool) bool {
	if p.boolean {
		if !hasBody {
			t = t.element()
		}
		return t.concrete()
	}
	return p == predicates["map"] || p == predicates["groupBy"] && t.concrete()
}

func zeroOf(t Type) any {
	switch t.kind {
	case durationKind:
		return time.Duration(0)
	case numberKind:
		return 0.0
	}
	return 0
}

// three folds the expression's values: decides settles the answer at once, else an unknown one leaves it open.
func (p *pass) three(decides, answer, otherwise bool) (any, error) {
	open := false
	for _, v := range p.body {
		if v == any(decides) {
			return answer, nil
		}
		open = open || unknown(v)
	}
	if open {
		return Unknown{}, nil
	}
	return otherwise, nil
}

func (p *pass) all() (any, error)  { return p.three(false, false, true) }
func (p *pass) any() (any, error)  { return p.three(true, true, false) }
func (p *pass) none() (any, error) { return p.three(true, false, true) }

func (p *pass) open() bool { return slices.ContainsFunc(p.body, unknown) }

func (p *pass) one() (any, error) {
	n := 0
	for _, v := range p.body {
		if v == any(true) {
			n++
		}
	}
	if n < 2 && p.open() {
		return Unknown{}, nil
	}
	return n == 1, nil
}

func (p *pass) filter() (any, error) {
	if p.open() {
		return Unknown{}, nil
	}
	out := []any{}
	for i, v := range p.body {
		if v == any(true) {
			out = append(out, p.list[i])
		}
	}
	return out, p.e.grow(len(out) * wordSize)
}

func (p *pass) count() (any, error) {
	if p.open() {
		return Unknown{}, nil
	}
	n := 0
	for _, v := range p.body {
		if v == any(true) {
			n++
		}
	}
	return n, nil
}

// where is the position of the first true from one end; unknown when something unknown comes before it.
func (p *pass) where(backward bool) (int, bool) {
	for step := range p.body {
		i := step
		if backward {
			i = len(p.body) - 1 - step
		}
		if unknown(p.body[i]) {
			return 0, false
		}
		if p.body[i] == any(true) {
			return i, true
		}
	}
	return -1, true
}

func (p *pass) position(backward bool) (any, error) {
	i, known := p.where(backward)
	switch {
	case !known:
		return Unknown{}, nil
	case i < 0:
		return nil, nil
	}
	return i, nil
}

func (p *pass) element(backward bool) (any, error) {
	i, known := p.where(backward)
	switch {
	case !known:
		return Unknown{}, nil
	case i < 0:
		return nil, nil
	}
	return p.list[i], nil
}

func (p *pass) find() (any, error)          { return p.element(false) }
func (p *pass) findLast() (any, error)      { return p.element(true) }
func (p *pass) findIndex() (any, error)     { return p.position(false) }
func (p *pass) findLastIndex() (any, error) { return p.position(true) }

// mapped keeps the length known when values are not.
func (p *pass) mapped() (any, error) { return p.body, nil }
