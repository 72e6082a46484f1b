package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk/unit"
)

// Violation is one place where a value does not fit its schema.
type Violation struct {
	Path    string // JSON pointer; "" is the whole value
	Message string // "must be one of a, b", in plain words
}

// Fill decodes a JSON object (numbers as json.Number) and adds the defaults of
// the properties that are not given, nested objects included. Empty data is an
// empty object.
func (s *Schema) Fill(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if dec.More() {
		return nil, fmt.Errorf("not JSON: something follows the value")
	}
	return fill(s, v), nil
}

func fill(s *Schema, v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for _, p := range s.Properties {
		if given, ok := object[p.Name]; ok {
			object[p.Name] = fill(p.Schema, given)
		} else if p.Schema.Default != nil {
			dec := json.NewDecoder(bytes.NewReader(p.Schema.Default))
			dec.UseNumber()
			var d any
			if dec.Decode(&d) == nil {
				object[p.Name] = d
			}
		}
	}
	return object
}

// Check compares a decoded JSON value (numbers as json.Number) with the schema
// and returns every violation, in the order of the schema.
func (s *Schema) Check(v any) []Violation {
	c := checker{}
	c.check(s, v)
	return c.found
}

// checker knows where it is as tokens, and makes a path of them only for a violation: lists can be long.
type checker struct {
	at    []token
	found []Violation
}

// token is the index of an item or the name of a member.
type token struct {
	item  bool
	index int
	name  string
}

func (c *checker) add(format string, args ...any) {
	var path strings.Builder
	for _, t := range c.at {
		path.WriteByte('/')
		if t.item {
			path.WriteString(strconv.Itoa(t.index))
		} else {
			path.WriteString(Escape(t.name))
		}
	}
	c.found = append(c.found, Violation{Path: path.String(), Message: fmt.Sprintf(format, args...)})
}

// within checks a part of the value.
func (c *checker) within(t token, s *Schema, v any) {
	c.at = append(c.at, t)
	c.check(s, v)
	c.at = c.at[:len(c.at)-1]
}

func (c *checker) check(s *Schema, v any) {
	switch s.Type {
	case String:
		c.checkString(s, v)
	case Integer, Number:
		c.checkNumber(s, v)
	case Boolean:
		if _, ok := v.(bool); !ok {
			c.add("must be true or false, found %s", describe(v))
		}
	case Array:
		list, ok := v.([]any)
		if !ok {
			c.add("must be %s, found %s", s.article(), describe(v))
			return
		}
		if len(list) < s.MinItems {
			c.add("needs %d or more items, has %d", s.MinItems, len(list))
		}
		if s.Items != nil {
			for i, item := range list {
				c.within(token{item: true, index: i}, s.Items, item)
			}
		}
	case Object:
		c.checkObject(s, v)
	}
}

func (c *checker) checkObject(s *Schema, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		c.add("must be %s, found %s", s.article(), describe(v))
		return
	}
	if s.Values != nil {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			c.within(token{name: name}, s.Values, object[name])
		}
		return
	}
	known := 0
	for _, p := range s.Properties {
		value, given := object[p.Name]
		switch {
		case given:
			known++
			if value != nil || s.IsRequired(p.Name) {
				c.within(token{name: p.Name}, p.Schema, value)
			}
		case s.IsRequired(p.Name):
			c.add("%q is missing", p.Name)
		}
	}
	if known == len(object) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if s.Property(name) == nil {
			c.at = append(c.at, token{name: name})
			c.add("unknown; allowed: %s", strings.Join(s.Names(), ", "))
			c.at = c.at[:len(c.at)-1]
		}
	}
}

func (c *checker) checkString(s *Schema, v any) {
	text, ok := v.(string)
	if !ok {
		c.add("must be %s, found %s", s.article(), describe(v))
		return
	}
	if problem := s.CheckText(text); problem != "" {
		c.add("%s", problem)
	}
}

// CheckText says what is wrong with a string for this schema; "" is nothing.
func (s *Schema) CheckText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not UTF-8"
	case strings.ContainsRune(text, 0):
		return "has a NUL character"
	case len(s.Enum) > 0:
		for _, legal := range s.Enum {
			if text == legal {
				return ""
			}
		}
		return fmt.Sprintf("must be one of %s, found %q", strings.Join(s.Enum, ", "), text)
	case utf8.RuneCountInString(text) < s.MinLength:
		if s.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	}
	if s.Pattern != "" {
		re, err := regexp.Compile(s.Pattern)
		if err != nil {
			return fmt.Sprintf("can't be checked: the plugin's pattern %q is broken", s.Pattern)
		}
		if !re.MatchString(text) {
			return fmt.Sprintf("%q does not match %s", text, s.Pattern)
		}
	}
	switch s.Kind {
	case Duration:
		if _, err := unit.ParseDuration(text); err != nil {
			return err.Error()
		}
	case Timestamp:
		if _, err := unit.ParseTimestamp(text); err != nil {
			return err.Error()
		}
	case Path:
		if !strings.HasPrefix(text, "/") {
			return fmt.Sprintf("must be an absolute path, found %q", text)
		}
	case Filesystem:
		if !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "UUID=") && !strings.HasPrefix(text, "LABEL=") {
			return fmt.Sprintf("must be UUID=…, LABEL=…, a device or a mount point, found %q", text)
		}
	case Subvolume:
		if text == "" {
			return "must not be empty"
		}
	}
	return ""
}

func (c *checker) checkNumber(s *Schema, v any) {
	n, ok := v.(json.Number)
	if !ok {
		c.add("must be %s, found %s", s.article(), describe(v))
		return
	}
	if s.Type == Integer {
		i, err := n.Int64()
		if err != nil {
			c.add("must be a whole number of at most 64 bits, found %s", n)
			return
		}
		if problem := s.CheckInt(i); problem != "" {
			c.add("%s", problem)
		}
		return
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		c.add("must be a number, found %s", n)
		return
	}
	if (s.Minimum != nil && f < float64(*s.Minimum)) || (s.Maximum != nil && f > float64(*s.Maximum)) {
		c.add("must be %s, found %s", s.bounds(), n)
	}
}

// CheckInt says what is wrong with a whole number for this schema; "" is nothing.
func (s *Schema) CheckInt(i int64) string {
	if (s.Minimum != nil && i < *s.Minimum) || (s.Maximum != nil && i > *s.Maximum) {
		return fmt.Sprintf("must be %s, found %d", s.bounds(), i)
	}
	return ""
}

func (s *Schema) bounds() string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("%d to %d", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf("at least %d", *s.Minimum)
	}
	return fmt.Sprintf("at most %d", *s.Maximum)
}

// article is the type's name with "a" or "an" before it.
func (s *Schema) article() string {
	name := s.TypeName()
	if strings.ContainsRune("aeio", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// describe names a decoded JSON value the way a person would.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return strconv.Quote(v)
	case json.Number:
		return v.String()
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return fmt.Sprintf("%v", v)
}

// Escape makes a JSON pointer's token of a name (RFC 6901 §3).
func Escape(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return escaper.Replace(name)
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// Unescape is the opposite of Escape.
func Unescape(token string) string {
	return unescaper.Replace(token)
}
