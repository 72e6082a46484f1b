package playbook

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Format tidies the text of a playbook: the keys of each part in one order, two spaces for each level, one space behind a
// colon, no blanks at the ends of lines, no two empty lines in a row, an empty line before each larger part. Comments stay with
// what they stand above. What stands in { } and [ ], and in texts over several lines, stays as it is written. It never changes
// what the playbook means: Parse says the same of both texts, but for the places. Format of its own result changes nothing.
//
// The result is nil where the text is not YAML that the language accepts: the list tells why. Other mistakes are no hindrance.
func Format(file string, data []byte) ([]byte, diagnostic.List) {
	text, found := readText(file, data)
	if found != nil {
		return nil, found
	}
	before, r, found := parseValue(file, text)
	if before == nil {
		return nil, found
	}
	if r.found.HasErrors() {
		return nil, r.found.Sorted()
	}
	tidy := formatOnce(file, text)
	if !bytes.HasSuffix(text, []byte("\n")) && !sameMeaning(file, before, text, tidy) {
		tidy = bytes.TrimSuffix(tidy, []byte("\n")) // it belongs to a text in a block
	}
	// One pass settles all; should a text be odd enough to need another one, it is as it was.
	if again := formatOnce(file, tidy); !bytes.Equal(again, tidy) && !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), tidy) || !sameMeaning(file, before, text, tidy) {
		return text, nil
	}
	return tidy, nil
}

func formatOnce(file string, text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	f := &formatter{lines: strings.Split(strings.TrimRight(string(text), "\n"), "\n")}
	document, found := decode(file, text, diagnostic.NewSource(file, text))
	if found != nil || len(document.Content) != 1 {
		return text
	}
	root := document.Content[0]
	if !isBlock(root, yaml.MappingNode) {
		return text
	}
	f.reorder = !hasAnchors(root)
	end := len(f.lines)
	first := root.Content[0].Line - 1
	f.comments(0, first, 0)
	for len(f.out) > 0 && f.out[0] == "" {
		f.out = f.out[1:]
	}
	tail := end
	for tail > first && strings.HasPrefix(f.lines[tail-1], "...") {
		tail--
	}
	f.mapping(root, wholeShape, first, tail, 0, false)
	f.out = append(f.out, f.lines[tail:]...)
	return []byte(strings.Join(f.out, "\n") + "\n")
}

// isBlock reports whether a node is a list or map that is written line by line, and nothing is said about it as a whole.
func isBlock(n *yaml.Node, kind yaml.Kind) bool {
	return n.Kind == kind && n.Style&(yaml.FlowStyle|yaml.TaggedStyle) == 0 && n.Anchor == "" && len(n.Content) > 0
}

func hasAnchors(n *yaml.Node) bool {
	return n.Anchor != "" || n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAnchors)
}

