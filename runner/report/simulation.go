package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/simulate"
)

// The format of a simulation as a document, as it names itself.
const (
	SimulationFormat  = "coppice.simulation"
	SimulationVersion = 1
)

// simulationDocument is what is written. A field may be added in version 1, none removed or changed.
type simulationDocument struct {
	Format     string           `json:"format"`
	Version    int              `json:"version"`
	Simulation *simulate.Result `json:"simulation"`
}

// SimulationJSON writes a simulation as one JSON document.
func SimulationJSON(o Options, r *simulate.Result) error {
	f := newForm(o)
	text, err := Encode(simulationDocument{SimulationFormat, SimulationVersion, r})
	if err != nil {
		return err
	}
	f.out.write(string(f.hide.maskJSON(text)) + "\n")
	return f.flush()
}

// Simulation writes a simulation for people; with Verbose also what is deleted when, and all that exists at the end.
func Simulation(o Options, r *simulate.Result) error {
	s := &simulation{form: newForm(o), Result: r}
	p := s.page()
	s.head(p)
	if s.Verbose {
		s.deletions(p)
	}
	for _, g := range r.Groups {
		p.blank()
		s.group(p, g)
	}
	s.foot(p)
	s.out.write(p.String())
	return s.flush()
}

type simulation struct {
	form
	*simulate.Result
	happened bool // it was not simulated
}

func minuteOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (s *simulation) head(p *page) {
	if s.happened {
		p.wrap(line{}, bold, fmt.Sprintf("%s: %s from %s to %s, rehearsed. Nothing on this machine was changed.", s.clean(s.Playbook),
			Count(len(s.Runs), "run"), minuteOf(s.From), minuteOf(s.Until)))
		return
	}
	p.wrap(line{}, bold, fmt.Sprintf("%s: %s from %s to %s, simulated. Nothing was changed.", s.clean(s.Playbook),
		Count(len(s.Runs), "run"), minuteOf(s.From), minuteOf(s.Until)))
	begin := "What exists now is where it begins."
	if s.Empty {
		begin = "It begins as if no earlier run had made anything."
	}
	p.wrap(line{}, dim, begin+" The clock counts as right at each instant; all else (mounts, holds, free space) stays as it is now.")
}

// column is where the figures of a group begin.
const simulationColumn = 12

func (s *simulation) group(p *page, g simulate.Group) {
	p.put(line{}.add(bold, s.clean(g.Folder)).add(dim, "  "+s.clean(g.Type)))
	field := func(name string) line { return line{}.add(plain, "  ").add(dim, name).pad(simulationColumn) }
	most := g.Start
	for _, n := range g.Counts {
		most = max(most, n)
	}
	p.wrap(field("number"), plain, fmt.Sprintf("%d before, %d at the end, %d at most", g.Start, len(g.Resources), most))
	room := 60
	if p.width > 0 {
		room = min(room, p.width-simulationColumn)
	}
	if plot := plotOf(append([]int{g.Start}, g.Counts...), room); plot != "" {
		p.put(field("over time").add(cyan, plot))
	}
	p.wrap(field("changes"), plain, fmt.Sprintf("%d created, %d deleted", g.Created, g.Deleted))
	if n := len(g.Resources); n > 0 {
		ages := s.ages(g.Resources)
		p.wrap(field("ages"), plain, ages)
	}
	var keepers []string
	for _, k := range g.Keepers {
		keepers = append(keepers, fmt.Sprintf("%s %d", s.clean(k.Why), k.Count))
	}
	if len(keepers) > 0 {
		p.wrap(field("kept by"), plain, strings.Join(keepers, ", "))
	}
	if s.Verbose {
		s.resources(p, g)
	}
}

// ageClasses are the spans in which ages are counted.
var ageClasses = []struct {
	most time.Duration
	name string
}{{24 * time.Hour, "1 day"}, {7 * 24 * time.Hour, "7 days"}, {31 * 24 * time.Hour, "31 days"}, {366 * 24 * time.Hour, "366 days"}}

