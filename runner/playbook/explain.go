package playbook

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

var (
	bareTemplate  = pattern(`[:,\[{-]\s*\$?\$\{\{`)
	colonInValue  = pattern(`^[\s-]*[^\s:"'{\[][^:]*:\s+[^"'{\[|>&*\s].*?(:\s|:$)`)
	badFirst      = pattern("(?:^|[:,-] |[\\[{] ?)\\s*([@`%])")
	unknownAnchor = pattern(`^unknown anchor '(.*)' referenced$`)
	afterQuote    = pattern(`^\s*(?:- +)*[A-Za-z_]\w*:\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^']|\'\')*')\s*([^\s#,\]}].*)$`)
	specialFirst  = pattern(`^\s*(?:- +)*[A-Za-z_]\w*:\s+([!&*>|?-])`)
)

func leadingBlanks(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

// explain says what usually lies behind a message of the YAML library, and moves d to the character if it can be told.
func explain(d *diagnostic.Diagnostic, raw, message string) {
	toColumn := func(byteOffset int) { d.Pos.Column = utf8.RuneCountInString(raw[:byteOffset]) + 1 }
	indent := raw[:leadingBlanks(raw)]
	switch {
	case strings.Contains(indent, "\t"):
		toColumn(strings.IndexByte(indent, '\t'))
		d.Message = "a tab cannot indent a line in YAML"
		d.Suggestion = "indent with spaces"
	case unknownAnchor().MatchString(message):
		name := unknownAnchor().FindStringSubmatch(message)[1]
		if i := strings.Index(raw, "*"+name); i >= 0 {
			toColumn(i)
			d.Length = utf8.RuneCountInString(name) + 1
		}
		d.Message = fmt.Sprintf("the alias *%s refers to no anchor", name)
		d.Suggestion = fmt.Sprintf("mark a value before it with &%s, or quote the text", name)
	case bareTemplate().MatchString(raw) && strings.Contains(message, "did not find expected"):
		toColumn(bareTemplate().FindStringIndex(raw)[1] - len("${{"))
		d.Length = len("${{")
		d.Suggestion = `inside { } and [ ] put quotes around it: "${{ … }}"`
	case badFirst().MatchString(raw) && strings.Contains(message, "cannot start any token"):
		i := badFirst().FindStringSubmatchIndex(raw)[2]
		toColumn(i)
		d.Message = fmt.Sprintf("a value cannot start with %q without quotes", raw[i:i+1])
		d.Suggestion = "put quotes around the value"
	case afterQuote().MatchString(raw):
		toColumn(afterQuote().FindStringSubmatchIndex(raw)[2])
		d.Message = "text after a closing quote"
		d.Suggestion = "put the whole value between quotes of the other kind"
	case specialFirst().MatchString(raw) && !strings.Contains(message, "mapping values") &&
		!strings.Contains(message, "did not find expected key") && !strings.Contains(message, "'-' indicator"):
		i := specialFirst().FindStringSubmatchIndex(raw)[2]
		toColumn(i)
		d.Message = fmt.Sprintf("a value that starts with %q needs quotes", raw[i:i+1])
		d.Suggestion = "put quotes around the whole value"
	case strings.Contains(message, "mapping values are not allowed"):
		d.Suggestion = "check the indentation of this line"
		if m := colonInValue().FindStringSubmatchIndex(raw); m != nil {
			toColumn(m[2])
			d.Suggestion = `put quotes around a value that contains ": "`
		}
	case strings.Contains(message, "unexpected end of stream"), strings.Contains(message, "unexpected document indicator"):
		d.Suggestion = "a quote that starts here is not closed"
		if i := strings.IndexAny(raw, `"'`); i >= 0 {
			toColumn(i)
		}
	case strings.Contains(message, "did not find expected '-' indicator"),
		strings.Contains(message, "did not find expected key"):
		d.Suggestion = "check the indentation of this line: it fits no block above"
	case strings.Contains(message, "could not find expected ':'"):
		d.Suggestion = "a key needs a colon; a text that goes on from the line above is indented further than its key"
	case strings.Contains(message, "did not find expected ',' or"):
		if i := strings.LastIndexAny(raw, "[{"); i >= 0 {
			toColumn(i)
		}
		d.Suggestion = "a { or [ is not closed, or a comma is missing"
	}
}
