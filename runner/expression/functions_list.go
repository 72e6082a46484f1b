package expression

import (
	"fmt"
	"slices"
)

func elementType(args []Type) Type {
	return orNilFor(args[0].element(), "the list may be empty")
}

func orNilFor(t Type, reason string) Type {
	if t.absent != nil || t.kind == nilKind {
		return t
	}
	return t.maybe(reason)
}

func valuesType(args []Type) Type {
	_, elem, _ := args[0].Iterable()
	return List(elem)
}

func concatType(args []Type) Type {
	t := args[0]
	for _, a := range args[1:] {
		t = unify(t, a)
	}
	return t
}

func flatType(args []Type) Type {
	t := args[0]
	for t.kind == listKind {
		t = t.element()
	}
	return List(t)
}

// getType: get(map, name) and get(list, position) give nil where there is nothing.
func getType(args []Type) Type {
	switch args[0].kind {
	case listKind:
		return orNilFor(args[0].element(), "the list may be shorter")
	case mapKind, recordKind:
		_, elem, _ := args[0].Iterable()
		return orMissing(elem)
	}
	return Any
}

func get(c *call) (any, error) {
	switch from := c.args[0].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		if name, ok := c.args[1].(string); ok {
			return from[name], nil
		}
		return nil, fmt.Errorf("get takes a string for a map, this is %s", scalarShape(c.args[1]).article())
	case []any:
		i, ok := c.args[1].(int)
		if !ok {
			return nil, fmt.Errorf("get takes an int for a list, this is %s", scalarShape(c.args[1]).article())
		}
		return element(from, i), nil
	}
	return nil, fmt.Errorf("get takes a list or a map, this is %s", scalarShape(c.args[0]).article())
}

// element is nil outside of the list; negative positions count from its end.
func element(list []any, i int) any {
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

func at(i int) func(*call) (any, error) {
	return func(c *call) (any, error) { return element(c.items(0), i), nil }
}

func take(c *call) (any, error) {
	list := c.items(0)
	return list[:min(max(c.int(1), 0), len(list))], nil
}

// keys come sorted: maps have no order.
func keys(c *call) (any, error) {
	m, _ := c.args[0].(map[string]any)
	out := make([]any, 0, len(m))
	for _, name := range sortedKeys(m) {
		out = append(out, name)
	}
	return out, c.e.grow(len(out) * wordSize)
}

// values come in the order of their keys.
func values(c *call) (any, error) {
	m, _ := c.args[0].(map[string]any)
	out := make([]any, 0, len(m))
	for _, name := range sortedKeys(m) {
		out = append(out, m[name])
	}
	return out, c.e.grow(len(out) * wordSize)
}

func reverse(c *call) (any, error) {
	out := slices.Clone(c.items(0))
	slices.Reverse(out)
	return out, c.e.grow(len(out) * wordSize)
}

func concat(c *call) (any, error) {
	out := []any{}
	for i := range c.args {
		if err := c.e.grow(len(c.items(i)) * wordSize); err != nil {
			return nil, err
		}
		out = append(out, c.items(i)...)
	}
	return out, nil
}

func flatten(c *call) (any, error) {
	out := []any{}
	var add func([]any) error
	add = func(list []any) error {
		for _, v := range list {
			if err := c.e.grow(wordSize); err != nil {
				return err
			}
			if inner, ok := v.([]any); ok {
				if err := add(inner); err != nil {
					return err
				}
				continue
			}
			out = append(out, v)
		}
		return nil
	}
	return out, add(c.items(0))
}

func uniq(c *call) (any, error) {
	out := []any{}
	for _, v := range c.items(0) {
		seen := false
		for _, o := range out {
			same, err := c.e.equal(v, o)
			if err != nil {
				return nil, err
			}
			if seen = same == yes; seen {
				break
			}
		}
		if !seen {
			out = append(out, v)
		}
	}
	return out, c.e.grow(len(out) * wordSize)
}

func sorted(c *call) (any, error) {
	desc, err := descending(c.args, 1)
	if err != nil {
		return nil, err
	}
	list := c.items(0)
	return c.e.sort(list, list, desc)
}

func descending(args []any, i int) (bool, error) {
	if len(args) <= i {
		return false, nil
	}
	switch args[i] {
	case "asc":
		return false, nil
	case "desc":
		return true, nil
	}
	return false, fmt.Errorf(`the order is "asc" or "desc"`)
}

// sort orders list by the keys beside it; equal ones keep their order.
func (e *evaluation) sort(list, by []any, desc bool) ([]any, error) {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	var failed error
	slices.SortStableFunc(order, func(a, b int) int {
		if err := e.tick(); err != nil && failed == nil {
			failed = err
		}
		d, err := compare(by[a], by[b])
		if err != nil && failed == nil {
			failed = err
		}
		if desc {
			return -d
		}
		return d
	})
	if failed != nil {
		return nil, failed
	}
	out := make([]any, len(list))
	for i, from := range order {
		out[i] = list[from]
	}
	return out, e.grow(len(out) * wordSize)
}

// extremeType: of one list, or of several values.
func extremeType(args []Type) Type {
	if len(args) == 1 && args[0].kind == listKind {
		return orNilFor(args[0].element(), "the list may be empty")
	}
	t := args[0].present()
	for _, a := range args[1:] {
		t = unify(t, a.present())
	}
	return t
}

// extreme is min (-1) or max (+1).
func extreme(sign int) func(*call) (any, error) {
	return func(c *call) (any, error) {
		list := c.args
		if inner, ok := c.args[0].([]any); ok && len(c.args) == 1 {
			list = inner
		}
		var best any
		for i, v := range list {
			d, err := compare(v, v) // refuses what has no order, also when it is alone
			if err == nil && i > 0 {
				d, err = compare(v, best)
			}
			if err != nil {
				return nil, err
			}
			if i == 0 || d*sign > 0 {
				best = v
			}
			if err := c.e.tick(); err != nil {
				return nil, err
			}
		}
		return best, nil
	}
}
