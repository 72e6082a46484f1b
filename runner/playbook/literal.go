package playbook

import (
	"fmt"
	"math"
	"strconv"
)

var (
	pathName     = pattern(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	literalInt   = pattern(`^-?(0|[1-9][0-9]*)$`)
	literalFloat = pattern(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// Literal is what a scalar means where no schema says otherwise: nil, bool, int64, float64 or string. Only plain
// scalars can be something else than a string, and only in the forms of JSON: null, true, false, 12, -1.5e3; besides,
// an absent value and ~ are nil. So no, yes, on, 0755, 0x1F, .inf and dates are strings, and so is a number that
// int64 or float64 cannot hold.
func Literal(s Scalar) any {
	if !s.Plain {
		return s.Text
	}
	switch s.Text {
	case "", "~", "null":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	if literalInt().MatchString(s.Text) {
		if n, err := strconv.ParseInt(s.Text, 10, 64); err == nil {
			return n
		}
		return s.Text
	}
	if literalFloat().MatchString(s.Text) {
		if f, err := strconv.ParseFloat(s.Text, 64); err == nil && !math.IsInf(f, 0) {
			return f
		}
	}
	return s.Text
}

// describePlain says what a scalar is, for messages: `the number 12`, `the text "no"`.
func describePlain(s Scalar) string {
	switch Literal(s).(type) {
	case nil:
		if s.Text == "" {
			return "no value"
		}
		return s.Text
	case bool:
		return s.Text
	case int64, float64:
		return "the number " + s.Text
	}
	return fmt.Sprintf("the text %q", shorten(s.Text))
}

// shorten cuts a long text for a message.
func shorten(text string) string {
	const longest = 60
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest-1]) + "…"
}

// describe says what a value is, for messages.
func describe(v Value) string {
	switch v := v.(type) {
	case List:
		return "a list"
	case Map:
		return "a map"
	case Scalar:
		return describePlain(v)
	}
	panic(fmt.Sprintf("a value of type %T", v))
}
