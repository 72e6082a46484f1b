package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// declaration is the schema of the outputs that the playbook declares; nil: it declares none.
func (in Program) declaration() (*schema.Schema, error) {
	if len(in.Outputs) == 0 {
		return nil, nil
	}
	decoded := map[string]any{}
	for name, raw := range in.Outputs {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, sdk.InvalidInput("/outputs/"+schema.Escape(name), "%v", err)
		}
		decoded[name] = v
	}
	s, wrong := schema.Declare(decoded)
	var all []error
	for _, m := range wrong {
		all = append(all, sdk.InvalidInput("/outputs"+m.Path, "%s", m.Message))
	}
	if s != nil && s.Property(exitCode) != nil {
		all = append(all, sdk.InvalidInput("/outputs/"+exitCode, "%s is an output already", exitCode))
	}
	return s, errors.Join(all...)
}

// answer reads the JSON object that a command has written. name is the command's program, for messages; path the input that
// names it.
func answer(e ended, name, path string) (map[string]any, error) {
	fail := func(format string, args ...any) error {
		return &sdk.Error{Reason: sdk.Failed, Path: path, Summary: fmt.Sprintf(format, args...),
			Advice: "outputs are one JSON object on standard output; anything else goes to standard error"}
	}
	switch {
	case e.overflow:
		return nil, fail("%s wrote more than %d MiB to its standard output", name, mostOutput>>20)
	case len(bytes.TrimSpace(e.output)) == 0:
		return nil, fail("%s wrote nothing to its standard output", name)
	}
	dec := json.NewDecoder(bytes.NewReader(e.output))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		at := int64(len(e.output))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends in the middle of a value")
		}
		return nil, fail("what %s wrote to its standard output is not JSON: %s: %v; it begins with %q", name, place(e.output, at), err, beginning(e.output))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fail("what %s wrote to its standard output is not one JSON value: something follows it in %s", name, place(e.output, dec.InputOffset()))
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fail("what %s wrote to its standard output is no JSON object; it begins with %q", name, beginning(e.output))
	}
	return object, nil
}

// place is an offset as line and column.
func place(data []byte, offset int64) string {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// beginning is the first part of a text.
func beginning(data []byte) string {
	const most = 60
	text := []rune(strings.ToValidUTF8(strings.TrimSpace(string(data[:min(len(data), 4*most)])), "\uFFFD"))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

// fits takes the declared outputs out of what a command has told. All that do not fit are said. partial: some may be missing.
func fits(told map[string]any, s *schema.Schema, name, path string, partial bool) (map[string]any, error) {
	s.Prune(told)
	checked := *s
	if partial {
		checked.Required = nil
	}
	var all []error
	for _, v := range checked.Check(told) {
		what := "the outputs of " + name
		if v.Path != "" {
			what = fmt.Sprintf("the output %s of %s", strings.ReplaceAll(v.Path[1:], "/", "."), name)
		}
		all = append(all, &sdk.Error{Reason: sdk.Failed, Path: path, Summary: what + ": " + v.Message})
	}
	for _, optional := range slices.Sorted(maps.Keys(told)) {
		if told[optional] == nil && !s.IsRequired(optional) {
			delete(told, optional)
		}
	}
	return told, errors.Join(all...)
}
