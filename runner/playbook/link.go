package playbook

import (
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// maxCalls is how deep calls can be nested.
const maxCalls = 8

// NotFoundError says why a called playbook can't be had.
type NotFoundError struct {
	Message    string
	Suggestion string
	Allowed    []string // names that there are
}

func (e *NotFoundError) Error() string { return e.Message }

// Link finds and parses the playbooks that p calls, and those that they call. find returns the file and the text of one;
// from is the playbook that calls it. Its error may be a *NotFoundError. The list has what is wrong in all of them. A call
// that could not be followed is left with no playbook.
func Link(p *Playbook, find func(from *Playbook, name string) (Called, error)) diagnostic.List {
	l := &linker{find: find, root: p, parsed: map[string]*Playbook{p.File: p}, heights: map[*Playbook]int{}, open: []string{p.File}, seen: map[[2]string]bool{}}
	l.link(p)
	return l.found.Sorted()
}

type linker struct {
	find    func(from *Playbook, name string) (Called, error)
	root    *Playbook
	parsed  map[string]*Playbook // by file
	heights map[*Playbook]int    // how deep the calls below each are nested
	open    []string             // the files on the way
	seen    map[[2]string]bool   // calls of which the text is kept: from, name
	found   diagnostic.List
}

func (l *linker) link(p *Playbook) {
	height := 0
	for _, s := range p.AllSteps() {
		if s.Call == nil {
			continue
		}
		if l.call(p, s); s.Call.Playbook != nil {
			height = max(height, 1+l.heights[s.Call.Playbook])
		}
	}
	l.heights[p] = height
}

// call follows one call.
func (l *linker) call(from *Playbook, s *Step) {
	report := func(code diagnostic.Code, format string, args ...any) *diagnostic.Diagnostic {
		l.found.Add(diagnostic.Diagnostic{File: from.File, Pos: s.Call.Pos, Length: s.Call.Width, Code: code, Path: s.Path + ".playbook",
			Message: fmt.Sprintf(format, args...)})
		return &l.found[len(l.found)-1]
	}
	text, err := l.find(from, s.Call.Name)
	if err != nil {
		d := report(diagnostic.UnknownPlaybook, "%v", err)
		if missing, ok := err.(*NotFoundError); ok {
			d.Suggestion, d.Allowed = missing.Suggestion, missing.Allowed
		}
		return
	}
	for i, file := range l.open {
		if file == text.File {
			report(diagnostic.CallCycle, "a playbook cannot call itself: %s", strings.Join(append(l.open[i:len(l.open):len(l.open)], text.File), " → "))
			return
		}
	}
	if len(l.open) > maxCalls {
		report(diagnostic.CallCycle, "calls are nested deeper than %d: %s", maxCalls, strings.Join(append(l.open[:len(l.open):len(l.open)], text.File), " → "))
		return
	}
	if key := [2]string{from.File, s.Call.Name}; !l.seen[key] {
		l.seen[key] = true
		text.From, text.Name = from.File, s.Call.Name
		l.root.Called = append(l.root.Called, text)
	}
	known, ok := l.parsed[text.File]
	if !ok {
		var found diagnostic.List
		known, found = Parse(text.File, text.Data)
		l.found = append(l.found, found...)
		l.parsed[text.File] = known
	}
	if s.Call.Playbook = known; known == nil {
		return
	}
	l.open = append(l.open, text.File)
	defer func() { l.open = l.open[:len(l.open)-1] }()
	if !ok {
		l.link(known)
	} else if height := l.heights[known]; len(l.open)-1+height > maxCalls {
		report(diagnostic.CallCycle, "calls are nested deeper than %d: %s, and %d more below it", maxCalls, strings.Join(l.open, " → "), height)
	}
}
