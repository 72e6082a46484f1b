package expression

import "fmt"

// The predicate functions that combine the values of their expression. sum and sortBy never see one that is unknown: the
// run can find a sum too large or values without an order, so predicateCall has given up before.

func (p *pass) sum() (any, error) {
	total := p.zero
	for i, v := range p.body {
		if v == nil {
			return nil, fmt.Errorf("element %d is absent", i)
		}
		if i == 0 && scalarShape(v).kind != scalarShape(total).kind {
			total = zeroOf(scalarShape(v)) // the list's type was not known
		}
		var err error
		if total, err = arithmetic("+", total, v); err != nil {
			return nil, err
		}
	}
	if _, ok := total.(string); ok {
		return nil, fmt.Errorf("sum adds numbers or durations, not strings")
	}
	return total, nil
}

func (p *pass) sortBy() (any, error) {
	desc, err := descending(p.order, 0)
	if err != nil {
		return nil, err
	}
	return p.e.sort(p.list, p.body, desc)
}

// groupBy makes a map from each value of the expression to the elements that have it, in their order.
func (p *pass) groupBy() (any, error) {
	if p.open() {
		return Unknown{}, nil
	}
	groups := map[string]any{}
	for i, v := range p.body {
		name, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("groupBy needs a string for each element, this is %s", shape(v).article())
		}
		members, _ := groups[name].([]any)
		groups[name] = append(members, p.list[i])
	}
	return groups, p.e.grow(len(p.list) * 3 * wordSize)
}