// formatter writes lines anew. Lines are counted from 0; a region is from one up to another.
type formatter struct {
	lines   []string
	out     []string
	reorder bool
	open    bool // the last line begins a list or map: no empty line follows
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") }

func isEmpty(line string) bool { return strings.TrimSpace(line) == "" }

// put writes a line.
func (f *formatter) put(indent int, text string) {
	f.out = append(f.out, strings.TrimRight(strings.Repeat(" ", indent)+text, " \t"))
	f.open = false
}

// blank writes an empty line, where there is none yet.
func (f *formatter) blank() {
	if len(f.out) > 0 && f.out[len(f.out)-1] != "" && !f.open {
		f.out = append(f.out, "")
	}
}

// comments writes a region of comments and empty lines.
func (f *formatter) comments(from, to, indent int) {
	for _, line := range f.lines[from:to] {
		if isEmpty(line) {
			f.blank()
			continue
		}
		f.put(indent, strings.TrimSpace(line))
	}
}

// head is where the comments and empty lines above a line begin that belong to it: those that are not deeper than it.
func (f *formatter) head(line, after, column int) int {
	at := line
	for at > after && (isEmpty(f.lines[at-1]) || isComment(f.lines[at-1]) && indentOf(f.lines[at-1]) <= column) {
		at--
	}
	return at
}

// entry is a key of a map or an item of a list, with its lines.
type entry struct {
	key, value      *yaml.Node // key: nil for an item
	head, line, end int        // comments above it; itself; what follows it
}

// regions finds the lines of entries, and where what follows the last one begins.
func (f *formatter) regions(entries []entry, from, to, column int) (tail int) {
	for i := range entries {
		e := &entries[i]
		e.head = from
		if i > 0 {
			last := &entries[i-1]
			e.head = f.head(e.line, last.line+1, column)
			e.head = f.kept(last, e.head, e.line)
			last.end = e.head
		}
	}
	last := &entries[len(entries)-1]
	tail = f.kept(last, f.head(to, last.line+1, column), to)
	last.end = tail
	return tail
}

// kept leaves empty lines to a text that keeps them.
func (f *formatter) kept(e *entry, head, to int) int {
	if e.value.Kind != yaml.ScalarNode || e.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 || !strings.HasSuffix(e.value.Value, "\n\n") && strings.Trim(e.value.Value, "\n") != "" {
		return head
	}
	for head < to && isEmpty(f.lines[head]) {
		head++
	}
	return head
}

// mapping writes a map. item: its first line begins with a dash, two columns before.
func (f *formatter) mapping(n *yaml.Node, s shape, from, to, indent int, item bool) {
	column := n.Content[0].Column - 1
	var entries []entry
	for i := 0; i < len(n.Content); i += 2 {
		entries = append(entries, entry{key: n.Content[i], value: n.Content[i+1], line: n.Content[i].Line - 1})
	}
	tail := f.regions(entries, from, to, column)
	if order := s.order(n); order != nil && f.reorder {
		rank := func(e entry) int {
			if i := slices.Index(order, e.key.Value); i >= 0 {
				return i
			}
			return len(order)
		}
		slices.SortStableFunc(entries, func(a, b entry) int { return rank(a) - rank(b) })
	}
	for i, e := range entries {
		above := indent
		if item && i == 0 {
			above = indent - 2
		}
		if s == wholeShape && i > 0 && isBlock(e.value, e.value.Kind) {
			f.blank()
		}
		f.comments(e.head, e.line, above)
		dash := ""
		if item && i == 0 {
			dash = "- "
		}
		f.member(e, s, column, indent, dash)
	}
	f.comments(tail, to, indent)
}

// member writes a key with its value.
func (f *formatter) member(e entry, s shape, column, indent int, dash string) {
	text := string([]rune(f.lines[e.line])[column:])
	rest := ""
	if name := e.key.Value; e.key.Style == 0 && e.key.Anchor == "" && strings.HasPrefix(text, name) {
		if after, ok := strings.CutPrefix(strings.TrimLeft(text[len(name):], " "), ":"); ok {
			rest = strings.TrimLeft(after, " \t")
			switch {
			case rest == "":
				text = name + ":"
			case strings.HasPrefix(rest, "#"):
				text = name + ":" + after
			default:
				text = name + ": " + rest
			}
		}
	}
	f.put(indent-len(dash), dash+text)
	if rest == "" || strings.HasPrefix(rest, "#") {
		switch {
		case isBlock(e.value, yaml.MappingNode) && e.value.Content[0].Line-1 > e.line:
			f.open = true
			f.mapping(e.value, s.of(e.key.Value), e.line+1, e.end, indent+2, false)
			return
		case isBlock(e.value, yaml.SequenceNode) && f.sequence(e.value, s.of(e.key.Value), e.line+1, e.end, indent+2):
			return
		}
	}
	f.raw(e, indent-column)
}

// raw writes the lines behind the first of an entry as they are, moved.
func (f *formatter) raw(e entry, shift int) {
	literal := e.value.Kind == yaml.ScalarNode && e.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	for _, line := range f.lines[e.line+1 : e.end] {
		switch {
		case isEmpty(line) && !literal:
			f.out = append(f.out, "")
			continue
		case isEmpty(line) && len(line)+shift <= 0:
			f.out = append(f.out, "")
			continue
		}
		text := strings.TrimLeft(line, " ")
		if !literal {
			text = strings.TrimRight(text, " \t")
		}
		f.out = append(f.out, strings.Repeat(" ", max(indentOf(line)+shift, 0))+text)
	}
}

// sequence writes a list; false: it is one of a form that is left alone, and nothing is written.
func (f *formatter) sequence(n *yaml.Node, s shape, from, to, indent int) bool {
	first := from
	for first < to && (isEmpty(f.lines[first]) || isComment(f.lines[first])) {
		first++
	}
	if first == to {
		return false
	}
	column := indentOf(f.lines[first])
	var entries []entry
	for i := first; i < to; i++ {
		if line := f.lines[i]; indentOf(line) == column && (line[column:] == "-" || strings.HasPrefix(line[column:], "- ")) {
			if len(entries) == len(n.Content) {
				return false
			}
			entries = append(entries, entry{value: n.Content[len(entries)], line: i})
		}
	}
	if len(entries) != len(n.Content) {
		return false
	}
	tail := f.regions(entries, from, to, column)
	f.open = true
	for _, e := range entries {
		f.comments(e.head, e.line, indent)
		content := strings.TrimLeft(f.lines[e.line][column+1:], " ")
		start := len(f.lines[e.line]) - len(content)
		switch {
		case isBlock(e.value, yaml.MappingNode) && content == "" && e.value.Content[0].Line-1 > e.line:
			f.mapping(e.value, s.of(""), e.line+1, e.end, indent+2, true)
		case isBlock(e.value, yaml.MappingNode) && e.value.Content[0].Line-1 == e.line && e.value.Content[0].Column-1 == start:
			f.mapping(e.value, s.of(""), e.line, e.end, indent+2, true)
		case content == "" || strings.HasPrefix(content, "#"):
			f.put(indent, strings.TrimSpace(f.lines[e.line]))
			f.raw(e, indent-column)
		default:
			f.put(indent, "- "+content)
			f.raw(e, indent+2-start)
		}
	}
	f.comments(tail, to, indent)
	return true
}
