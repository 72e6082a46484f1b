package expression

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// functions are those that take values. Names and meaning are expr's unless a comment says otherwise.
var functions map[string]*function

func init() { // functions refer to the evaluation, which refers to functions
	functions = map[string]*function{
		// Ours: text as playbooks write it. A value that is one already is returned.
		"duration":  {params: []param{oneOf("a string", String, Duration)}, result: always(Duration), eval: parseDuration},
		"size":      {params: []param{oneOf("a string", String, Int)}, result: always(Size), eval: parseSize},
		"timestamp": {params: []param{oneOf("a string", String, Timestamp)}, result: always(Timestamp), eval: parseTimestamp},

		"len":    {params: []param{sizable}, result: always(Int), eval: length, total: true, partial: true},
		"abs":    {params: []param{oneOf("a number or duration", Number, Duration)}, result: first, eval: abs},
		"ceil":   {params: []param{aNumber}, result: always(Number), eval: rounding(math.Ceil), total: true},
		"floor":  {params: []param{aNumber}, result: always(Number), eval: rounding(math.Floor), total: true},
		"round":  {params: []param{aNumber}, result: always(Number), eval: rounding(math.Round), total: true},
		"int":    {params: []param{oneOf("a number or string", Number, String)}, result: always(Int), eval: toInt},
		"float":  {params: []param{oneOf("a number or string", Number, String)}, result: always(Number), eval: toFloat},
		"string": {params: []param{printable}, result: always(String), eval: toString, total: true},
		"min":    {params: []param{ordered}, variadic: true, result: extremeType, eval: extreme(-1)},
		"max":    {params: []param{ordered}, variadic: true, result: extremeType, eval: extreme(+1)},

		"upper":       textFunction(func(s []string) any { return strings.ToUpper(s[0]) }, String, 1, 0),
		"lower":       textFunction(func(s []string) any { return strings.ToLower(s[0]) }, String, 1, 0),
		"trim":        textFunction(trim, String, 2, 1),
		"trimPrefix":  textFunction(func(s []string) any { return strings.TrimPrefix(s[0], s[1]) }, String, 2, 0),
		"trimSuffix":  textFunction(func(s []string) any { return strings.TrimSuffix(s[0], s[1]) }, String, 2, 0),
		"hasPrefix":   textFunction(func(s []string) any { return strings.HasPrefix(s[0], s[1]) }, Bool, 2, 0),
		"hasSuffix":   textFunction(func(s []string) any { return strings.HasSuffix(s[0], s[1]) }, Bool, 2, 0),
		"indexOf":     textFunction(func(s []string) any { return runeIndex(s[0], strings.Index(s[0], s[1])) }, Int, 2, 0),
		"lastIndexOf": textFunction(func(s []string) any { return runeIndex(s[0], strings.LastIndex(s[0], s[1])) }, Int, 2, 0),
		"split":       {params: []param{aString, aString, anInt}, optional: 1, result: always(List(String)), eval: split, total: true},
		"replace":     {params: []param{aString, aString, aString, anInt}, optional: 1, result: always(String), eval: replace},
		"join":        {params: []param{someStrings, aString}, optional: 1, result: always(String), eval: join, total: true},
		"toBase64": textFunction(func(s []string) any {
			return base64.StdEncoding.EncodeToString([]byte(s[0]))
		}, String, 1, 0),
		"fromBase64": {params: []param{aString}, result: always(String), eval: fromBase64},
		"toJSON":     {params: []param{anything}, result: always(String), eval: toJSON},
		"fromJSON":   {params: []param{aString}, result: always(Any), eval: fromJSON},

		"first":   {params: []param{anyList}, result: elementType, eval: at(0), total: true, partial: true},
		"last":    {params: []param{anyList}, result: elementType, eval: at(-1), total: true, partial: true},
		"get":     {params: []param{container, choice}, result: getType, eval: get, partial: true},
		"take":    {params: []param{anyList, anInt}, result: first, eval: take, total: true, partial: true},
		"keys":    {params: []param{aMap}, result: always(List(String)), eval: keys, total: true, partial: true},
		"values":  {params: []param{aMap}, result: valuesType, eval: values, total: true, partial: true},
		"reverse": {params: []param{anyList}, result: first, eval: reverse, total: true, partial: true},
		"concat":  {params: []param{anyList}, variadic: true, result: concatType, eval: concat, total: true, partial: true},
		"flatten": {params: []param{anyList}, result: flatType, eval: flatten, total: true},
		"uniq":    {params: []param{anyList}, result: first, eval: uniq, total: true},
		"sort":    {params: []param{sortable, oneOf(`"asc" or "desc"`, Enum("asc", "desc"))}, optional: 1, result: first, eval: sorted},
	}
}

