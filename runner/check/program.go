// Package check turns a parsed playbook and the descriptions of the plugins that
// it uses into a program that the engine can walk, or into everything that is
// wrong with it. What it accepts has no unknown name, no wrong type and no
// missing input left in it: only values that the run itself produces can still
// surprise.
//
// It is pure: it starts no plugin and reads no file.
package check

import (
	"slices"
	"time"

	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Program is a checked playbook.
type Program struct {
	Playbook  *playbook.Playbook
	Inputs    []Input
	Vars      []Var
	Steps     []*Step
	OnFailure []*Step
	Always    []*Step

	reads map[string]bool // ids of steps whose outputs an expression reads; "": any
}

// ReadsOutputs reports whether an expression reads the outputs of a step.
func (p *Program) ReadsOutputs(id string) bool { return p.reads[""] || p.reads[id] }

// Input is a declared input with its schema.
type Input struct {
	Decl   playbook.Input
	Schema *schema.Schema
}

// Var is a named value.
type Var struct {
	Name  string
	Value Tree
}

// Step is one step, compiled.
type Step struct {
	ID      string // unique in the program: that of a step in a called playbook begins with the id of the step that calls it
	File    string // the playbook's, for messages
	Source  *playbook.Step
	Name    *expression.Program // nil: the step is called by its id
	If      *expression.Program // nil: success()
	ForEach Tree                // nil: once
	Action  *sdk.Info           // nil: a block, or the call of a playbook
	Call    *Call               // nil: none
	With    Tree                // evaluates to a map that fits the action's inputs
	Timeout time.Duration
	Retry   *Retry   // nil: one attempt
	Needs   []string // ids of the steps that its expressions name, each once, in the order of the text

	// Of a block. The call of a playbook is one too, of its steps, with OnFailure instead of Rescue.
	Block, Rescue, OnFailure, Always []*Step
}

// Sections are the lists of steps inside a block, in the order in which they run; one that is empty is there too.
func (s *Step) Sections() [][]*Step { return [][]*Step{s.Block, s.Rescue, s.OnFailure, s.Always} }

// Retry says how often a step that fails is tried again.
type Retry struct {
	Attempts int
	Delay    time.Duration
	Backoff  float64
	When     *expression.Program // nil: always
}

// Wait is the pause before an attempt, counted from 1.
func (r *Retry) Wait(attempt int) time.Duration {
	wait := float64(r.Delay)
	for range attempt - 2 {
		wait *= r.Backoff
	}
	return time.Duration(min(wait, float64(maxWait)))
}

// maxWait bounds what a backoff can grow to.
const maxWait = 24 * time.Hour

// IsBlock reports whether the step is a block of steps, or the call of a playbook.
func (s *Step) IsBlock() bool { return s.Call != nil || s.Source.IsBlock() }

// Plugin is the name of the plugin that the step uses; "" for a block.
func (s *Step) Plugin() string { return s.Source.Uses.Plugin }

// AllSteps are the steps of all sections, in order; those inside a block follow
// it.
func (p *Program) AllSteps() []*Step {
	var all []*Step
	var add func(steps []*Step)
	add = func(steps []*Step) {
		for _, s := range steps {
			all = append(all, s)
			for _, inner := range s.Sections() {
				add(inner)
			}
		}
	}
	add(p.Steps)
	add(p.OnFailure)
	add(p.Always)
	return all
}

// Ending are the steps that deal with how a run, or a block, ends: on_failure, rescue and always, with what is inside them; those of called
// playbooks too.
func (p *Program) Ending() []*Step {
	var all []*Step
	var add func(steps []*Step, ending bool)
	add = func(steps []*Step, ending bool) {
		for _, s := range steps {
			if ending {
				all = append(all, s)
			}
			add(s.Block, ending)
			add(s.Rescue, true)
			add(s.OnFailure, true)
			add(s.Always, true)
		}
	}
	add(p.Steps, false)
	add(p.OnFailure, true)
	add(p.Always, true)
	return all
}

// Actions names the actions of a plugin that a playbook uses, some of them more than once: whose schemas Check needs.
func Actions(p *playbook.Playbook, plugin string) []string {
	var names []string
	for _, s := range p.EveryStep() {
		if s.Uses.Plugin == plugin {
			names = append(names, s.Uses.Action)
		}
	}
	return names
}

// Plugins names the plugins that a playbook uses, each once, in order of first
// use: whose descriptions Check needs.
func Plugins(p *playbook.Playbook) []string {
	var names []string
	seen := map[string]bool{}
	for _, s := range p.EveryStep() {
		if name := s.Uses.Plugin; name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// Certain names those plugins that a playbook calls in any case, unless an earlier step fails: not only in steps with a
// condition, and not only after a failure or in the end.
func Certain(p *playbook.Playbook) []string {
	var names []string
	seen := map[*playbook.Playbook]bool{}
	var walk func([]playbook.Step)
	walk = func(steps []playbook.Step) {
		for _, s := range steps {
			if s.If != nil {
				continue
			}
			if name := s.Uses.Plugin; name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
			walk(s.Block)
			if s.Call != nil && s.Call.Playbook != nil && !seen[s.Call.Playbook] {
				seen[s.Call.Playbook] = true
				walk(s.Call.Playbook.Steps)
			}
		}
	}
	walk(p.Steps)
	return names
}
