package report

import (
	"fmt"

	"github.com/hbohlen/coppice/runner/rehearse"
)

// The format of a rehearsal of many runs as a document, as it names itself.
const (
	TimelineFormat  = "coppice.timeline"
	TimelineVersion = 1
)

// timelineDocument is what is written. A field may be added in version 1, none removed or changed.
type timelineDocument struct {
	Format   string             `json:"format"`
	Version  int                `json:"version"`
	Timeline *rehearse.Timeline `json:"timeline"`
}

// TimelineJSON writes a rehearsal of many runs as one JSON document.
func TimelineJSON(o Options, t *rehearse.Timeline) error {
	f := newForm(o)
	text, err := Encode(timelineDocument{TimelineFormat, TimelineVersion, t})
	if err != nil {
		return err
	}
	f.out.write(string(f.hide.maskJSON(text)) + "\n")
	return f.flush()
}

// Timeline writes a rehearsal of many runs for people, as Simulation does.
func Timeline(o Options, t *rehearse.Timeline) error {
	s := &simulation{form: newForm(o), Result: t.Happened, happened: true}
	p := s.page()
	s.head(p)
	for _, c := range t.Copies {
		s.copyLine(p, c)
	}
	if s.Verbose {
		s.deletions(p)
	}
	for _, g := range t.Happened.Groups {
		p.blank()
		s.group(p, g)
	}
	s.foot(p)
	p.blank()
	for _, n := range t.Notes {
		p.wrap(line{}.add(yellow, "⚠ "), plain, s.clean(n))
	}
	for _, d := range t.Differences {
		p.wrap(line{}.add(red, "✗ "), red, s.clean(d.Text))
	}
	if len(t.Differences) > 0 {
		p.wrap(line{}.add(red, "✗ "), bold, fmt.Sprintf("It did not happen as simulated: %s.", Count(len(t.Differences), "difference")))
	} else {
		p.wrap(line{}.add(green, "✓ "), bold, "It happened as simulated, run by run.")
	}
	s.out.write(p.String())
	return s.flush()
}

// copyLine tells what it happened on.
func (f *form) copyLine(p *page, c rehearse.Copy) {
	p.wrap(line{}, dim, fmt.Sprintf("A copy of %s: %s, %s.", f.clean(c.Name), Count(c.Subvolumes, "subvolume"), Count(c.Snapshots, "snapshot")))
}
