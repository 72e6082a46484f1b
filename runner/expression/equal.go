package expression

import (
	"time"
)

// truth is the answer to a question about values that may be unknown.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func of(b bool) truth {
	if b {
		return yes
	}
	return no
}

// equal compares two values deeply. Numbers are equal by value, timestamps by instant; a member that is nil equals one
// that is not there; values of different kinds differ. The error is a spent budget.
func (e *evaluation) equal(l, r any) (truth, error) {
	if err := e.tick(); err != nil {
		return no, err
	}
	if unknown(l) || unknown(r) {
		return maybe, nil
	}
	switch a := l.(type) {
	case int:
		if b, ok := r.(int); ok {
			return of(a == b), nil
		}
		return of(float64(a) == float(r)), nil
	case float64:
		return of(a == float(r)), nil
	case time.Time:
		b, ok := r.(time.Time)
		return of(ok && a.Equal(b)), nil
	case []any:
		b, ok := r.([]any)
		if !ok || len(a) != len(b) {
			return no, nil
		}
		return e.all(len(a), func(i int) (any, any) { return a[i], b[i] })
	case map[string]any:
		b, ok := r.(map[string]any)
		if !ok {
			return no, nil
		}
		names := sortedKeys(a)
		for _, name := range sortedKeys(b) {
			if _, both := a[name]; !both {
				names = append(names, name)
			}
		}
		return e.all(len(names), func(i int) (any, any) { return a[names[i]], b[names[i]] })
	}
	switch r.(type) {
	case []any, map[string]any:
		return no, nil
	}
	return of(l == r), nil
}

// all is whether n pairs are equal: one that differs settles it, whatever is unknown about the others.
func (e *evaluation) all(n int, pair func(int) (any, any)) (truth, error) {
	answer := yes
	for i := range n {
		same, err := e.equal(pair(i))
		if err != nil || same == no {
			return no, err
		}
		answer = min(answer, same)
	}
	return answer, nil
}

// in is whether list has an element equal to v.
func (e *evaluation) in(v any, list []any) (truth, error) {
	answer := no
	for _, element := range list {
		same, err := e.equal(v, element)
		if err != nil || same == yes {
			return same, err
		}
		answer = max(answer, same)
	}
	return answer, nil
}
