package graph

import (
	"fmt"
	"strings"
)

// picture is what Mermaid and DOT have in common: boxes, frames around some of them, and arrows.
type picture struct {
	frames  []frame
	arrows  []arrow
	steps   map[string]Step // by id
	numbers map[string]int  // of boxes, by the id of their step
}

type frame struct {
	title string
	boxes []box // in the order of the run; a block is a frame
}

type box struct {
	step  Step
	frame *frame // of a block
}

type arrow struct {
	from, to string // names of boxes
	kind     arrowKind
}

type arrowKind int

const (
	next   arrowKind = iota // runs after
	failed                  // runs after a failure
	data                    // reads the results of
)

// The names of the boxes at both ends.
const (
	start  = "start"
	finish = "finish"
)

// lay decides on frames and arrows. Boxes are called n1, n2, … in the order of the playbook.
func lay(g Graph) *picture {
	p := &picture{steps: map[string]Step{}, numbers: map[string]int{}}
	p.number(g.Sections)
	open := []string{start} // boxes that the way has come to
	for _, section := range g.Sections {
		p.frames = append(p.frames, p.frame(section))
		entry, exits := p.entry(section.Steps[0]), p.exits(section.Steps[len(section.Steps)-1])
		if section.Name == "on_failure" {
			p.join(open, entry, failed)
			open = append(open, exits...)
			continue
		}
		p.join(open, entry, next)
		open = exits
	}
	p.join(open, finish, next)
	p.needs(g.Sections)
	return p
}

func (p *picture) join(from []string, to string, kind arrowKind) {
	for _, f := range from {
		p.arrows = append(p.arrows, arrow{f, to, kind})
	}
}

func (p *picture) number(all []Section) {
	for _, section := range all {
		for _, s := range section.Steps {
			p.steps[s.ID], p.numbers[s.ID] = s, len(p.numbers)+1
			p.number(s.Sections)
		}
	}
}

func (p *picture) name(id string) string { return fmt.Sprintf("n%d", p.numbers[id]) }

// entry is the box through which the way enters a step.
func (p *picture) entry(s Step) string {
	if len(s.Sections) > 0 {
		return p.entry(s.Sections[0].Steps[0])
	}
	return p.name(s.ID)
}

// exits are the boxes through which the way leaves a step.
func (p *picture) exits(s Step) []string {
	if len(s.Sections) == 0 {
		return []string{p.name(s.ID)}
	}
	var exits []string
	for _, section := range s.Sections {
		if section.Name == "always" {
			exits = nil
		}
		if section.Name == "on_failure" {
			continue
		}
		exits = append(exits, p.exits(section.Steps[len(section.Steps)-1])...)
	}
	return exits
}

// frame is a section, with its steps joined by arrows.
func (p *picture) frame(section Section) frame {
	f := frame{title: section.Name}
	if section.When != "" {
		f.title += ": " + section.When
	}
	for i, s := range section.Steps {
		b := box{step: s}
		if len(s.Sections) > 0 {
			b.frame = p.block(s)
		}
		f.boxes = append(f.boxes, b)
		if i > 0 {
			p.join(p.exits(section.Steps[i-1]), p.entry(s), next)
		}
	}
	return f
}

// block is a frame around the sections of a block.
func (p *picture) block(s Step) *frame {
	title := "block " + s.ID
	if s.Playbook != "" {
		title = s.ID + ": playbook " + s.Playbook
	}
	outer := &frame{title: strings.Join(append([]string{title}, s.notes()...), ", ")}
	body := s.Sections[0]
	outer.boxes = p.frame(body).boxes
	open := p.exits(body.Steps[len(body.Steps)-1])
	for _, section := range s.Sections[1:] {
		inner := p.frame(section)
		outer.boxes = append(outer.boxes, box{frame: &inner})
		entry, exits := p.entry(section.Steps[0]), p.exits(section.Steps[len(section.Steps)-1])
		if section.Name == "on_failure" { // after which nothing goes on but always
			p.join(open, entry, failed)
			if len(s.Sections) > 2 {
				open = append(open, exits...)
			}
			continue
		}
		if section.Name == "rescue" {
			p.join(open, entry, failed)
			open = append(open, exits...)
			continue
		}
		p.join(open, entry, next)
	}
	return outer
}

// needs adds an arrow from each step to those that read its results.
func (p *picture) needs(all []Section) {
	for _, section := range all {
		for _, s := range section.Steps {
			for _, id := range s.Needs {
				if from, known := p.steps[id]; known {
					p.join(p.exits(from)[:1], p.entry(s), data)
				}
			}
			p.needs(s.Sections)
		}
	}
}
