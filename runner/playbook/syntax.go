package playbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// decode reads the one document of text. It is nil if something was reported.
func decode(file string, text []byte, source *Source) (*yaml.Node, diagnostic.List) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	document, err := next(decoder)
	if errors.Is(err, io.EOF) || err == nil && isNothing(document) {
		return nil, fileError(file, diagnostic.EmptyFile, "the file holds no playbook",
			`a playbook starts with "version: 1"`)
	}
	if err != nil {
		return nil, syntaxError(file, text, source, err)
	}
	second, err := next(decoder)
	switch {
	case errors.Is(err, io.EOF):
		return document, nil
	case err != nil:
		return nil, syntaxError(file, text, source, err)
	}
	return nil, diagnostic.List{{
		File: file, Pos: source.Clamp(diagnostic.Position{Line: second.Line, Column: second.Column}), Length: 3,
		Code: diagnostic.MultipleDocuments, Message: "a second document starts here; a file holds one playbook",
		Suggestion: "put it into a file of its own, or remove the line ---",
	}}
}

// next decodes a document. A panic of the YAML library, which text can cause, is an error like any other.
func next(decoder *yaml.Decoder) (node *yaml.Node, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			node, err = nil, fmt.Errorf("yaml: %v", reason)
		}
	}()
	node = new(yaml.Node)
	return node, decoder.Decode(node)
}

// isNothing reports whether a document is only an implied null: "---" and comments.
func isNothing(document *yaml.Node) bool {
	if len(document.Content) != 1 {
		return true
	}
	n := document.Content[0]
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 && n.Anchor == ""
}

func fileError(file string, code diagnostic.Code, message, suggestion string) diagnostic.List {
	return diagnostic.List{{File: file, Code: code, Message: message, Suggestion: suggestion, Length: 1}}
}

var yamlLine = pattern(`^yaml: (?:line \d+: )?`)

// syntaxError turns an error of the YAML library into a diagnostic on the line that made it: the library often names
// the line where the surrounding block began, or none.
func syntaxError(file string, text []byte, source *Source, err error) diagnostic.List {
	message := yamlLine().ReplaceAllString(err.Error(), "")
	line := failingLine(text)
	raw := source.Line(line)
	d := diagnostic.Diagnostic{
		File: file, Code: diagnostic.YAMLSyntax, Message: "not valid YAML: " + message,
		Pos: diagnostic.Position{Line: line, Column: leadingBlanks(raw) + 1}, Length: 1,
	}
	explain(&d, raw, message)
	d.Pos = source.Clamp(d.Pos)
	return diagnostic.List{d}
}

// failingLine is the first line that no continuation can save: the line after the longest run of whole lines that is
// valid YAML. It is found by bisection, so that a large file costs some twenty passes. Where a prefix is not valid, a few
// further lines are tried, as many as a small file affords, since a list over several lines is not valid before its end.
func failingLine(text []byte) int {
	const lookAheadBytes = 2 << 20
	ends := lineEnds(text)
	lookAhead := min(lookAheadBytes/(len(text)*bits.Len(uint(len(ends)))+1), 16)
	good, bad := 0, len(ends)
	for bad-good > 1 {
		middle := (good + bad) / 2
		if valid(text[:ends[middle-1]]) {
			good = middle
			continue
		}
		saved := false
		for n := middle + 1; n < bad && n <= middle+lookAhead; n++ {
			if valid(text[:ends[n-1]]) {
				good, saved = n, true
				break
			}
		}
		if !saved {
			bad = middle
		}
	}
	return good + 1
}

// lineEnds are the offsets after each line of text.
func lineEnds(text []byte) []int {
	var ends []int
	for i, b := range text {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	if len(ends) == 0 || ends[len(ends)-1] != len(text) {
		ends = append(ends, len(text))
	}
	return ends
}

func valid(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := next(decoder); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
