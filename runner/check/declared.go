package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// declared is the action as this step uses it: where the playbook declares outputs of it, these have their types.
func (c *compiler) declared(s *playbook.Step, a *sdk.Info) *sdk.Info {
	if a.Outputs == nil || a.Outputs.DeclaredBy == "" {
		return a
	}
	e, given := s.With.Get(a.Outputs.DeclaredBy)
	if !given {
		return a
	}
	path := s.Path + ".with." + e.Key
	own := *a
	own.Outputs = &schema.Schema{} // of which nothing is known: no further mistakes for one
	declaration, ok := c.written(e.Value, path)
	if !ok {
		return &own
	}
	declared, wrong := schema.Declare(declaration)
	for _, m := range wrong {
		c.misdeclared(e.Value, path, m)
	}
	if declared == nil {
		return &own
	}
	outputs := *a.Outputs
	outputs.Properties, outputs.Required = slices.Clone(outputs.Properties), slices.Clone(outputs.Required)
	clash := false
	for _, p := range declared.Properties {
		if outputs.Property(p.Name) != nil {
			c.misdeclared(e.Value, path, schema.Misdeclared{Path: "/" + schema.Escape(p.Name), Key: true,
				Message: fmt.Sprintf("%s has an output %q of its own", s.Uses, p.Name)})
			clash = true
			continue
		}
		outputs.Properties = append(outputs.Properties, p)
	}
	if clash {
		return &own
	}
	outputs.Required = append(outputs.Required, declared.Required...)
	own.Outputs = &outputs
	return &own
}

// written is a value in which no expression stands, as decoded JSON; false: one does, which is reported.
func (c *compiler) written(v playbook.Value, path string) (any, bool) {
	switch v := v.(type) {
	case playbook.List:
		items, all := make([]any, len(v.Items)), true
		for i, item := range v.Items {
			var ok bool
			if items[i], ok = c.written(item, fmt.Sprintf("%s[%d]", path, i)); !ok {
				all = false
			}
		}
		return items, all
	case playbook.Map:
		members, all := make(map[string]any, len(v.Entries)), true
		for _, e := range v.Entries {
			var ok bool
			if members[e.Key], ok = c.written(e.Value, path+"."+e.Key); !ok {
				all = false
			}
		}
		return members, all
	case playbook.Scalar:
		if strings.Contains(v.Text, "${{") {
			d := c.add(v.Pos, v.Width(), diagnostic.BadValue, path, "a declaration cannot be an expression: it is needed before anything runs")
			d.Suggestion = "write the type itself"
			return nil, false
		}
		return playbook.Literal(v), true
	}
	return nil, true
}

// misdeclared reports a mistake in a declaration.
func (c *compiler) misdeclared(v playbook.Value, path string, m schema.Misdeclared) {
	pos, length := v.Position(), 1
	if m.Path != "" {
		for _, token := range strings.Split(m.Path[1:], "/") {
			name := schema.Unescape(token)
			o, ok := v.(playbook.Map)
			if !ok {
				break
			}
			e, _ := o.Get(name)
			v, path = e.Value, path+"."+name
			pos, length = e.Value.Position(), 1
			if m.Key {
				pos, length = e.KeyPos, len([]rune(e.Key))
			}
		}
	}
	found := ""
	if s, ok := v.(playbook.Scalar); ok && !m.Key {
		found, length = s.Text, s.Width()
	}
	code := diagnostic.BadValue
	name := path[strings.LastIndex(path, ".")+1:]
	switch {
	case m.Missing:
		code = diagnostic.MissingKey
	case m.Key && m.Allowed != nil:
		code, found = diagnostic.UnknownKey, name
	}
	message := m.Message
	if strings.HasPrefix(message, "is ") || strings.HasPrefix(message, "has ") {
		message = strconv.Quote(name) + " " + message
	}
	d := c.add(pos, length, code, path, "%s", message)
	if d.Allowed = m.Allowed; m.Allowed != nil {
		d.Suggestion = playbook.MeantType(found, m.Allowed)
	}
}
