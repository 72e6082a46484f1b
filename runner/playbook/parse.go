package playbook

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Parse reads a playbook. File is its name, for messages only. The list holds every mistake, sorted; the playbook can
// be used to run only if the list has no errors. With errors it is what could be understood, so that further checks
// can find further mistakes: a part with a mistake is left out or zero. It is nil if the text is not YAML at all.
func Parse(file string, data []byte) (*Playbook, diagnostic.List) {
	value, r, found := parseValue(file, data)
	if value == nil {
		return nil, found
	}
	w := &walker{reporter: r}
	p := w.playbook(value)
	p.File, p.Source = file, r.source
	return p, w.found.Sorted()
}

// ParseInputs reads a file of inputs: a map from names to values, as strict as a playbook. The map holds what could be
// read. A file that is empty but for comments gives no inputs and no mistake.
func ParseInputs(file string, data []byte) (Map, diagnostic.List) {
	value, r, found := parseValue(file, data)
	if value == nil {
		if len(found) == 1 && found[0].Code == diagnostic.EmptyFile {
			return Map{}, nil
		}
		return Map{}, found
	}
	m, ok := value.(Map)
	if !ok {
		r.report(diagnostic.Diagnostic{Pos: value.Position(), Length: 1, Code: diagnostic.WrongType,
			Message: "a file of inputs is a map, found " + describe(value), Suggestion: "write each input as name: value"})
	}
	return m, r.found.Sorted()
}

// parseValue reads a text as one value. It is nil if the text is not YAML at all; the list tells why.
func parseValue(file string, data []byte) (Value, reporter, diagnostic.List) {
	text, found := readText(file, data)
	if found != nil {
		return nil, reporter{}, found
	}
	source := diagnostic.NewSource(file, text)
	document, found := decode(file, text, source)
	if found != nil {
		return nil, reporter{}, found
	}
	c := &composer{reporter: reporter{source: source}, open: make(map[*yaml.Node]bool)}
	value := c.value(document.Content[0], "", 0)
	if c.exhausted {
		return nil, reporter{}, c.found.Sorted()
	}
	return value, c.reporter, nil
}

// readText checks that data is text of a sane size and returns it without a byte order mark.
func readText(file string, data []byte) ([]byte, diagnostic.List) {
	const byteOrderMark = "\ufeff"
	if len(data) > MaxFileSize {
		return nil, fileError(file, diagnostic.FileTooLarge,
			fmt.Sprintf("the file has %d bytes; a playbook has at most %d (1 MiB)", len(data), MaxFileSize), "")
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, fileError(file, diagnostic.NotUTF8, "the file is UTF-16 text", "save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	pos := diagnostic.Position{Line: 1, Column: 1}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		d := diagnostic.Diagnostic{File: file, Pos: pos, Length: 1}
		switch {
		case r == utf8.RuneError && size == 1:
			d.Code = diagnostic.NotUTF8
			d.Message = fmt.Sprintf("the file is not UTF-8 text: byte 0x%02x", data[i])
			d.Suggestion = "save it as UTF-8"
			return nil, diagnostic.List{d}
		case r == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			d.Code = diagnostic.YAMLSyntax
			d.Message = "a carriage return without a line feed"
			d.Suggestion = "end lines with \\n or \\r\\n"
			return nil, diagnostic.List{d}
		case !isAllowed(r):
			d.Code = diagnostic.YAMLSyntax
			d.Message = fmt.Sprintf("the character U+%04X is not allowed in a playbook", r)
			d.Suggestion = fmt.Sprintf("in double quotes it can be written as \\u%04x", r)
			return nil, diagnostic.List{d}
		}
		pos.Column++
		if r == '\n' {
			pos = diagnostic.Position{Line: pos.Line + 1, Column: 1}
		}
		i += size
	}
	return data, nil
}

// isAllowed follows YAML 1.2 section 5.1 (c-printable) without the byte order mark and the three line breaks of YAML
// 1.1 (NEL, LS, PS), which one YAML version takes for line breaks and the other for text.
func isAllowed(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return true
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}
