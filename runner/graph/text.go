package graph

import (
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Text draws for a terminal: a tree, top to bottom in the order of the run.
func Text(g Graph) string {
	d := &drawing{}
	d.measure(g.Sections, 0)
	d.b.WriteString(diagnostic.Escape(g.Name) + "\n")
	first := g.Sections[0]
	d.steps(first.Steps, "", len(g.Sections) == 1)
	d.branches(g.Sections[1:], "")
	return d.b.String()
}

type drawing struct {
	b           strings.Builder
	id, uses    int // widths of the columns: tree and id; action
	effectWidth int
}

// measure finds the widths of the columns.
func (d *drawing) measure(all []Section, depth int) {
	for _, section := range all {
		inside := depth
		if section.Name != "steps" && section.Name != "block" {
			inside++
		}
		for _, s := range section.Steps {
			d.id = max(d.id, 3*(inside+1)+utf8.RuneCountInString(s.ID))
			d.uses = max(d.uses, utf8.RuneCountInString(s.Uses))
			d.effectWidth = max(d.effectWidth, len(verb[s.Effect]))
			d.measure(s.Sections, inside+1)
		}
	}
}

var verb = map[string]string{"read": "reads", "write": "writes", "destroy": "destroys"}

// steps draws a list behind the lines of what is around it. Last: nothing follows on this level.
func (d *drawing) steps(all []Step, indent string, last bool) {
	for i, s := range all {
		end := last && i == len(all)-1
		d.step(s, indent, end)
		if len(s.Sections) > 0 {
			inner := indent + line(end)
			d.steps(s.Sections[0].Steps, inner, len(s.Sections) == 1)
			d.branches(s.Sections[1:], inner)
		}
	}
}

// branches draws what runs only after a failure, or at the end.
func (d *drawing) branches(all []Section, indent string) {
	for i, section := range all {
		end := i == len(all)-1
		d.b.WriteString(indent + corner(end, "┄") + section.Name + ": " + section.When + "\n")
		d.steps(section.Steps, indent+line(end), true)
	}
}

func (d *drawing) step(s Step, indent string, end bool) {
	var row strings.Builder
	row.WriteString(pad(indent+corner(end, "─")+s.ID, d.id))
	if s.Playbook != "" {
		row.WriteString("  " + pad("playbook "+s.Playbook, d.uses+2+d.effectWidth))
	} else if s.Uses == "" {
		row.WriteString("  " + pad("block", d.uses+2+d.effectWidth))
	} else {
		row.WriteString("  " + pad(s.Uses, d.uses) + "  " + pad(verb[s.Effect], d.effectWidth))
	}
	notes := s.notes()
	if s.Uses != "" {
		notes = notes[1:]
	}
	if len(s.Needs) > 0 {
		notes = append(notes, "reads "+strings.Join(s.Needs, ", "))
	}
	row.WriteString("  " + diagnostic.Escape(strings.Join(notes, "; ")))
	d.b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
}

func corner(end bool, dash string) string {
	if end {
		return "└" + dash + " "
	}
	return "├" + dash + " "
}

func line(end bool) string {
	if end {
		return "   "
	}
	return "│  "
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
