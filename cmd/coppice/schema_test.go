package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
)

// schemasVariable names the folder of the JSON Schemas: a coppice of the tests that finds it holds all JSON that it prints against them.
// problemsVariable names the file for what does not fit.
const (
	schemasVariable  = "COPPICE_TEST_SCHEMAS"
	problemsVariable = "COPPICE_TEST_PROBLEMS"
)

// checkedMain is Main. What does not fit its schema is an error.
func checkedMain(args []string) int {
	if os.Getenv(schemasVariable) == "" || !slices.Contains(args, "--json") {
		return Main(args)
	}
	var printed bytes.Buffer
	a := &app{in: os.Stdin, out: io.MultiWriter(os.Stdout, &printed), err: os.Stderr, configs: configDir()}
	code := a.main(args)
	if err := checkJSON(printed.Bytes()); err != nil {
		text := fmt.Sprintf("JSON of %q: %v\n", args, err)
		fmt.Fprint(os.Stderr, text)
		if f, err := os.OpenFile(os.Getenv(problemsVariable), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, _ = f.WriteString(text)
			f.Close()
		}
		return exitBug
	}
	return code
}

// checkJSON holds what a verb has printed with --json against the schema of its format, and events against what is promised of them.
func checkJSON(printed []byte) error {
	printed, whole := bytes.CutSuffix(printed, []byte("\n"))
	if len(printed) == 0 {
		return nil
	}
	if !whole {
		return errors.New("the last line has no line break")
	}
	lines := bytes.Split(printed, []byte("\n"))
	var first struct{ Format string }
	if err := json.Unmarshal(lines[0], &first); err != nil {
		return err
	}
	stream := first.Format == report.EventsFormat || first.Format == journal.Format
	if !stream && len(lines) > 1 {
		return fmt.Errorf("format %s: a document is one line", first.Format)
	}
	schema, err := schemaOf(first.Format)
	if err != nil {
		return err
	}
	for i, line := range lines {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := schema.Validate(value); err != nil {
			return fmt.Errorf("line %d: %w\n%.2000s", i+1, err, line)
		}
	}
	if first.Format == report.EventsFormat {
		return checkEvents(lines)
	}
	return nil
}

// checkEvents checks that seq has no gap, and that the stream has a start and a summary.
func checkEvents(lines [][]byte) error {
	for i, line := range lines {
		var e struct {
			Seq  int
			Type string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		switch {
		case e.Seq != i+1:
			return fmt.Errorf("line %d has seq %d", i+1, e.Seq)
		case (i == 0) != (e.Type == "run_started"):
			return fmt.Errorf("line %d: %s", i+1, e.Type)
		case (i == len(lines)-1) != (e.Type == "run_finished"):
			return fmt.Errorf("line %d of %d: %s", i+1, len(lines), e.Type)
		}
	}
	return nil
}

var schemas sync.Map // format → *jsonschema.Schema

// schemaOf is the schema of a format, closed: a field that it does not name is an error.
func schemaOf(format string) (*jsonschema.Schema, error) {
	if s, ok := schemas.Load(format); ok {
		return s.(*jsonschema.Schema), nil
	}
	data, err := os.ReadFile(filepath.Join(os.Getenv(schemasVariable), format+".schema.json"))
	if err != nil {
		return nil, fmt.Errorf("format %q has no schema: %w", format, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(format, doc); err != nil {
		return nil, err
	}
	s, err := c.Compile(format)
	if err != nil {
		return nil, err
	}
	schemas.Store(format, s)
	return s, nil
}

func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			closeObjects(inner)
		}
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
	case []any:
		for _, inner := range v {
			closeObjects(inner)
		}
	}
}

