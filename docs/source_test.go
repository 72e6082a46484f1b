package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exitMeaning is what the exit codes mean to the user, by the constant's name.
var exitMeaning = map[string]string{
	"exitOK":           "Done. For `run`: every step succeeded, or was skipped by its own condition. For `plan`: the plan could be made.",
	"exitFailed":       "A step failed. What was done before it is done; the report says what that is. For `plugin test`: the plugin breaks a promise of the contract.",
	"exitPending":      "Only with `plan --detailed-exitcode`: the plan has changes, conditional ones included.",
	"exitState":        "Only `apply` and `resume`: the state folder can't be written, so that what they do could not be recorded. Nothing was done.",
	"exitStale":        "Only `apply` and `resume`: what was to be done does not hold any more. The machine has drifted from the plan, or it is older than 24 hours, of another machine, or made with another version of a plugin; the run is older than 24 hours, or its playbook has changed. The message says whether anything was changed.",
	"exitAttention":    "Only `status` and `doctor`: they have told all, and something needs somebody.",
	"exitUsage":        "The command line is wrong: unknown verb, flag or action, missing argument, a secret on the command line. Nothing was done.",
	"exitInvalid":      "The playbook or its inputs have mistakes, or can't be read; or an action has refused its inputs. Nothing was done.",
	"exitPlugin":       "A plugin is missing, refused or incompatible. Nothing was done.",
	"exitBug":          "A bug in coppice.",
	"exitBusy":         "Another run uses the same filesystem, and nothing was changed. The message names that run. With `--wait`, `run`, `apply` and `resume` wait for it instead.",
	"exitNotPermitted": "The system did not permit something before any change was made: most often coppice was not run as root.",
	"exitTimedOut":     "The playbook's `timeout` was up. `on_failure` and `always` have run.",
}

// exitCodes is made from the constants of cmd/coppice/exit.go.
func exitCodes(t *testing.T) string {
	file, err := parser.ParseFile(token.NewFileSet(), "../cmd/coppice/exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| Code | Meaning |\n|---|---|\n")
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "exit") {
			return true
		}
		value, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		meaning, ok := exitMeaning[spec.Names[0].Name]
		if !ok {
			t.Errorf("exit code %s has no meaning for the user yet", spec.Names[0].Name)
		}
		seen++
		fmt.Fprintf(&b, "| %s | %s |\n", value.Value, meaning)
		return true
	})
	if seen != len(exitMeaning) {
		t.Errorf("%d exit codes, %d meanings", seen, len(exitMeaning))
	}
	b.WriteString("| 130 | Stopped by SIGINT (Ctrl-C). `always` has run; `on_failure` has not. |\n")
	b.WriteString("| 143 | Stopped by SIGTERM. `always` has run; `on_failure` has not. |\n")
	return b.String()
}

// structure is a Go struct of which JSON is made.
type structure struct {
	title, file, name string
	text              string // below the title
}

const (
	eventFile  = "../runner/engine/event.go"
	changeFile = "../sdk/change.go"
)

