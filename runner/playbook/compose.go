package playbook

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

const (
	maxAliasNodes = 10_000  // values that aliases may add
	maxAliasText  = 1 << 20 // bytes of text that aliases may add
	maxNesting    = 100     // lists and maps inside each other
	maxFindings   = 500     // diagnostics that are kept
)

// composer turns YAML nodes into Values: it expands aliases and refuses what YAML allows and the language does not.
type composer struct {
	reporter
	open      map[*yaml.Node]bool // anchored nodes that are being expanded
	inAlias   int                 // > 0 inside an alias
	nodes     int                 // values added by aliases so far
	text      int                 // bytes of text in them
	exhausted bool                // more than is allowed: nothing is expanded any more
}

// reporter gathers diagnostics of one file.
type reporter struct {
	source *Source
	found  diagnostic.List
}

// report adds a diagnostic, in the file of the source.
func (r *reporter) report(d diagnostic.Diagnostic) {
	if len(r.found) < maxFindings {
		d.File = r.source.File
		d.Pos = r.source.Clamp(d.Pos)
		r.found.Add(d)
	}
}

func position(n *yaml.Node) diagnostic.Position {
	return diagnostic.Position{Line: n.Line, Column: n.Column}
}

// value converts a node. Path names it, depth counts the lists and maps around it.
func (c *composer) value(n *yaml.Node, path string, depth int) Value {
	if c.inAlias > 0 {
		c.nodes++
		c.text += len(n.Value)
		c.exhausted = c.exhausted || c.nodes > maxAliasNodes || c.text > maxAliasText
	}
	before := len(c.found)
	pos := c.checkProperties(n, path)
	switch n.Kind {
	case yaml.AliasNode:
		return c.alias(n, path, depth)
	case yaml.ScalarNode:
		style := scalarStyle(n)
		if before != len(c.found) && style == PlainStyle && n.Value == "" {
			return c.brokenScalar(pos) // only a tag, and that was reported
		}
		return Scalar{Text: n.Value, Style: style, Plain: style == PlainStyle, Pos: pos, source: c.source}
	}
	if depth >= maxNesting {
		c.report(diagnostic.Diagnostic{
			Pos: pos, Length: 1, Code: diagnostic.NestingLimit, Path: path,
			Message: fmt.Sprintf("lists and maps are nested more than %d deep", maxNesting),
		})
		return c.brokenScalar(pos)
	}
	if n.Anchor != "" {
		c.open[n] = true
		defer delete(c.open, n)
	}
	if n.Kind == yaml.SequenceNode {
		list := List{Pos: pos, Items: make([]Value, 0, len(n.Content))}
		for i, item := range n.Content {
			if c.exhausted && c.inAlias > 0 {
				break
			}
			list.Items = append(list.Items, c.value(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return list
	}
	return c.mapping(n, pos, path, depth)
}

func (c *composer) brokenScalar(pos diagnostic.Position) Scalar {
	return Scalar{Plain: true, Pos: pos, source: c.source, broken: true}
}

func (c *composer) alias(n *yaml.Node, path string, depth int) Value {
	d := diagnostic.Diagnostic{Pos: position(n), Length: utf8.RuneCountInString(n.Value) + 1, Path: path}
	switch {
	case c.open[n.Alias]:
		d.Code, d.Message = diagnostic.AliasCycle, fmt.Sprintf("the alias *%s stands inside the value it refers to", n.Value)
		c.report(d)
		return c.brokenScalar(d.Pos)
	case c.exhausted:
		return c.brokenScalar(d.Pos)
	}
	c.inAlias++
	value := c.value(n.Alias, path, depth)
	c.inAlias--
	if c.exhausted && c.inAlias == 0 {
		d.Code = diagnostic.AliasBudget
		d.Message = fmt.Sprintf("from the alias *%s on, aliases stand for more than %d values or 1 MiB of text", n.Value, maxAliasNodes)
		c.report(d)
		return c.brokenScalar(d.Pos)
	}
	return value
}

func (c *composer) mapping(n *yaml.Node, pos diagnostic.Position, path string, depth int) Map {
	m := Map{Pos: pos, Entries: make([]Entry, 0, len(n.Content)/2)}
	first := make(map[string]diagnostic.Position, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if c.exhausted && c.inAlias > 0 {
			break
		}
		key, ok := c.key(n.Content[i], path)
		if !ok {
			continue
		}
		if c.inAlias > 0 {
			c.text += len(key.Text)
		}
		at := join(path, key.Text)
		if before, twice := first[key.Text]; twice {
			c.report(diagnostic.Diagnostic{
				Pos: key.Pos, Length: key.Width(), Code: diagnostic.DuplicateKey, Path: at,
				Message: fmt.Sprintf("the key %q stands twice in this map; the first is in line %d", shorten(key.Text), before.Line),
			})
			continue
		}
		first[key.Text] = key.Pos
		value := c.value(n.Content[i+1], at, depth+1)
		if s, isScalar := value.(Scalar); isScalar && s.Plain && s.Text == "" {
			s.Pos = key.Pos // YAML puts an absent value where the next token starts
			value = s
		}
		m.Entries = append(m.Entries, Entry{Key: key.Text, KeyPos: key.Pos, Value: value})
	}
	return m
}

// key converts the key of a map. It is not ok if the entry cannot be kept.
func (c *composer) key(n *yaml.Node, path string) (key Scalar, ok bool) {
	pos := c.checkProperties(n, path)
	d := diagnostic.Diagnostic{Pos: pos, Length: 1, Path: path, Code: diagnostic.NonStringKey}
	if n.Kind == yaml.AliasNode {
		d.Message, d.Suggestion = "an alias cannot be a key", "write the key out"
		c.report(d)
		return Scalar{}, false
	}
	if n.Kind != yaml.ScalarNode {
		d.Message = "a list or a map cannot be a key"
		if start, braces := c.doubleBrace(pos); braces {
			d.Pos, d.Length = start, len("{{")
			d.Suggestion = `put quotes around an expression: "${{ … }}"`
		}
		c.report(d)
		return Scalar{}, false
	}
	style := scalarStyle(n)
	key = Scalar{Text: n.Value, Style: style, Plain: style == PlainStyle, Pos: pos, source: c.source}
	if key.Plain && key.Text == "<<" {
		d.Length = len("<<")
		d.Code, d.Message = diagnostic.MergeKey, "the merge key << is not part of the language"
		d.Suggestion = "write the keys out, or give the whole value as an alias"
		c.report(d)
		return Scalar{}, false
	}
	if _, isString := Literal(key).(string); !isString {
		d.Length = key.Width()
		d.Message = fmt.Sprintf("a key is a string; %s is not", describePlain(key))
		d.Suggestion = fmt.Sprintf("quote it: %q", key.Text)
		if key.Text == "" {
			d.Message, d.Suggestion = "the key is missing", ""
		}
		c.report(d)
	}
	return key, true
}

// doubleBrace reports whether a flow map at pos is the inner or outer one of "{{", and where that starts.
func (c *composer) doubleBrace(pos diagnostic.Position) (start diagnostic.Position, found bool) {
	line := c.source.Runes(pos.Line)
	for i := max(pos.Column-2, 0); i < pos.Column && i+1 < len(line); i++ {
		if line[i] == '{' && line[i+1] == '{' {
			return diagnostic.Position{Line: pos.Line, Column: i + 1}, true
		}
	}
	return pos, false
}

// checkProperties refuses tags and returns the place of the node's own text, behind a tag and an anchor.
func (c *composer) checkProperties(n *yaml.Node, path string) diagnostic.Position {
	pos, tag, tagPos := c.skipProperties(position(n))
	if n.Kind == yaml.AliasNode {
		return position(n)
	}
	if tag != "" {
		d := diagnostic.Diagnostic{
			Pos: tagPos, Length: utf8.RuneCountInString(tag), Code: diagnostic.BadTag, Path: path,
			Message:    fmt.Sprintf("the tag %s is not part of the language", tag),
			Suggestion: "remove it; to make a value a string, put quotes around it",
		}
		if !strings.HasPrefix(tag, "!!") && !strings.HasPrefix(tag, "!<") {
			d.Message = fmt.Sprintf("%s is a YAML tag here; tags are not part of the language", tag)
			d.Suggestion = "remove it; if ! means not, put quotes around the whole value"
		}
		c.report(d)
	}
	if n.Kind == yaml.ScalarNode && n.Value == "" && scalarStyle(n) == PlainStyle {
		return position(n) // there is no text
	}
	return pos
}

// skipProperties goes over "&anchor" and "!tag" in front of a node, which may stand on lines of their own.
func (r *reporter) skipProperties(pos diagnostic.Position) (end diagnostic.Position, tag string, tagPos diagnostic.Position) {
	line := r.source.Runes(pos.Line)
	i := pos.Column - 1
	moved := false
	for {
		switch {
		case i < len(line) && line[i] == '&':
			for i++; i < len(line) && isAnchorName(line[i]); {
				i++
			}
			moved = true
		case i < len(line) && line[i] == '!':
			from, ends := i, " \t,[]{}"
			if i+1 < len(line) && line[i+1] == '<' {
				ends = " \t>"
			}
			for i < len(line) && !strings.ContainsRune(ends, line[i]) {
				i++
			}
			if i < len(line) && line[i] == '>' {
				i++
			}
			tag, tagPos = string(line[from:i]), diagnostic.Position{Line: pos.Line, Column: from + 1}
			moved = true
		case moved && i < len(line) && (line[i] == ' ' || line[i] == '\t'):
			i++
		case moved && (i >= len(line) || line[i] == '#') && pos.Line < r.source.Lines():
			pos = diagnostic.Position{Line: pos.Line + 1, Column: 1}
			line, i = r.source.Runes(pos.Line), 0
		default:
			pos.Column = i + 1
			return pos, tag, tagPos
		}
	}
}

// isAnchorName follows the YAML library, which is stricter than YAML 1.2 section 6.9.2.
func isAnchorName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}

func scalarStyle(n *yaml.Node) Style {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return DoubleQuotedStyle
	case n.Style&yaml.SingleQuotedStyle != 0:
		return SingleQuotedStyle
	case n.Style&yaml.LiteralStyle != 0:
		return LiteralStyle
	case n.Style&yaml.FoldedStyle != 0:
		return FoldedStyle
	}
	return PlainStyle
}

// join adds a key to a path; a key that is no name is quoted in brackets.
func join(path, key string) string {
	key = shorten(key)
	switch {
	case !pathName().MatchString(key):
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	}
	return path + "." + key
}
