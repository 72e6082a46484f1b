package expression

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Unknown stands for a value of the checked type that only the run will tell. It may stand anywhere in a value.
type Unknown struct{}

// String is how a person sees it.
func (Unknown) String() string { return "(known after run)" }

// failing is Unknown inside an evaluation when the run might also find an error in its place. It never stands inside a
// list or map and never leaves the package.
type failing struct{}

// unknown reports whether the value itself (not a part of it) is unknown.
func unknown(v any) bool {
	switch v.(type) {
	case Unknown, failing:
		return true
	}
	return false
}

// unknownIf is Unknown, or failing when one of the values is or total is false.
func unknownIf(total bool, values ...any) any {
	if !total || slices.ContainsFunc(values, func(v any) bool { return v == any(failing{}) }) {
		return failing{}
	}
	return Unknown{}
}

// ContainsUnknown reports whether the value or any part of it is Unknown.
func ContainsUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown, failing:
		return true
	case []any:
		return slices.ContainsFunc(v, ContainsUnknown)
	case map[string]any:
		for _, e := range v {
			if ContainsUnknown(e) {
				return true
			}
		}
	}
	return false
}

// shape is the type of a value as far as a look at it tells: the elements of a list are looked at, not inside.
func shape(v any) Type {
	t := scalarShape(v)
	if list, ok := v.([]any); ok && len(list) > 0 {
		elem := scalarShape(list[0])
		for _, e := range list[1:] {
			elem = unify(elem, scalarShape(e))
		}
		return List(elem)
	}
	return t
}

func scalarShape(v any) Type {
	switch v.(type) {
	case nil:
		return Nil
	case bool:
		return Bool
	case string:
		return String
	case int:
		return Int
	case float64:
		return Number
	case time.Duration:
		return Duration
	case time.Time:
		return Timestamp
	case []any:
		return List(Any)
	case map[string]any:
		return Map(Any)
	}
	return Any
}

// text is a value as it stands inside text, or an error that says why it cannot.
func (u Units) text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case time.Duration:
		return u.FormatDuration(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case nil:
		return "", fmt.Errorf("the value is absent")
	}
	return "", fmt.Errorf("%s cannot stand inside text", scalarShape(v).article())
}