var jsonDocuments = []structure{
	{"coppice.plan", "../runner/report/document.go", "planDocument", "`coppice plan PLAYBOOK --json`."},
	{"Diagnostics of a plan", "../runner/report/document.go", "stepDiagnostic", "An element of `diagnostics`: those of all steps."},
	{"coppice.diagnostics", "../runner/diagnostic/diagnostic.go", "diagnosticJSON", "`coppice validate PLAYBOOK… --json`. The list is under `diagnostics`; its elements have:"},
	{"coppice.playbooks", "../cmd/coppice/list.go", "listed", "`coppice list --json`. The list is under `playbooks`; its elements have:"},
	{"coppice.playbook", "../cmd/coppice/show.go", "shownPlaybook", "`coppice show PLAYBOOK --json`."},
	{"Inputs of a playbook", "../cmd/coppice/show.go", "shownInput", "An element of `inputs`."},
	{"Steps of a playbook", "../cmd/coppice/show.go", "shownStep", "An element of `steps`."},
	{"coppice.runs", "../cmd/coppice/runs.go", "listedRun", "`coppice runs --json`. The list is under `runs`; its elements have the fields below. " +
		"`coppice runs show RUN --json` prints the record of a run as it is, one event a line."},
	{"coppice.status", "../cmd/coppice/status.go", "health", "`coppice status --json`. It is under `status`:"},
	{"What needs attention", "../cmd/coppice/status.go", "concern", "An element of `attention`."},
	{"Playbooks of a machine", "../cmd/coppice/status.go", "playbookHealth", "An element of `playbooks`."},
	{"Last run of a playbook", "../cmd/coppice/status.go", "lastRun", "The value of `last`."},
	{"Work of a playbook", "../cmd/coppice/status.go", "dueWork", "An element of `due`."},
	{"Filesystems of a machine", "../cmd/coppice/status.go", "filesystemHealth", "An element of `filesystems`."},
	{"Snapshots of a filesystem", "../cmd/coppice/status.go", "snapshotKind", "An element of `snapshots`."},
	{"Rollback at boot", "../cmd/coppice/status.go", "bootHealth", "The value of `boot`."},
	{"coppice.report", "../runner/report/picture/picture.go", "Report", "`coppice report --json`. It is under `report`:"},
	{"Needs of a machine", "../runner/report/picture/picture.go", "Concern", "An element of `attention`."},
	{"Past of a playbook", "../runner/report/picture/picture.go", "Playbook", "An element of `playbooks`."},
	{"Past runs", "../runner/report/picture/picture.go", "Run", "An element of `runs`. `outcome` is `changed`, `unchanged` (it succeeded, and there was nothing to change), `rescued`, `failed`, `timed_out`, `cancelled`, `interrupted`, `running` or `unknown`."},
	{"Past of a filesystem", "../runner/report/picture/picture.go", "Filesystem", "An element of `filesystems`."},
	{"Space of a filesystem", "../runner/report/picture/picture.go", "Space", "The value of `now`, and an element of `measured`."},
	{"Snapshots of a source", "../runner/report/picture/picture.go", "Source", "An element of `sources`."},
	{"Snapshots in a report", "../runner/report/picture/picture.go", "Snapshot", "An element of `existing` and `deleted`."},
	{"coppice.doctor", "../cmd/coppice/doctor.go", "finding", "`coppice doctor --json`. The list is under `findings`; its elements have:"},
	{"coppice.graph", "../runner/graph/graph.go", "Graph", "`coppice graph PLAYBOOK --json`. It is under `graph`:"},
	{"Sections of a graph", "../runner/graph/graph.go", "Section", "An element of `sections`."},
	{"Steps of a graph", "../runner/graph/graph.go", "Step", "An element of `steps`."},
	{"coppice.simulation", "../runner/simulate/simulate.go", "Result", "`coppice simulate PLAYBOOK --json`. It is under `simulation`:"},
	{"Virtual runs", "../runner/simulate/simulate.go", "Run", "An element of `runs`."},
	{"Deletions of a virtual run", "../runner/simulate/simulate.go", "Deletion", "An element of `deleted`."},
	{"Groups of resources", "../runner/simulate/simulate.go", "Group", "An element of `groups`: the resources of one type in one folder."},
	{"Resources of a group", "../runner/simulate/simulate.go", "Existing", "An element of `resources`: one that exists at the end."},
	{"Reasons in a group", "../runner/simulate/simulate.go", "Keeper", "An element of `keepers`: a kind of reasons for which resources of the group stay."},
	{"Told in a simulation", "../runner/simulate/simulate.go", "Told", "An element of `warnings` and `failures`: each different text once, at most 50 of them."},
	{"coppice.plugins", "../cmd/coppice/plugin.go", "row", "`coppice plugin list --json`. The list is under `plugins`; its elements have:"},
	{"coppice.plugin-test", "../sdk/plugintest/report.go", "Report", "`coppice plugin test BINARY --json`. It is under `test`:"},
	{"Findings of a test", "../sdk/plugintest/report.go", "Finding", "An element of `findings`: a check, for the plugin as a whole or for one action or case."},
	{"coppice.descriptions", "../sdk/plugin.go", "Description", "`coppice explain --json`, and `coppice explain PLUGIN --json` with one plugin. The list is under `plugins`; its elements have:"},
	{"Actions of a plugin", "../sdk/plugin.go", "Info", "An element of `actions`. `coppice explain PLUGIN.ACTION --json` prints one alone, under `action`, as format `coppice.action`."},
}

