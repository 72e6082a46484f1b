package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const schemaDir = "reference/schema"

// A format is what --json prints, with the Go type it is made of: a struct that is the whole document; or the elements of
// a list, or one value, under a key; or a line for each type of event.
type format struct {
	name, title string
	whole       structure
	list, one   string // the key
	element     structure
	lines       []line
}

// line is one type of event: its struct, and what the record of a run has besides and not.
type line struct {
	kind string
	of   structure
}

var formats = []format{
	{name: "coppice.events", title: "A line of coppice run --json and coppice apply --json", lines: eventLines},
	{name: "coppice.run", title: "A line of coppice runs show --json: of the record of a run", lines: recordLines},
	{name: "coppice.plan", title: "coppice plan --json", whole: structure{file: "../runner/report", name: "planDocument"}},
	{name: "coppice.diagnostics", title: "coppice validate --json", list: "diagnostics", element: structure{file: "../runner/diagnostic", name: "diagnosticJSON"}},
	{name: "coppice.playbooks", title: "coppice list --json", list: "playbooks", element: structure{file: "../cmd/coppice", name: "listed"}},
	{name: "coppice.playbook", title: "coppice show --json", whole: structure{file: "../cmd/coppice", name: "shownPlaybook"}},
	{name: "coppice.runs", title: "coppice runs --json", list: "runs", element: structure{file: "../cmd/coppice", name: "listedRun"}},
	{name: "coppice.status", title: "coppice status --json", one: "status", element: structure{file: "../cmd/coppice", name: "health"}},
	{name: "coppice.report", title: "coppice report --json", whole: structure{file: "../runner/report", name: "historyDocument"}},
	{name: "coppice.doctor", title: "coppice doctor --json", list: "findings", element: structure{file: "../cmd/coppice", name: "finding"}},
	{name: "coppice.snapshots", title: "coppice snapshots list --json", one: "found", element: structure{file: "../plugins/btrfs/recovery", name: "FindOutput"}},
	{name: "coppice.boot", title: "coppice boot status --json", one: "boot", element: structure{file: "../cmd/coppice", name: "bootShown"}},
	{name: "coppice.boot-diff", title: "coppice boot diff --json", one: "diff", element: structure{file: "../plugins/btrfs/boot", name: "LossOutput"}},
	{name: "coppice.diff", title: "coppice snapshots diff --json", one: "diff", element: structure{file: "../plugins/btrfs/recovery", name: "DiffOutput"}},
	{name: "coppice.plugin-test", title: "coppice plugin test --json", one: "test", element: structure{file: "../sdk/plugintest", name: "Report"}},
	{name: "coppice.plugins", title: "coppice plugin list --json", list: "plugins", element: structure{file: "../cmd/coppice", name: "row"}},
	{name: "coppice.descriptions", title: "coppice explain --json and coppice explain PLUGIN --json", list: "plugins", element: structure{file: "../sdk", name: "Description"}},
	{name: "coppice.action", title: "coppice explain PLUGIN.ACTION --json", one: "action", element: structure{file: "../sdk", name: "Info"}},
	{name: "coppice.graph", title: "coppice graph --json", one: "graph", element: structure{file: "../runner/graph", name: "Graph"}},
	{name: "coppice.simulation", title: "coppice simulate --json", one: "simulation", element: structure{file: "../runner/simulate", name: "Result"}},
	{name: "coppice.rehearsal", title: "coppice rehearse --json", one: "rehearsal", element: structure{file: "../runner/rehearse", name: "Result"}},
	{name: "coppice.timeline", title: "coppice rehearse --days N --json", one: "timeline", element: structure{file: "../runner/rehearse", name: "Timeline"}},
	{name: "coppice.version", title: "coppice version --json", one: "coppice", element: structure{file: "../cmd/coppice", name: "versions"}},
}

var eventLines = []line{
	{"run_started", structure{file: "../runner/engine", name: "RunStarted"}},
	{"step_started", structure{file: "../runner/engine", name: "StepStarted"}},
	{"step_planned", structure{file: "../runner/engine", name: "StepPlanned"}},
	{"step_progress", structure{file: "../runner/engine", name: "StepProgress"}},
	{"step_log", structure{file: "../runner/engine", name: "StepLog"}},
	{"step_retrying", structure{file: "../runner/engine", name: "StepRetrying"}},
	{"change_made", structure{file: "../runner/engine", name: "ChangeMade"}},
	{"step_finished", structure{file: "../runner/engine", name: "StepResult"}},
	{"run_finished", structure{file: "../runner/engine", name: "RunFinished"}},
}

var recordLines = []line{
	{"header", structure{file: "../runner/journal", name: "headerBody"}},
	{"run_started", structure{file: "../runner/journal", name: "startedBody"}},
	{"step_started", structure{file: "../runner/engine", name: "StepStarted"}},
	{"step_planned", structure{file: "../runner/journal", name: "plannedBody"}},
	{"step_log", structure{file: "../runner/engine", name: "StepLog"}},
	{"step_retrying", structure{file: "../runner/engine", name: "StepRetrying"}},
	{"change_made", structure{file: "../runner/engine", name: "ChangeMade"}},
	{"step_finished", structure{file: "../runner/journal", name: "finishedBody"}},
	{"run_finished", structure{file: "../runner/engine", name: "RunFinished"}},
}

