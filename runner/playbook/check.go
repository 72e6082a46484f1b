package playbook

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Check compares a value with the declaration: type, enum, pattern, min and max. The list is empty if it fits. Paths
// are relative to the value ("", "[2]", ".key"). The text of a secret input appears in no message. An input whose Type
// is "" accepts everything, since its declaration was reported already.
func (i Input) Check(v Value) diagnostic.List {
	if i.Type == "" {
		return nil
	}
	c := inputCheck{input: i}
	switch v := v.(type) {
	case List:
		if i.Type != ListType {
			c.wrongType(v)
			break
		}
		c.bounds(v, int64(len(v.Items)), "number of items")
		for n, item := range v.Items {
			if len(c.found) >= maxFindings {
				break
			}
			c.element(item, fmt.Sprintf("[%d]", n))
		}
	case Map:
		if i.Type != MapType {
			c.wrongType(v)
			break
		}
		c.bounds(v, int64(len(v.Entries)), "number of entries")
		for _, e := range v.Entries {
			if len(c.found) >= maxFindings {
				break
			}
			path := join("", e.Key)
			if !strings.HasPrefix(path, "[") {
				path = "." + path
			}
			c.element(e.Value, path)
		}
	case Scalar:
		if i.Type == ListType || i.Type == MapType {
			c.wrongType(v)
			break
		}
		c.element(v, "")
	}
	return c.found
}

type inputCheck struct {
	input Input
	found diagnostic.List
}

func (c *inputCheck) add(v Value, code diagnostic.Code, path, message, suggestion string, allowed []string) {
	d := diagnostic.Diagnostic{Pos: v.Position(), Length: 1, Code: code, Path: path, Message: message, Suggestion: suggestion, Allowed: allowed}
	if s, isScalar := v.(Scalar); isScalar {
		if s.broken {
			return
		}
		d.Length = s.Width()
		if s.source != nil {
			d.File = s.source.File
		}
	}
	if c.input.Secret {
		d.Message = fmt.Sprintf("the value of the secret input %q does not fit its declaration", c.input.Name)
		d.Suggestion = ""
	}
	c.found.Add(d)
}

func (c *inputCheck) wrongType(v Value) {
	message := fmt.Sprintf("expected %s, found %s", c.input.Type.article(), describe(v))
	help := ""
	if _, isScalar := v.(Scalar); isScalar && c.input.Type == ListType {
		help = "write it as [a, b]"
	} else if isScalar && c.input.Type == MapType {
		help = "write it as {key: value}"
	}
	c.add(v, diagnostic.WrongType, "", message, help, nil)
}

// element checks one text: the value itself, or an item of a list or map.
func (c *inputCheck) element(v Value, path string) {
	t := c.input.elementType()
	s, isScalar := v.(Scalar)
	if !isScalar {
		c.add(v, diagnostic.WrongType, path, fmt.Sprintf("expected %s, found %s", t.article(), describe(v)), "", nil)
		return
	}
	if strings.Contains(s.Text, "${{") {
		c.add(s, diagnostic.BadValue, path, "the value of an input cannot be an expression", `compute it in "vars"`, nil)
		return
	}
	value, mistake := Convert(t, s)
	if mistake != nil {
		c.add(s, mistake.Code, path, mistake.Message, mistake.Suggestion, nil)
		return
	}
	if !c.enum(s, value, path) {
		return
	}
	if c.input.Pattern != "" {
		if whole, err := regexp.Compile(`^(?:` + c.input.Pattern + `)$`); err == nil && !whole.MatchString(s.Text) {
			c.add(s, diagnostic.BadValue, path, fmt.Sprintf("%q does not match the pattern %s", shorten(s.Text), c.input.Pattern), "", nil)
		}
	}
	switch {
	case c.input.Type != t: // min and max count the items
	case t == StringType:
		c.bounds(s, int64(utf8.RuneCountInString(s.Text)), "length")
	default:
		c.bounds(s, value, "")
	}
}

// enum reports a value that is none of the legal ones.
func (c *inputCheck) enum(s Scalar, value any, path string) bool {
	if len(c.input.Enum) == 0 {
		return true
	}
	legal := make([]string, len(c.input.Enum))
	for i, e := range c.input.Enum {
		if member, mistake := Convert(c.input.elementType(), e); mistake == nil && compare(member, value) == 0 {
			return true
		}
		legal[i] = e.Text
	}
	c.add(s, diagnostic.BadValue, path, fmt.Sprintf("%q is not one of the legal values", shorten(s.Text)),
		diagnostic.DidYouMean(s.Text, legal), legal)
	return false
}

// bounds compares a value, or the number of its parts, with min and max.
func (c *inputCheck) bounds(v Value, value any, parts string) {
	t := boundType(c.input.Type)
	if t == "" {
		return
	}
	found := ""
	if s, isScalar := v.(Scalar); isScalar {
		found = shorten(s.Text)
	}
	if parts != "" {
		found = fmt.Sprintf("the %s, %d,", parts, value)
	}
	if c.input.Min != nil {
		if low, mistake := Convert(t, *c.input.Min); mistake == nil && compare(value, low) < 0 {
			c.add(v, diagnostic.NumberRange, "", fmt.Sprintf("%s is below the minimum %s", found, c.input.Min.Text), "", nil)
		}
	}
	if c.input.Max != nil {
		if high, mistake := Convert(t, *c.input.Max); mistake == nil && compare(value, high) > 0 {
			c.add(v, diagnostic.NumberRange, "", fmt.Sprintf("%s is above the maximum %s", found, c.input.Max.Text), "", nil)
		}
	}
}

// compare orders two results of Convert of the same type.
func compare(a, b any) int {
	switch a := a.(type) {
	case string:
		return cmp.Compare(a, b.(string))
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case time.Duration:
		return cmp.Compare(a, b.(time.Duration))
	case time.Time:
		return a.Compare(b.(time.Time))
	case bool:
		if a == b.(bool) {
			return 0
		}
		return 1
	}
	panic(fmt.Sprintf("values of type %T have no order", a))
}