// ages sums up how old the resources are at the last instant, given the oldest first.
func (s *simulation) ages(all []simulate.Existing) string {
	counts := make([]int, len(ageClasses)+1)
	for _, r := range all {
		age := s.Until.Sub(r.Since)
		i := slices.IndexFunc(ageClasses, func(c struct {
			most time.Duration
			name string
		}) bool {
			return age <= c.most
		})
		if i < 0 {
			i = len(ageClasses)
		}
		counts[i]++
	}
	var parts []string
	for i, n := range counts {
		switch {
		case n == 0:
		case i == len(ageClasses):
			parts = append(parts, fmt.Sprintf("%d older", n))
		default:
			parts = append(parts, fmt.Sprintf("%d up to %s", n, ageClasses[i].name))
		}
	}
	oldest, newest := all[0].Since, all[len(all)-1].Since
	return fmt.Sprintf("%s; newest %s, oldest %s", strings.Join(parts, ", "), minuteOf(newest), minuteOf(oldest))
}

// plotOf draws counts as a row of bars, each for the highest of the counts that fall into it.
func plotOf(counts []int, room int) string {
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	if most == 0 || room <= 0 {
		return ""
	}
	bars := []rune(" ▁▂▃▄▅▆▇█")
	columns := min(room, len(counts))
	var plot []rune
	for i := range columns {
		high := 0
		for _, n := range counts[i*len(counts)/columns : (i+1)*len(counts)/columns] {
			high = max(high, n)
		}
		plot = append(plot, bars[(high*(len(bars)-1)+most-1)/most])
	}
	return string(plot)
}

func (s *simulation) deletions(p *page) {
	p.blank()
	for _, run := range s.Runs {
		for _, d := range run.Deleted {
			p.put(line{}.add(dim, minuteOf(run.Instant)).add(plain, "  ").add(red, "- ").add(plain, s.clean(d.Name)).add(dim, "  # "+s.clean(d.Reason)))
		}
	}
}

func (s *simulation) resources(p *page, g simulate.Group) {
	for _, r := range g.Resources {
		l := line{}.add(dim, "  = "+s.clean(r.Name))
		if r.Reason != "" {
			l = l.add(dim, "  # "+s.clean(r.Reason))
		}
		p.put(l)
	}
}

// shownTold is how many different texts are shown.
const shownTold = 10

func (s *simulation) foot(p *page) {
	maybe := 0
	for _, run := range s.Runs {
		if run.Maybe > 0 {
			maybe++
		}
	}
	if len(s.Groups) == 0 || len(s.Warnings) > 0 || len(s.Failures) > 0 || maybe > 0 {
		p.blank()
	}
	if len(s.Groups) == 0 {
		p.put(line{}.add(plain, "The playbook creates and deletes nothing."))
	}
	if maybe > 0 && !s.happened {
		p.wrap(line{}.add(yellow, "? "), plain, fmt.Sprintf("%s could make changes that are decided at run; they are not simulated.", Count(maybe, "run")))
	}
	tell := func(sign span, verb string, all []simulate.Told) {
		for i, t := range all {
			if i == shownTold && !s.Verbose {
				p.put(line{}.add(dim, fmt.Sprintf("%s %d more  (--verbose shows all)", ellipsis, len(all)-i)))
				return
			}
			p.wrap(line{}.add(sign.style, sign.text+" "), plain, fmt.Sprintf("%s%s, first at %s: %s", Count(t.Runs, "run"), verb, minuteOf(t.First), s.clean(t.Text)))
		}
	}
	tell(span{yellow, "⚠"}, "", s.Warnings)
	would := " would fail"
	if s.happened {
		would = " failed"
	}
	tell(span{red, "✗"}, would, s.Failures)
	failed := 0
	for _, run := range s.Runs {
		if run.Status != engine.Succeeded {
			failed++
		}
	}
	if failed > 0 {
		p.wrap(line{}.add(red, "✗ "), red, fmt.Sprintf("%d of %s%s.", failed, Count(len(s.Runs), "run"), would))
	}
}
