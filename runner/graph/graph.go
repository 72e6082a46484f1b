// Package graph shows the way that a run of a playbook takes: which step follows which, what happens after a failure, and
// which step needs the results of which. It draws for a terminal, in Mermaid and in Graphviz' DOT. It is pure.
package graph

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/check"
)

// Graph is a playbook as a picture shows it.
type Graph struct {
	Name        string    `json:"name"`                  // the playbook's
	Description string    `json:"description,omitempty"` // the playbook's
	Sections    []Section `json:"sections"`              // steps, then on_failure and always where there are any
}

// Section is a list of steps that run one after the other.
type Section struct {
	Name  string `json:"name"`           // steps, on_failure, block, rescue or always
	When  string `json:"when,omitempty"` // for people: when it runs, if not always
	Steps []Step `json:"steps"`          // in order
}

// Step is an action, or a block or a called playbook, with sections of its own.
type Step struct {
	ID       string    `json:"id"`                 // unique in the playbook
	Title    string    `json:"title,omitempty"`    // as in the playbook, expressions and all
	Uses     string    `json:"uses,omitempty"`     // absent for a block and a call
	Playbook string    `json:"playbook,omitempty"` // the name of the playbook that it calls
	Effect   string    `json:"effect,omitempty"`   // read, write or destroy; absent for a block
	If       string    `json:"if,omitempty"`       // its condition
	ForEach  bool      `json:"for_each,omitempty"` // it runs once for each item
	Attempts int       `json:"attempts,omitempty"` // when it is tried again: how many there can be
	Needs    []string  `json:"needs,omitempty"`    // ids of steps whose results it reads
	Sections []Section `json:"sections,omitempty"` // block, then rescue or on_failure, and always, where there are any
}

// New makes the graph of a playbook.
func New(p *check.Program) Graph {
	g := Graph{Name: p.Playbook.Name, Description: p.Playbook.Description}
	g.Sections = sections(
		Section{Name: "steps", Steps: steps(p.Steps)},
		Section{Name: "on_failure", When: "when the run failed", Steps: steps(p.OnFailure)},
		Section{Name: "always", When: "last, whatever happened", Steps: steps(p.Always)})
	return g
}

// sections are those that have steps.
func sections(all ...Section) []Section {
	var out []Section
	for _, s := range all {
		if len(s.Steps) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func steps(all []*check.Step) []Step {
	var out []Step
	for _, s := range all {
		step := Step{ID: s.ID, Needs: s.Needs, ForEach: s.Source.ForEach != nil}
		if s.Source.Name != nil {
			step.Title = s.Source.Name.Text
		}
		if s.Source.If != nil {
			step.If = oneLine(s.Source.If.Text)
		}
		if s.Retry != nil {
			step.Attempts = s.Retry.Attempts
		}
		if s.IsBlock() {
			step.Sections = sections(
				Section{Name: "block", Steps: steps(s.Block)},
				Section{Name: "rescue", When: "when a step of " + s.ID + " failed", Steps: steps(s.Rescue)},
				Section{Name: "on_failure", When: "when " + s.ID + " failed", Steps: steps(s.OnFailure)},
				Section{Name: "always", When: "after " + s.ID + ", whatever happened", Steps: steps(s.Always)})
			if s.Call != nil {
				step.Playbook = s.Call.Playbook.Name
			}
		} else {
			step.Uses, step.Effect = s.Source.Uses.String(), string(s.Action.Effect)
		}
		out = append(out, step)
	}
	return out
}

// oneLine is text in one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// short cuts what would make a picture too wide.
func short(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// notes are the lines below a step's name.
func (s Step) notes() []string {
	var notes []string
	if s.Uses != "" {
		notes = append(notes, s.Uses)
	}
	if s.If != "" {
		notes = append(notes, "if "+short(s.If, 60))
	}
	if s.ForEach {
		notes = append(notes, "for each item")
	}
	if s.Attempts > 0 {
		notes = append(notes, fmt.Sprintf("up to %d attempts", s.Attempts))
	}
	return notes
}