var jsonEvents = []structure{
	{"Every event", "../runner/report/events.go", "head", "The first fields of every line. The fields of its type follow."},
	{"run_started", eventFile, "RunStarted", "The first line."},
	{"step_started", eventFile, "StepStarted", "Before anything is done for a step, or for one item of a `for_each`."},
	{"step_planned", eventFile, "StepPlanned", "What the step is about to do."},
	{"step_progress", eventFile, "StepProgress", "How far the running step is, at most twice a second."},
	{"step_log", eventFile, "StepLog", "A line of a plugin. `step` is absent where the line belongs to none."},
	{"step_retrying", eventFile, "StepRetrying", "An attempt of a step with `retry` has failed, and another one follows."},
	{"change_made", eventFile, "ChangeMade", "One planned change has been made."},
	{"step_finished", eventFile, "StepResult", "The end of a step, or of one item of it. Steps that do not run have this event alone."},
	{"run_finished", eventFile, "RunFinished", "The last line, however the run ended. A stream without it was cut off."},
}

var jsonCommon = []structure{
	{"StepRef", eventFile, "StepRef", "Which step it is about."},
	{"StepResult", eventFile, "StepResult", "Everything about a step that has ended. `status` is one of those in [the language](language.md#statuses)."},
	{"PlannedStep", eventFile, "PlannedStep", "What a step has decided to do."},
	{"Change", changeFile, "Change", "One change. `kind` is `create`, `update`, `delete` or `run`."},
	{"Kept", changeFile, "Kept", "Something that was considered and stays as it is."},
	{"Resource", changeFile, "Resource", "What a change is about."},
	{"Diagnostic", "../sdk/diagnostic.go", "Diagnostic", "Something that a plugin has to say. `severity` is `error` or `warning`; `reason` is `failed`, `invalid`, " +
		"`not-permitted`, `drifted`, `busy` or `cancelled`."},
	{"Totals", eventFile, "Totals", "Changes by kind."},
}

// fieldMeaning is for fields without a comment in the source: by struct and field,
// or by field alone.
var fieldMeaning = map[string]string{
	"format": "the format's name", "version": "the format's version", "run": "the run's id", "playbook": "the playbook's name",
	"description": "in a sentence", "file": "as it was given", "instant": "the run's one time", "schedule": "a systemd calendar expression",
	"mode": "run or plan", "inputs": "their values; secrets are masked", "warnings": "how many", "duration_ns": "how long it took",
	"step": "which step", "item": "which item of a for_each, from 0", "summary": "one line", "name": "what it is called", "uses": "its action",
	"outputs": "JSON Schema", "changes": "what it does", "kept": "what it looked at and leaves alone", "changed": "whether it made changes",
	"diagnostics": "warnings and errors", "current": "so far", "unit": "of current and total", "message": "one line", "reason": "why",
	"plan": "what it has decided", "change": "which", "plugin": "which", "kind": "what it does", "resource": "to what", "section": "steps, on_failure or always",
	"id": "the step's id", "effect": "read, write or destroy", "severity": "error or warning", "path": "the place as names", "if": "its condition",
	"type": "its type", "api": "version of the plugin contract", "default": "as a JSON value", "enum": "the legal values", "secret": "whether it is masked",
	"required": "whether it must be given", "status": "how it ended",
	"head.seq": "counts up from 1 without a gap", "head.time": "when the line was written", "head.type": "the event's type",
	"planDocument.status": "succeeded when the plan is complete", "planDocument.reason": "why it is not complete", "planDocument.totals": "planned changes",
	"planDocument.step_counts": "how many steps have each status", "planDocument.steps": "in the order of the playbook; each item of a for_each by itself",
	"planDocument.diagnostics": "those of all steps",
	"diagnosticJSON.line":      "from 1; 0: the file as a whole", "diagnosticJSON.column": "in characters, from 1", "diagnosticJSON.length": "characters to underline",
	"diagnosticJSON.code": "see [diagnostics](language.md#diagnostics)", "diagnosticJSON.allowed": "the legal values", "diagnosticJSON.suggestion": "what to write instead",
	"shownPlaybook.inputs": "what it takes", "shownPlaybook.steps": "of all sections", "row.version": "the plugin's own", "row.actions": "how many it has",
	"row.source": "where it comes from", "Description.version": "the plugin's own", "Description.actions": "what it can do", "Info.touches": "types of resources",
	"Info.inputs": "JSON Schema", "RunFinished.steps": "how many have each status", "StepResult.diagnostics": "of this step", "StepResult.outputs": "the outputs",
	"StepRef.label": "what people call the item", "StepResult.made": "what it has changed; only in a run", "Change.before": "attributes before",
	"Change.after":  "attributes afterwards",
	"Totals.create": "how many", "Totals.update": "how many", "Totals.delete": "how many", "Totals.run": "how many", "shownPlaybook.name": "the playbook's name",
	"listedRun.instant": "the run's one time", "listedRun.changes": "what it has changed",
	"Totals.conditional": "changes of a preview that may not happen; they are in no other count",
}