// TestSchemasRefuse shows that the check of all other tests does check.
func TestSchemasRefuse(t *testing.T) {
	started := `{"format":"coppice.events","version":1,"seq":1,"time":"2026-03-30T06:00:00Z","type":"run_started","run":"r","mode":"run","playbook":"p","instant":"2026-03-30T06:00:00Z","inputs":{},"steps":0}` + "\n"
	finished := `{"format":"coppice.events","version":1,"seq":2,"time":"2026-03-30T06:00:00Z","type":"run_finished","run":"r","mode":"run","status":"succeeded","changes":{"create":0,"update":0,"delete":0,"run":0},"steps":{"ok":1},"warnings":0,"duration_ns":1}` + "\n"
	if err := checkJSON([]byte(started + finished)); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"no summary":       started,
		"no start":         finished,
		"a gap":            started + strings.Replace(finished, `"seq":2`, `"seq":3`, 1),
		"a field too many": started + strings.Replace(finished, `"warnings"`, `"errors":0,"warnings"`, 1),
		"a field missing":  started + strings.Replace(finished, `"warnings":0,`, ``, 1),
		"a wrong status":   started + strings.Replace(finished, `succeeded`, `fine`, 1),
		"a wrong count":    started + strings.Replace(finished, `"ok":1`, `"okay":1`, 1),
		"a wrong time":     strings.Replace(started, `2026-03`, `2026-13`, 1) + finished,
		"another version":  strings.Replace(started, `"version":1`, `"version":2`, 1) + finished,
		"a torn line":      strings.TrimSuffix(started+finished, "\n"),
		"another format":   `{"format":"coppice.nothing","version":1}` + "\n",
		"two documents":    strings.Repeat(`{"format":"coppice.plugins","version":1,"plugins":[]}`+"\n", 2),
	} {
		if err := checkJSON([]byte(text)); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestEveryFormat runs each verb that prints JSON, on a real filesystem; their output is checked in checkedMain.
func TestEveryFormat(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(t.Context(), fs, append(slices.Clone(critical), "snapshots")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := []string{"COPPICE_STATE_DIR=" + dir, "COPPICE_CONFIG_DIR=" + dir}
	hello := filepath.Join(dir, "coppice-plugin-hello")
	if err := copySelf(hello); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "saved.plan")
	input := "filesystem=" + fs.Mount
	seen := map[string]bool{}
	for _, args := range []string{
		"run snapshot-rotation -i " + input, "plan snapshot-rotation -i " + input + " --out " + plan, "apply " + plan, "runs",
		"runs show 2", "validate snapshot-rotation", "list", "show snapshot-rotation", "graph snapshot-rotation", "explain", "explain btrfs", "explain btrfs.prune",
		"plugin list", "plugin test " + hello, "version", "simulate snapshot-rotation --days 2 -i " + input, "snapshots list -f " + fs.Mount, "snapshots diff root root -f " + fs.Mount,
		"boot status -i " + input, "boot diff -i " + input, "rehearse snapshot-rotation -i " + input, "rehearse snapshot-rotation --days 2 -i " + input,
		"status -f " + fs.Mount, "doctor -f " + fs.Mount, "report -f " + fs.Mount,
	} {
		words := strings.Fields(args)
		if args == "runs show 2" { // two runs have ids that start so
			_, out, _ := coppice(t, env, "runs", "--json")
			var list struct{ Runs []struct{ Run string } }
			if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Runs) != 2 {
				t.Fatal(out, err)
			}
			words[2] = list.Runs[0].Run
		}
		code, out, stderr := coppice(t, env, append(words, "--json")...)
		var first struct{ Format string }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&first); code != 0 && code != exitAttention || err != nil {
			t.Errorf("coppice %s: exit code %d, %v\n%s", args, code, err, stderr)
		}
		seen[first.Format] = true
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv(schemasVariable), "*.schema.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".schema.json"); !seen[name] && name != "coppice.diagnostics" {
			t.Errorf("no verb has printed %s", name)
		}
	}
	empty := filepath.Join(dir, "empty.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := coppice(t, env, "validate", empty, "--json"); code != exitInvalid || !strings.Contains(out, "coppice.diagnostics") {
		t.Errorf("validate: exit code %d\n%s%s", code, out, stderr)
	}

	// What a plugin says of itself is its own format: an element of coppice.descriptions.
	described := must(t, "plugin", "describe", "btrfs")
	if err := checkJSON([]byte(`{"format":"coppice.descriptions","version":1,"plugins":[` + strings.ReplaceAll(described, "\n", " ") + "]}\n")); err != nil {
		t.Errorf("plugin describe: %v", err)
	}
}
