package playbook

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// The keys of the language, in the order to show them.
var (
	playbookKeys = []string{
		"version", "name", "description", "schedule", "inputs", "vars", "timeout", "steps", "on_failure", "always", "outputs",
	}
	scheduleKeys = []string{"calendar", "persistent", "jitter"}
	inputKeys    = []string{
		"type", "items", "default", "enum", "description", "optional", "secret", "min", "max", "pattern",
	}
	stepKeys = []string{
		"id", "name", "if", "for_each", "max_parallel", "uses", "with", "timeout", "retry", "continue_on_error",
	}
	blockKeys = []string{"id", "name", "if", "block", "rescue", "always", "timeout", "continue_on_error"}
	callKeys  = []string{"id", "name", "if", "playbook", "with", "timeout", "continue_on_error"}
	retryKeys = []string{"attempts", "delay", "backoff", "when"}
)

var (
	playbookName = pattern(`^[a-z][a-z0-9-]*$`)
	identifier   = pattern(`^[a-z_][a-z0-9_]*$`)
	usesForm     = pattern(`^([a-z][a-z0-9_-]*)\.([a-z][a-z0-9_-]*)$`)
)

// playbook reads the whole file. It never returns nil.
func (w *walker) playbook(v Value) *Playbook {
	p := new(Playbook)
	o, ok := w.object(v, "a playbook", "", playbookKeys)
	if !ok {
		return p
	}
	o.require("version", "name", "steps")
	p.Version = o.version()
	p.Name, p.NamePos = o.playbookName()
	p.Description = o.text("description")
	p.Schedule = o.schedule()
	for _, e := range o.entries("inputs", "declarations") {
		p.Inputs = append(p.Inputs, w.input(e, join("inputs", e.Key)))
	}
	for _, e := range o.entries("vars", "values") {
		p.Vars = append(p.Vars, Var{Name: e.Key, Pos: e.KeyPos, Value: e.Value})
	}
	p.Timeout = o.duration("timeout")
	p.Steps = o.steps("steps")
	if e, given := o.Get("steps"); given {
		if list, isList := e.Value.(List); isList && len(list.Items) == 0 {
			w.report(diagnostic.Diagnostic{
				Pos: list.Pos, Length: 1, Code: diagnostic.NoSteps, Path: "steps", Message: "a playbook needs at least one step",
			})
		}
	}
	p.OnFailure = o.steps("on_failure")
	p.Always = o.steps("always")
	for _, e := range o.entries("outputs", "values") {
		p.Outputs = append(p.Outputs, Var{Name: e.Key, Pos: e.KeyPos, Value: e.Value})
	}
	w.identify(p)
	w.count(len(p.Inputs), maxInputs, "inputs")
	w.count(len(p.Vars), maxVars, "vars")
	w.count(len(p.Outputs), maxVars, "outputs")
	w.count(len(p.AllSteps()), maxSteps, "steps")
	return p
}

// Limits of a playbook: what is over them was made by a program, or to be trouble. Each name costs memory in each
// expression that can see it.
const (
	maxInputs = 200
	maxVars   = 500
	maxSteps  = MaxSteps
)

// MaxSteps is how many steps a playbook can have, those of the playbooks that it calls included.
const MaxSteps = 2000

// count reports that there are too many of something.
func (w *walker) count(n, most int, what string) {
	if n > most {
		w.report(diagnostic.Diagnostic{
			Pos: diagnostic.Position{Line: 1, Column: 1}, Length: 1, Code: diagnostic.TooMany, Path: what,
			Message: fmt.Sprintf("the playbook has %d %s; at most %d are possible", n, what, most),
		})
	}
}

func (o *object) version() int {
	s, ok := o.scalar("version")
	if !ok {
		return 0
	}
	if s.Plain && s.Text == strconv.Itoa(Version) {
		return Version
	}
	d := diagnostic.Diagnostic{
		Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadVersion, Path: "version",
		Message: fmt.Sprintf("this coppice knows no language version %s", shorten(s.Text)),
		Allowed: []string{strconv.Itoa(Version)},
	}
	if !s.Plain {
		d.Message, d.Suggestion = "the version is a number, not a string", "remove the quotes"
	}
	o.report(d)
	return 0
}

func (o *object) playbookName() (string, diagnostic.Position) {
	s, ok := o.scalar("name")
	if !ok {
		return "", diagnostic.Position{}
	}
	if !playbookName().MatchString(s.Text) {
		o.report(diagnostic.Diagnostic{
			Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadID, Path: "name",
			Message:    fmt.Sprintf("%q cannot name a playbook: it starts with a-z and goes on with a-z, 0-9 and -", shorten(s.Text)),
			Suggestion: writeInstead(s.Text, '-', playbookName()),
		})
		return "", s.Pos
	}
	return s.Text, s.Pos
}

// writeInstead suggests the legal name nearest to text: lower case, every other run of characters one joiner.
func writeInstead(text string, joiner rune, legal *regexp.Regexp) string {
	const longest = 60
	var b strings.Builder
	pending := false
	for _, r := range strings.ToLower(text) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			if pending && b.Len() > 0 {
				b.WriteRune(joiner)
			}
			pending = false
			b.WriteRune(r)
		default:
			pending = true
		}
	}
	if name := b.String(); len(name) <= longest && legal.MatchString(name) {
		return fmt.Sprintf("write %q", name)
	}
	return ""
}

func (o *object) schedule() *Schedule {
	v, ok := o.value("schedule")
	if !ok {
		return nil
	}
	so, ok := o.object(v, "a schedule", "schedule", scheduleKeys)
	if !ok {
		return nil
	}
	so.require("calendar")
	s := &Schedule{Pos: so.Pos, Calendar: so.text("calendar"), Persistent: so.bool("persistent"), Jitter: so.duration("jitter")}
	if e, given := so.Get("calendar"); given {
		s.CalendarPos = e.Value.Position()
	}
	return s
}