// textFunction is one of strings alone that never fails.
func textFunction(f func([]string) any, result Type, params, optional int) *function {
	p := make([]param, params)
	for i := range p {
		p[i] = aString
	}
	return &function{params: p, optional: optional, result: always(result), total: true, eval: func(c *call) (any, error) {
		args := make([]string, len(c.args))
		for i := range args {
			args[i] = c.text(i)
		}
		v := f(args)
		if s, ok := v.(string); ok {
			return s, c.e.grow(len(s))
		}
		return v, nil
	}}
}

func parseDuration(c *call) (any, error) {
	if s, ok := c.args[0].(string); ok {
		return c.e.units.ParseDuration(s)
	}
	return c.args[0], nil
}

func parseSize(c *call) (any, error) {
	if s, ok := c.args[0].(string); ok {
		n, err := c.e.units.ParseSize(s)
		return int(n), err
	}
	return c.args[0], nil
}

func parseTimestamp(c *call) (any, error) {
	if s, ok := c.args[0].(string); ok {
		return c.e.units.ParseTimestamp(s)
	}
	return c.args[0], nil
}

func length(c *call) (any, error) {
	switch v := c.args[0].(type) {
	case string:
		return utf8.RuneCountInString(v), nil
	case map[string]any:
		return len(v), nil
	}
	return len(c.items(0)), nil
}

func abs(c *call) (any, error) {
	switch v := c.args[0].(type) {
	case int:
		if v < 0 {
			return negate(v)
		}
	case time.Duration:
		if v < 0 {
			return negate(v)
		}
	case float64:
		return math.Abs(v), nil
	}
	return c.args[0], nil
}

func rounding(f func(float64) float64) func(*call) (any, error) {
	return func(c *call) (any, error) { return f(float(c.args[0])), nil }
}

// toInt cuts off the fraction.
func toInt(c *call) (any, error) {
	switch v := c.args[0].(type) {
	case float64:
		if v >= 1<<63 || v < -1<<63 || math.IsNaN(v) {
			return nil, errTooLarge
		}
		return int(v), nil
	case string:
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", v)
		}
		return n, nil
	}
	return c.args[0], nil
}

func toFloat(c *call) (any, error) {
	s, ok := c.args[0].(string)
	if !ok {
		return float(c.args[0]), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("%q is not a number", s)
	}
	return f, nil
}

// toString writes a value as it stands inside text.
func toString(c *call) (any, error) { return c.e.units.text(c.args[0]) }

func trim(s []string) any {
	if len(s) == 1 {
		return strings.TrimSpace(s[0])
	}
	return strings.Trim(s[0], s[1])
}

// runeIndex counts letters where expr counts bytes, so that the result fits s[a:b] and len.
func runeIndex(s string, at int) int {
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

func split(c *call) (any, error) {
	n := -1
	if len(c.args) == 3 {
		n = c.int(2)
	}
	parts := strings.SplitN(c.text(0), c.text(1), n)
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, c.e.grow(len(out) * wordSize)
}

func replace(c *call) (any, error) {
	n := -1
	if len(c.args) == 4 {
		n = c.int(3)
	}
	found := strings.Count(c.text(0), c.text(1))
	if n >= 0 {
		found = min(found, n)
	}
	if err := c.e.grow(len(c.text(0)) + product(found, len(c.text(2)))); err != nil {
		return nil, err
	}
	return strings.Replace(c.text(0), c.text(1), c.text(2), n), nil
}

func join(c *call) (any, error) {
	glue, size := "", 0
	if len(c.args) == 2 {
		glue = c.text(1)
	}
	parts := make([]string, len(c.items(0)))
	for i, v := range c.items(0) {
		parts[i], _ = v.(string)
		size += len(parts[i])
	}
	if err := c.e.grow(size + product(len(parts), len(glue))); err != nil {
		return nil, err
	}
	return strings.Join(parts, glue), nil
}

func fromBase64(c *call) (any, error) {
	b, err := base64.StdEncoding.DecodeString(c.text(0))
	if err != nil || !utf8.Valid(b) {
		return nil, fmt.Errorf("the text is not base64 of text")
	}
	return string(b), nil
}

// toJSON writes compact JSON: durations and timestamps as text, sizes in bytes.
func toJSON(c *call) (any, error) {
	if err := c.e.measure(c.args[0]); err != nil {
		return nil, err
	}
	b, err := c.e.units.ToJSON(nil, c.args[0])
	if err != nil {
		return nil, err
	}
	return string(b), c.e.grow(len(b))
}

func fromJSON(c *call) (any, error) {
	if err := c.e.grow(len(c.text(0)) * 8); err != nil {
		return nil, err
	}
	return c.e.units.FromJSON(nil, []byte(c.text(0)))
}

// product is a*b, or the largest int: only for comparison with a limit.
func product(a, b int) int {
	if b != 0 && a > math.MaxInt/2/b {
		return math.MaxInt / 2
	}
	return a * b
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