func structures(t *testing.T, all []structure) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", s.title, s.text)
		if s.title == "step_finished" {
			b.WriteString("The fields of [StepResult](#stepresult).\n\n")
			continue
		}
		b.WriteString("| Field | Type | Meaning |\n|---|---|---|\n")
		for _, f := range fields(t, s) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, f.kind, strings.ReplaceAll(f.meaning, "|", "\\|"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

type field struct{ name, kind, meaning string }

// fields reads a struct with its tags and comments out of a source file.
func fields(t *testing.T, s structure) []field {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), s.file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var found *ast.StructType
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == s.name {
			found, _ = spec.Type.(*ast.StructType)
		}
		return true
	})
	if found == nil {
		t.Fatalf("%s has no struct %s", s.file, s.name)
	}
	var all []field
	for _, f := range found.Fields.List {
		if len(f.Names) == 0 {
			all = append(all, field{"", kindOf(f.Type), "its fields too"})
			continue
		}
		if f.Tag == nil {
			continue
		}
		text, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		name, options, _ := strings.Cut(reflect.StructTag(text).Get("json"), ",")
		if name == "-" {
			continue
		}
		meaning := meaningOf(s.name, name, f)
		if meaning == "" {
			t.Errorf("nobody says what field %s of %s means", name, s.name)
		}
		kind := kindOf(f.Type)
		if strings.Contains(options, "omit") {
			kind += ", optional"
		}
		all = append(all, field{"`" + name + "`", kind, meaning})
	}
	return all
}

// meaningOf is what a field means: what its tag says, its comment, or what the table above says; "" if nobody says it.
func meaningOf(structure, name string, f *ast.Field) string {
	tag := ""
	if f.Tag != nil {
		text, _ := strconv.Unquote(f.Tag.Value)
		tag = reflect.StructTag(text).Get("doc")
	}
	for _, meaning := range []string{tag, strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " "), fieldMeaning[structure+"."+name], fieldMeaning[name]} {
		if meaning != "" {
			return meaning
		}
	}
	return ""
}

// shown are the types that have a heading of their own.
var shown = regexp.MustCompile(`^(StepRef|StepResult|PlannedStep|Change|Kept|Resource|Diagnostic|Totals)$`)

// below are the types that are told of in the next tables.
var below = map[string]bool{"concern": true, "playbookHealth": true, "lastRun": true, "dueWork": true, "filesystemHealth": true, "snapshotKind": true, "bootHealth": true}

// kindOf is a Go type in the words of JSON.
func kindOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return kindOf(e.X)
	case *ast.ArrayType:
		return "list of " + kindOf(e.Elt)
	case *ast.MapType:
		return "map of " + kindOf(e.Value)
	case *ast.SelectorExpr:
		switch name := e.X.(*ast.Ident).Name + "." + e.Sel.Name; name {
		case "time.Time":
			return "string, RFC 3339"
		case "time.Duration":
			return "integer, nanoseconds"
		case "json.RawMessage":
			return "any"
		case "schema.Schema":
			return "JSON Schema"
		}
		return kindOf(e.Sel)
	case *ast.Ident:
		switch {
		case e.Name == "string" || e.Name == "bool" || e.Name == "any":
			return e.Name
		case strings.HasPrefix(e.Name, "int") || strings.HasPrefix(e.Name, "uint"):
			return "integer"
		case e.Name == "float64":
			return "number"
		case below[e.Name]:
			return "object, below"
		case shown.MatchString(e.Name):
			return fmt.Sprintf("[%s](#%s)", e.Name, strings.ToLower(e.Name))
		case e.Name == "Info":
			return "[action](#actions-of-a-plugin)"
		case e.Name == "shownInput":
			return "[input](#inputs-of-a-playbook)"
		case e.Name == "shownStep":
			return "[step](#steps-of-a-playbook)"
		case e.Name == "stepDiagnostic":
			return "[diagnostic](#diagnostics-of-a-plan)"
		case e.Name == "Run":
			return "[run](#virtual-runs)"
		case e.Name == "Deletion":
			return "[deletion](#deletions-of-a-virtual-run)"
		case e.Name == "Group":
			return "[group](#groups-of-resources)"
		case e.Name == "Existing":
			return "[resource](#resources-of-a-group)"
		case e.Name == "Keeper":
			return "[reason](#reasons-in-a-group)"
		case e.Name == "Told":
			return "[text](#told-in-a-simulation)"
		}
		return "string" // an enumeration
	}
	return "any"
}
