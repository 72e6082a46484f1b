// Package playbook turns the text of a playbook into a value, or into everything that is wrong with it.
//
// It is the one package that knows YAML. YAML is read into a tree of Values that keep their text exactly as it stands
// in the file and know their place; then a schema walker of our own decides what each text means. So `no`, `0755`,
// `1.10` and `2024-01-02` are what the schema says, never what YAML 1.1 says. The package does not know plugins and
// does not look into expressions: `${{ … }}` is text here. It reads no files and has no state.
//
// Words: a Playbook has inputs, vars and steps; a step uses an action of a plugin and gives it arguments with `with`.
// A Value is a Scalar, a List or a Map. Everything is held in slices in the order of the file.
package playbook

import (
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Version is the language version that this package reads.
const Version = 1

// MaxFileSize is the largest playbook in bytes.
const MaxFileSize = 1 << 20

// Source is the text of the playbook by lines; see diagnostic.Source.
type Source = diagnostic.Source

// Playbook is a parsed playbook. What was wrong in the file is left out or zero, and reported by Parse.
type Playbook struct {
	File        string // as given to Parse
	Version     int    // 1, or 0 if the file has another
	Name        string // ^[a-z][a-z0-9-]*$
	NamePos     diagnostic.Position
	Description string
	Schedule    *Schedule // nil: never by itself
	Inputs      []Input
	Vars        []Var
	Outputs     []Var         // what a playbook that calls this one can read; computed when all went well
	Timeout     time.Duration // of the whole run; 0: none
	Steps       []Step
	OnFailure   []Step // when the run failed
	Always      []Step // last, whatever happened
	Source      *Source
	Called      []Called // by this playbook and by those that it calls, each once; see Link
}

// Called is a playbook that another one calls.
type Called struct {
	From string // the file that calls it
	Name string // as it is called there
	File string
	Data []byte
}

// AllSteps returns the steps of Steps, OnFailure and Always, in this order; the steps inside a block follow it.
func (p *Playbook) AllSteps() []*Step {
	var all []*Step
	var add func(steps []Step)
	add = func(steps []Step) {
		for i := range steps {
			all = append(all, &steps[i])
			add(steps[i].Block)
			add(steps[i].Rescue)
			add(steps[i].Always)
		}
	}
	add(p.Steps)
	add(p.OnFailure)
	add(p.Always)
	return all
}

// EveryStep returns the steps of AllSteps and those of all called playbooks, each of these once.
func (p *Playbook) EveryStep() []*Step {
	var all []*Step
	seen := map[*Playbook]bool{}
	var add func(p *Playbook)
	add = func(p *Playbook) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		for _, s := range p.AllSteps() {
			all = append(all, s)
			if s.Call != nil {
				add(s.Call.Playbook)
			}
		}
	}
	add(p)
	return all
}

// Schedule says when systemd starts the playbook.
type Schedule struct {
	Pos         diagnostic.Position
	Calendar    string // systemd.time(7) calendar event; not checked here
	CalendarPos diagnostic.Position
	Persistent  bool          // catch up after the machine was off
	Jitter      time.Duration // random delay of up to this; 0: none
}

// Input is a declared parameter of a playbook.
type Input struct {
	Name        string              // ^[a-z_][a-z0-9_]*$
	Pos         diagnostic.Position // of the name
	Type        Type                // "" if the file gives none that exists
	Items       Type                // element type of a list or map, string if not given; "" for other types
	Default     Value               // nil: none; its texts fit the type
	Enum        []Scalar            // legal values; nil: any
	Description string
	Optional    bool // may stay unset
	Secret      bool // masked wherever it can surface; has no default
	Min, Max    *Scalar
	Pattern     string // RE2 that a whole value must match; "": any
}

// Required reports whether a run must be given a value for the input.
func (i Input) Required() bool { return i.Default == nil && !i.Optional }

// Var is a named value of the playbook, usually an expression.
type Var struct {
	Name  string              // ^[a-z_][a-z0-9_]*$
	Pos   diagnostic.Position // of the name
	Value Value
}

// Uses names an action of a plugin.
type Uses struct {
	Plugin, Action string              // "" if the file names none
	Pos            diagnostic.Position // of the first character of Plugin
	ActionPos      diagnostic.Position // of the first character of Action
}

// String is "plugin.action".
func (u Uses) String() string { return u.Plugin + "." + u.Action }

// Step is one step.
type Step struct {
	Pos             diagnostic.Position // of its first key
	Path            string              // "steps[0]", "on_failure[1]", "always[2]"
	ID              string              // unique in the playbook
	IDPos           diagnostic.Position // zero if the id was generated
	Name            *Scalar             // for people, may hold ${{ }}; nil: none
	If              *Scalar             // bare condition; nil: none
	ForEach         Value               // a Scalar holds an expression; a List or Map stands for itself; nil: none
	Uses            Uses
	With            Map           // zero: no arguments
	Call            *Call         // the playbook that the step calls; nil: none
	Timeout         time.Duration // of one attempt, or of a whole block or called playbook; 0: none
	Retry           *Retry        // nil: one attempt
	MaxParallel     int           // items of ForEach at the same time; 0 and 1: one after the other
	ContinueOnError bool

	// A step uses an action, calls a playbook, or is a block of steps.
	Block  []Step
	Rescue []Step // when a step of Block has failed
	Always []Step // after Block and Rescue, whatever happened
}

// Call names a playbook.
type Call struct {
	Name     string // a path, with a / in it or .yaml at its end, or a name to look up
	Pos      diagnostic.Position
	Width    int       // of the name, in characters
	Playbook *Playbook // what Link has found; nil: nothing, or not yet
}

// IsBlock reports whether the step is a block of steps.
func (s Step) IsBlock() bool { return len(s.Block) > 0 }

// Retry says how often a step that fails is tried again.
type Retry struct {
	Pos      diagnostic.Position
	Attempts int           // in all, at least 2
	Delay    time.Duration // before the second attempt
	Backoff  float64       // what each further delay is multiplied with, at least 1
	When     *Scalar       // bare condition that sees error; nil: always
}

// HasGeneratedID reports whether the file gives the step no id.
func (s Step) HasGeneratedID() bool { return !s.IDPos.IsValid() }
