package report

import (
	"fmt"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// The format of a rehearsal as a document, as it names itself.
const (
	RehearsalFormat  = "coppice.rehearsal"
	RehearsalVersion = 1
)

// rehearsalDocument is what is written. A field may be added in version 1, none removed or changed.
type rehearsalDocument struct {
	Format    string           `json:"format"`
	Version   int              `json:"version"`
	Rehearsal *rehearse.Result `json:"rehearsal"`
}

// RehearsalJSON writes a rehearsal as one JSON document.
func RehearsalJSON(o Options, r *rehearse.Result) error {
	f := newForm(o)
	text, err := Encode(rehearsalDocument{RehearsalFormat, RehearsalVersion, r})
	if err != nil {
		return err
	}
	f.out.write(string(f.hide.maskJSON(text)) + "\n")
	return f.flush()
}

// Rehearsal writes a rehearsal for people: plan and run side by side.
func Rehearsal(o Options, r *rehearse.Result) error {
	s := &rehearsal{form: newForm(o), Result: r}
	p := s.page()
	s.head(p)
	p.put(line{}.add(dim, "plan  run"))
	section := engine.SectionSteps
	for _, step := range r.Steps {
		if step.Step.Section != section {
			section = step.Step.Section
			p.put(line{}.pad(rehearsalColumn).add(dim, string(section)))
		}
		s.step(p, step)
	}
	p.blank()
	s.foot(p)
	s.out.write(p.String())
	return s.flush()
}

type rehearsal struct {
	form
	*rehearse.Result
}

// rehearsalColumn is where steps begin, behind the two columns for plan and run.
const rehearsalColumn = 11

func (s *rehearsal) head(p *page) {
	p.wrap(line{}, bold, fmt.Sprintf("%s, rehearsed for %s. Nothing on this machine was changed.", s.clean(s.Playbook), minuteOf(s.Instant)))
	for _, c := range s.Copies {
		s.copyLine(p, c)
	}
	p.blank()
}

// columns are the two marks, of plan and of run.
func marks(plan, run span) line {
	return line{}.add(plain, " ").add(plan.style, plan.text).pad(7).add(run.style, run.text).pad(rehearsalColumn)
}

func (s *rehearsal) step(p *page, step rehearse.Step) {
	plan, run := span{plain, ""}, span{plain, ""}
	if step.Planned != "" {
		plan = planSign(engine.StepResult{Status: step.Planned, Conditional: step.Conditional})
	}
	if step.Status != "" {
		run = statusSign(step.Status)
	}
	if step.Withheld != "" {
		run = span{yellow, "○"}
	}
	indent := rehearsalColumn + 4*step.Step.Depth
	l := marks(plan, run).pad(indent)
	name := s.clean(step.Step.ID)
	if step.Step.Item != nil {
		name = fmt.Sprintf("%s[%d]", name, *step.Step.Item)
	}
	l = l.add(bold, name)
	if title := s.clean(step.Step.Title); title != step.Step.ID {
		l = l.add(plain, "  "+title)
	}
	switch {
	case step.Status == engine.Skipped, step.Status == engine.Unreached:
		l = l.add(dim, "  "+statusText(step.Status))
		if step.Why != "" {
			l = l.add(dim, ": "+s.clean(step.Why))
		}
	case step.Withheld != "":
		l = l.add(yellow, "  planned only: "+s.clean(step.Withheld))
	case step.Status.Bad():
		l = l.add(loud, "  "+statusText(step.Status))
	case step.Summary != "":
		l = l.add(dim, "  "+s.clean(step.Summary))
	}
	p.put(l)
	s.sideBySide(p, step.Changes, indent+2)
	for _, d := range step.Diagnostics {
		s.diagnostic(p, indent+2, d)
	}
}

// sideBySide puts the changes of a step; long lists are folded, but no difference ever is.
func (s *rehearsal) sideBySide(p *page, all []rehearse.Compared, indent int) {
	show := make([]bool, len(all))
	var agreed []int
	for i, c := range all {
		if c.Agrees() {
			agreed = append(agreed, i)
		} else {
			show[i] = true
		}
	}
	for n, i := range agreed {
		show[i] = s.Verbose || len(agreed) <= foldAbove || n < foldHead || n >= len(agreed)-foldTail
	}
	hidden := counts{}
	gap := func() {
		if what := hidden.words(past); what != "" {
			p.put(line{}.pad(indent).add(dim, ellipsis+" "+what+" alike  (--verbose shows all)"))
			hidden = counts{}
		}
	}
	for i, c := range all {
		if !show[i] {
			hidden[c.Change.Kind]++
			continue
		}
		gap()
		m := marker(c.Change.Kind)
		plan, run := span{plain, " "}, span{plain, " "}
		switch {
		case c.Planned:
			plan = m
		case c.Maybe:
			plan = span{yellow, "?"}
		}
		if c.Made {
			run = m
		}
		l := marks(plan, run).pad(indent).add(plain, s.clean(c.Change.Resource.Name))
		if text := s.clean(c.Change.Summary); text != "" {
			l = l.add(dim, "  "+text)
		}
		if !c.Agrees() {
			what := "planned, did not happen"
			if c.Made {
				what = "happened, was not planned"
			}
			l = l.add(loud, "  ✗ "+what)
		}
		p.put(l)
	}
	gap()
}

func (s *rehearsal) foot(p *page) {
	seen := counts{sdk.Create: len(s.Seen.Created), sdk.Delete: len(s.Seen.Deleted), sdk.Update: len(s.Seen.Changed)}
	what := seen.words(past)
	if what == "" {
		what = "nothing has changed"
	}
	p.wrap(line{}, plain, "Seen on the copy, before and after: "+what+".")
	for _, c := range s.Copies {
		if c.Image != "" {
			p.wrap(line{}, plain, fmt.Sprintf("The copy of %s is kept: %s", s.clean(c.Name), s.clean(c.Image)))
		}
	}
	for _, n := range s.Notes {
		p.wrap(line{}.add(yellow, "⚠ "), plain, s.clean(n))
	}
	for _, d := range s.Differences {
		text := s.clean(d.Text)
		if d.Step != "" {
			text = "step " + s.clean(d.Step) + ": " + text
		}
		p.wrap(line{}.add(red, "✗ "), red, text)
	}
	switch {
	case len(s.Differences) > 0:
		p.wrap(line{}.add(red, "✗ "), bold, fmt.Sprintf("It did not happen as planned: %s.", Count(len(s.Differences), "difference")))
	case s.Run != engine.Succeeded:
		text := "It happened as planned, and the run does not succeed"
		if s.Reason != "" {
			text += ": " + s.clean(s.Reason)
		}
		p.wrap(line{}.add(red, "✗ "), bold, text)
	default:
		p.wrap(line{}.add(green, "✓ "), bold, "It happened as planned.")
	}
	if s.PowerCut != nil {
		s.powerCut(p, s.PowerCut)
	}
}

// powerCut says what cuts would have left.
func (s *rehearsal) powerCut(p *page, c *rehearse.PowerCut) {
	p.blank()
	p.wrap(line{}, plain, fmt.Sprintf("%s and %s were recorded. The power was cut in %s: behind %d of %s, and with %s of which only some of what was not flushed is on the disk (seed %d).",
		Count(c.Writes, "write"), Count(c.Flushes, "flush"), Count(c.Tried, "state"), c.Chosen, Count(c.Boundaries, "boundary"), Count(c.Subsets, "state"), c.Seed))
	for _, f := range c.Failures {
		where := ""
		if f.Where != "" {
			where = ", " + s.clean(f.Where)
		}
		p.wrap(line{}.add(red, "✗ "), bold, fmt.Sprintf("Cut %s%s:", f.Cut, where))
		for i, v := range f.Violations {
			if i == shownViolations && !s.Verbose {
				p.wrap(line{}.pad(4), dim, fmt.Sprintf("%s %d more  (--verbose shows all)", ellipsis, len(f.Violations)-i))
				break
			}
			p.wrap(line{}.pad(4).add(red, v.Rule+": "), plain, s.clean(v.Text))
		}
		for _, image := range f.Images {
			p.wrap(line{}.pad(4), dim, "kept: "+s.clean(image))
		}
	}
	switch stopped := c.Tried < c.Chosen+c.Subsets; {
	case c.Failed > 0:
		if more := c.Failed - len(c.Failures); more > 0 {
			p.wrap(line{}, dim, fmt.Sprintf("%s %s more", ellipsis, Count(more, "state")))
		}
		p.wrap(line{}.add(red, "✗ "), bold, fmt.Sprintf("It does not survive power cuts: %d of %s failed.", c.Failed, Count(c.Tried, "state")))
		p.wrap(line{}, dim, fmt.Sprintf("Try one alone: the same command with --cut %s", c.Failures[0].Cut))
	case stopped:
		p.wrap(line{}.add(yellow, "⚠ "), bold, fmt.Sprintf("It was stopped: %d of %s were tried.", c.Tried, Count(c.Chosen+c.Subsets, "state")))
	default:
		p.wrap(line{}.add(green, "✓ "), bold, "It survives power cuts: each of them can be mounted, has lost nothing, and the next run ends as it should.")
	}
}

// shownViolations are those of one state.
const shownViolations = 5
