package expression

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of one evaluation. The steps and the memory are counted, so that an expression that is too expensive fails in
// the same way on every machine; the time is the last resort.
const (
	maxSteps  = 5_000_000
	maxMemory = 16 << 20 // bytes of strings and lists that the expression makes
	maxTime   = 2 * time.Second
	wordSize  = 16 // bytes of one element of a list
)

// budgetError ends an evaluation for good: nothing may take it for an unknown value.
type budgetError struct{ message string }

func (e *budgetError) Error() string { return e.message }

var errExpensive = &budgetError{"the expression is too expensive to evaluate"}

func isBudget(err error) bool {
	var b *budgetError
	return errors.As(err, &b)
}

// tick counts one step.
func (e *evaluation) tick() error {
	e.steps++
	if e.steps > maxSteps {
		return errExpensive
	}
	if e.steps%1024 == 1 && e.ctx.Err() != nil {
		if errors.Is(e.ctx.Err(), context.DeadlineExceeded) {
			return &budgetError{"the expression took too long to evaluate"}
		}
		return &budgetError{fmt.Sprintf("the evaluation was stopped: %v", context.Cause(e.ctx))}
	}
	return nil
}

// grow counts memory that a result takes.
func (e *evaluation) grow(size int) error {
	if size < 0 || size > maxMemory-e.memory {
		return &budgetError{"the expression needs too much memory"}
	}
	e.memory += size
	return e.tick()
}

// measure counts the values in v: let b = [a, a] doubles them without taking memory.
func (e *evaluation) measure(v any) error {
	_, err := e.hasUnknown(v)
	return err
}

// hasUnknown is ContainsUnknown that looks at everything and counts it.
func (e *evaluation) hasUnknown(v any) (bool, error) {
	found := unknown(v)
	each := func(inner any) error {
		if err := e.tick(); err != nil {
			return err
		}
		has, err := e.hasUnknown(inner)
		found = found || has
		return err
	}
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			if err := each(inner); err != nil {
				return false, err
			}
		}
	case map[string]any:
		for _, inner := range v {
			if err := each(inner); err != nil {
				return false, err
			}
		}
	}
	return found, nil
}
