package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/replica"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/schema"
)

// maxLayout is the most bytes of a layout's file: more than a hundred thousand snapshots take.
const maxLayout = 256 << 20

// readLayout reads a layout from a file, JSON or YAML. Mistakes are printed.
func (a *app) readLayout(file string) (replica.Layout, error) {
	var l replica.Layout
	f, err := os.Open(file)
	if err != nil {
		return l, exit(exitInvalid, fmt.Errorf("cannot read the layout: %w", err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLayout+1))
	switch {
	case err != nil:
		return l, exit(exitInvalid, fmt.Errorf("cannot read the layout: %w", err))
	case len(data) > maxLayout:
		return l, exit(exitInvalid, fmt.Errorf("%s is too large for a layout", file))
	}
	decode := decodeYAML
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{\"")) || json.Valid(data) { // written by a program, and maybe long
		decode = decodeJSON
	}
	l, mistakes := decode(file, data)
	a.diagnose(mistakes, diagnostic.NewSource(file, data))
	if mistakes.HasErrors() {
		return l, exit(exitInvalid, nil)
	}
	return l, nil
}

// mistakesOf are the violations of a layout, at the places that their pointers lead to.
func mistakesOf(file string, wrong []schema.Violation, places map[string]diagnostic.Position) diagnostic.List {
	var list diagnostic.List
	for _, v := range wrong {
		d := diagnostic.Diagnostic{File: file, Code: diagnostic.BadValue, Message: v.Message, Length: 1}
		for at := v.Path; ; {
			if pos, known := places[at]; known {
				d.Pos = pos
				break
			}
			i := bytes.LastIndexByte([]byte(at), '/')
			if i < 0 {
				break
			}
			at = at[:i]
		}
		if v.Path != "" {
			d.Message = v.Path[1:] + ": " + d.Message
		}
		list.Add(d)
	}
	return list
}

func decodeJSON(file string, data []byte) (replica.Layout, diagnostic.List) {
	l, wrong, err := replica.Decode(data)
	var list diagnostic.List
	if err != nil {
		d := diagnostic.Diagnostic{File: file, Code: diagnostic.YAMLSyntax, Message: err.Error()}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := data[:min(int(syntax.Offset), len(data))]
			d.Pos = diagnostic.Position{Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n')}
		}
		list.Add(d)
		return l, list
	}
	return l, mistakesOf(file, wrong, nil)
}

func decodeYAML(file string, data []byte) (replica.Layout, diagnostic.List) {
	value, list := playbook.ParseInputs(file, data)
	if list.HasErrors() {
		return replica.Layout{}, list
	}
	d := &literal{file: file, places: map[string]diagnostic.Position{}}
	plain := d.value(replica.Schema(), value, "")
	if d.list.HasErrors() {
		return replica.Layout{}, d.list
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		d.list.Add(diagnostic.Diagnostic{File: file, Code: diagnostic.BadValue, Message: err.Error()})
		return replica.Layout{}, d.list
	}
	l, wrong, err := replica.Decode(encoded)
	if err != nil {
		d.list.Add(diagnostic.Diagnostic{File: file, Code: diagnostic.BadValue, Message: err.Error()})
	}
	return l, append(d.list, mistakesOf(file, wrong, d.places)...)
}

// literal turns what stands in a file into JSON values, as a schema says that it is meant, and remembers where each stands.
type literal struct {
	file   string
	places map[string]diagnostic.Position
	list   diagnostic.List
}

func (d *literal) value(s *schema.Schema, v playbook.Value, at string) any {
	d.places[at] = v.Position()
	switch v := v.(type) {
	case playbook.Map:
		object := map[string]any{}
		for _, e := range v.Entries {
			inner := s.Property(e.Key)
			if inner == nil {
				inner = &schema.Schema{} // Check says that there is no such key
			}
			object[e.Key] = d.value(inner, e.Value, at+"/"+e.Key)
			d.places[at+"/"+e.Key] = e.KeyPos
		}
		return object
	case playbook.List:
		items := []any{}
		inner := s.Items
		if inner == nil {
			inner = &schema.Schema{}
		}
		for i, item := range v.Items {
			items = append(items, d.value(inner, item, at+"/"+strconv.Itoa(i)))
		}
		return items
	case playbook.Scalar:
		return d.scalar(s, v)
	}
	return nil
}

func (d *literal) scalar(s *schema.Schema, v playbook.Scalar) any {
	t := playbook.StringType
	switch {
	case s.Kind == schema.Duration:
		t = playbook.DurationType
	case s.Kind == schema.Size:
		t = playbook.SizeType
	case s.Kind == schema.Timestamp:
		t = playbook.TimestampType
	case s.Type == schema.Integer:
		t = playbook.IntType
	case s.Type == schema.Boolean:
		t = playbook.BoolType
	}
	value, mistake := playbook.Convert(t, v)
	switch {
	case mistake != nil:
		mistake.File = d.file
		d.list.Add(*mistake)
		return v.Text
	case t == playbook.DurationType:
		return v.Text
	case t == playbook.TimestampType:
		return value.(time.Time).Format(time.RFC3339Nano)
	}
	return value
}

// saveLayout captures what a rehearsal would copy, and writes it.
func (a *app) saveLayout(ctx context.Context, file string, p *check.Program, inputs map[string]any) error {
	s := &setting{}
	if err := s.capture(ctx, p, inputs); err != nil {
		return err
	}
	if len(s.layout.Filesystems) == 0 {
		return exit(exitFailed, errors.New("no input names a btrfs of this machine: there is no layout to save"))
	}
	s.layout.Taken = time.Now().UTC().Truncate(time.Millisecond)
	data, err := replica.Encode(s.layout)
	if err != nil {
		return exit(exitBug, err)
	}
	for _, note := range s.notes {
		fmt.Fprintf(a.complaints(syslogWarning), "coppice: %s\n", diagnostic.Escape(note))
	}
	if file == "-" {
		_, err = a.out.Write(data)
	} else {
		err = writeNew(file, data)
	}
	if err != nil {
		return exit(exitFailed, fmt.Errorf("cannot save the layout: %w", err))
	}
	return nil
}

// writeNew replaces a file by a whole new one: names of subvolumes are nobody else's business.
func writeNew(file string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".coppice-layout-")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