// schema is the JSON Schema of a format.
func (f format) schema(t *testing.T) object {
	g := newSource(t)
	o := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"$id", "urn:" + strings.ReplaceAll(f.name, ".", ":") + ":1"},
		{"title", f.title}, {"description", "Format " + f.name + ", version 1. Fields may be added; ignore those that you do not know."},
		{"$comment", `DO NOT EDIT: "go generate ./docs" writes it from the Go source.`}}
	switch head := []property{{"format", object{{"const", f.name}}, false}, {"version", object{{"const", 1}}, false}}; {
	case f.lines != nil:
		o = append(o, f.events(g)...)
	case f.whole.name != "":
		all := g.fields(g.load(f.whole.file), f.whole.name)
		o = append(o, closed(append(head, all[2:]...))...)
	case f.list != "":
		items := g.named(g.load(f.element.file), f.element.name)
		o = append(o, closed(append(head, property{f.list, object{{"type", "array"}, {"items", items}}, false}))...)
	default:
		o = append(o, closed(append(head, property{f.one, g.named(g.load(f.element.file), f.element.name), false}))...)
	}
	if f.name == "coppice.runs" {
		g.alsoRecorded(t)
	}
	if g.dropUnused(t, o); len(g.defs) > 0 {
		o = append(o, member{"$defs", g.defs})
	}
	return o
}

// dropUnused drops definitions of fields that are hidden.
func (g *source) dropUnused(t *testing.T, o object) {
	for n := -1; n != len(g.defs); {
		n = len(g.defs)
		text := string(indented(t, append(slices.Clone(o), member{"$defs", g.defs})))
		g.defs = slices.DeleteFunc(g.defs, func(m member) bool { return !strings.Contains(text, `"#/$defs/`+m.key+`"`) })
	}
}

// events is one definition a type, each with the head that all lines have.
func (f format) events(g *source) object {
	record := f.name == "coppice.run"
	dir := "../runner/report"
	if record {
		dir = "../runner/journal"
	}
	var choice []any
	for _, l := range f.lines {
		var all []property
		for _, p := range g.fields(g.load(dir), "head") {
			switch p.name {
			case "format":
				p.schema = object{{"const", f.name}}
			case "version":
				p.schema = object{{"const", 1}}
			case "time":
				p.schema = object{{"description", "when the line was written"}, {"type", "string"}, {"format", "date-time"}}
			case "type":
				p.schema = object{{"const", l.kind}}
			}
			if record && (p.name == "format" || p.name == "version") {
				if l.kind != "header" {
					continue
				}
				p.optional = false
			}
			all = append(all, p)
		}
		for _, p := range g.fields(g.load(l.of.file), l.of.name) {
			// What is too large for the record is cut, in the worst case everything.
			p.optional = p.optional || record
			all = append(all, p)
		}
		if record {
			if !slices.ContainsFunc(all, func(p property) bool { return p.name == "cut" }) {
				all = append(all, property{"cut", object{{"type", "object"}, {"additionalProperties", integer}}, true})
			}
			all = append(all, property{"crc", object{{"description", "CRC-32C of the line before this field"}, {"type", "string"}, {"pattern", "^[0-9a-f]{8}$"}}, false})
		}
		g.defs = append(g.defs, member{l.kind, closed(all)})
		choice = append(choice, object{{"$ref", "#/$defs/" + l.kind}})
	}
	return object{{"type", "object"}, {"oneOf", choice}}
}

// alsoRecorded adds the statuses that a run has only in its record.
func (g *source) alsoRecorded(t *testing.T) {
	more := g.load("../runner/journal").values["engine.RunStatus"]
	for _, def := range g.defs {
		if def.key != "listedRun" {
			continue
		}
		for _, p := range def.value.(object)[1].value.(object) {
			if p.key == "status" {
				schema := p.value.(object)
				last := &schema[len(schema)-1]
				last.value = append(slices.Clone(last.value.([]string)), more...)
				return
			}
		}
	}
	t.Fatal("coppice.runs has no status")
}

// TestGeneratedSchemas compares the JSON Schemas with the source that they are made from.
func TestGeneratedSchemas(t *testing.T) {
	page, err := os.ReadFile("reference/json.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range formats {
		file := filepath.Join(schemaDir, f.name+".schema.json")
		want[file] = true
		compare(t, file, indented(t, f.schema(t)))
		if !strings.Contains(string(page), "(schema/"+f.name+".schema.json)") {
			t.Errorf("reference/json.md has no link to the schema of %s", f.name)
		}
	}
	files, err := filepath.Glob(schemaDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !want[file] {
			t.Errorf("%s: no format has this schema", file)
		}
	}
}
