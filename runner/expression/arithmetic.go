package expression

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"
)

var (
	errTooLarge = errors.New("the result is too large")
	errZero     = errors.New("division by zero")
)

// arithmetic is l op r for known values. Whole numbers and durations never wrap around; results are always finite.
func arithmetic(op string, l, r any) (any, error) {
	switch a := l.(type) {
	case int:
		switch b := r.(type) {
		case int:
			return wholeNumbers(op, a, b)
		case float64:
			return fractions(op, float64(a), b)
		case time.Duration:
			if op == "*" {
				return scale(b, float64(a), a, true)
			}
		}
	case float64:
		switch b := r.(type) {
		case int, float64:
			return fractions(op, a, float(b))
		case time.Duration:
			if op == "*" {
				return scale(b, a, 0, false)
			}
		}
	case string:
		if b, ok := r.(string); ok && op == "+" {
			return a + b, nil
		}
	case time.Duration:
		switch b := r.(type) {
		case time.Duration:
			return durations(op, a, b)
		case time.Time:
			if op == "+" {
				return b.Add(a), nil
			}
		case int, float64:
			return scaled(op, a, b)
		}
	case time.Time:
		switch b := r.(type) {
		case time.Duration:
			return moved(op, a, b)
		case time.Time:
			if op == "-" {
				return between(a, b)
			}
		}
	}
	return nil, fmt.Errorf("%s does not go between %s and %s", op, shape(l).article(), shape(r).article())
}

func wholeNumbers(op string, a, b int) (any, error) {
	switch op {
	case "+", "-", "*":
		n, ok := exact(op, int64(a), int64(b))
		if !ok {
			return nil, errTooLarge
		}
		return int(n), nil
	case "%":
		if b == 0 {
			return nil, errZero
		}
		return a % b, nil
	}
	return fractions(op, float64(a), float64(b))
}

// exact is a op b, and whether it fits.
func exact(op string, a, b int64) (int64, bool) {
	switch op {
	case "+":
		c := a + b
		return c, (c > a) == (b > 0)
	case "-":
		c := a - b
		return c, (c < a) == (b > 0)
	}
	magnitude := func(n int64) uint64 {
		if n < 0 {
			return -uint64(n)
		}
		return uint64(n)
	}
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if negative := (a < 0) != (b < 0); negative {
		return -int64(low), high == 0 && low <= 1<<63
	}
	return int64(low), high == 0 && low < 1<<63
}

func fractions(op string, a, b float64) (any, error) {
	var c float64
	switch op {
	case "+":
		c = a + b
	case "-":
		c = a - b
	case "*":
		c = a * b
	case "/":
		if b == 0 {
			return nil, errZero
		}
		c = a / b
	case "**", "^":
		c = math.Pow(a, b)
	default:
		return nil, fmt.Errorf("%s needs whole numbers", op)
	}
	if math.IsInf(c, 0) || math.IsNaN(c) {
		return nil, errTooLarge
	}
	return c, nil
}

func durations(op string, a, b time.Duration) (any, error) {
	switch op {
	case "+", "-":
		n, ok := exact(op, int64(a), int64(b))
		if !ok {
			return nil, errTooLarge
		}
		return time.Duration(n), nil
	case "/":
		return fractions("/", float64(a), float64(b))
	}
	return nil, fmt.Errorf("%s does not go between durations", op)
}

// scaled is a duration times or through a number.
func scaled(op string, d time.Duration, by any) (any, error) {
	n, whole := by.(int)
	switch op {
	case "*":
		return scale(d, float(by), n, whole)
	case "/":
		if float(by) == 0 {
			return nil, errZero
		}
		if whole && (n != -1 || d != math.MinInt64) {
			return d / time.Duration(n), nil
		}
		return scale(d, 1/float(by), 0, false)
	}
	return nil, fmt.Errorf("%s does not go between a duration and a number", op)
}

// scale is d*f, or exactly d*n when whole.
func scale(d time.Duration, f float64, n int, whole bool) (any, error) {
	if whole {
		product, ok := exact("*", int64(d), int64(n))
		if !ok {
			return nil, errTooLarge
		}
		return time.Duration(product), nil
	}
	product := float64(d) * f
	if product >= 1<<63 || product < -1<<63 || math.IsNaN(product) {
		return nil, errTooLarge
	}
	return time.Duration(product), nil
}

func moved(op string, t time.Time, d time.Duration) (any, error) {
	switch op {
	case "+":
		return t.Add(d), nil
	case "-":
		if d == math.MinInt64 {
			return nil, errTooLarge
		}
		return t.Add(-d), nil
	}
	return nil, fmt.Errorf("%s does not go between a timestamp and a duration", op)
}

func between(a, b time.Time) (any, error) {
	d := a.Sub(b)
	if d == math.MaxInt64 || d == math.MinInt64 { // where Sub stops
		return nil, errTooLarge
	}
	return d, nil
}

func negate(v any) (any, error) {
	switch v := v.(type) {
	case int:
		if v == math.MinInt {
			return nil, errTooLarge
		}
		return -v, nil
	case float64:
		return -v, nil
	case time.Duration:
		if v == math.MinInt64 {
			return nil, errTooLarge
		}
		return -v, nil
	}
	return nil, fmt.Errorf("- cannot stand before %s", shape(v).article())
}

// float is a number as float64.
func float(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

// compare orders two known values that have an order.
func compare(l, r any) (int, error) {
	switch a := l.(type) {
	case int:
		switch b := r.(type) {
		case int:
			return cmp.Compare(a, b), nil
		case float64:
			return cmp.Compare(float64(a), b), nil
		}
	case float64:
		switch r.(type) {
		case int, float64:
			return cmp.Compare(a, float(r)), nil
		}
	case string:
		if b, ok := r.(string); ok {
			return strings.Compare(a, b), nil
		}
	case time.Duration:
		if b, ok := r.(time.Duration); ok {
			return cmp.Compare(a, b), nil
		}
	case time.Time:
		if b, ok := r.(time.Time); ok {
			return a.Compare(b), nil
		}
	}
	return 0, fmt.Errorf("cannot compare %s with %s", shape(l).article(), shape(r).article())
}
