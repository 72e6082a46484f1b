// Package check turns a parsed playbook and the descriptions of the plugins that
// it uses into a program that the engine can walk, or into everything that is
// wrong with it. What it accepts has no unknown name, no wrong type and no
// missing input left in it: only values that the run itself produces can still
// surprise.
//
// It is pure: it starts no plugin and reads no file.
package check

import (
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
}

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
	ID      string
	File    string // the playbook's, for messages
	Source  *playbook.Step
	Name    *expression.Program // nil: the step is called by its id
	If      *expression.Program // nil: success()
	ForEach Tree                // nil: once
	Action  *sdk.Info
	With    Tree // evaluates to a map that fits the action's inputs
	Timeout time.Duration
}

// Plugin is the name of the plugin that the step uses.
func (s *Step) Plugin() string { return s.Source.Uses.Plugin }

// AllSteps are the steps of all sections, in order.
func (p *Program) AllSteps() []*Step {
	all := append([]*Step{}, p.Steps...)
	return append(append(all, p.OnFailure...), p.Always...)
}

// Plugins names the plugins that a playbook uses, each once, in order of first
// use: whose descriptions Check needs.
func Plugins(p *playbook.Playbook) []string {
	var names []string
	seen := map[string]bool{}
	for _, s := range p.AllSteps() {
		if name := s.Uses.Plugin; name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
