package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/report/human"
)

// Heights of pictures, in pixels.
const (
	marksHigh = 14 // above columns of runs
	runsHigh  = 44
	tookHigh  = 56
)

// mostColumns is how many columns a strip of runs has at most.
const mostColumns = 120

// mostBlocks is how many runs of a column are drawn one by one.
const mostBlocks = 8

// playbooks draws how the runs went.
func (p *page) playbooks() {
	for i := range p.Playbooks {
		b := &p.Playbooks[i]
		p.put("<section>\n<h2><span>Playbook</span> %s</h2>\n<p class=\"sub\">%s</p>\n", b.Name, p.schedule(b))
		tally := b.Tally()
		if len(tally) == 0 {
			p.put("<p>No run of it is recorded since %s.</p>\n</section>\n", p.when(p.Since))
			continue
		}
		columns := b.Columns(p.axis.Columns(mostColumns))
		p.row("Runs", human.Count(len(b.Runs), "run"), func() { p.strip(b, columns) })
		took := b.Took()
		if took.Runs > 0 {
			p.row("Took", human.Duration(took.Median)+" median", func() { p.took(b, took) })
		}
		p.ticks()
		p.legend(tally, took)
		p.runTable(b, columns)
		p.put("</section>\n")
	}
}

func (p *page) schedule(b *Playbook) string {
	var parts []string
	switch {
	case !b.Installed:
		parts = append(parts, "without a service here: run by hand, or at boot")
	case b.Calendar == "":
		parts = append(parts, "without a timer")
	default:
		parts = append(parts, "runs at "+b.Calendar)
	}
	if !b.Next.IsZero() {
		parts = append(parts, "next "+p.when(b.Next))
	}
	if !b.From.IsZero() && b.From.After(p.axis.Start) {
		parts = append(parts, "what was missed is known since "+p.when(b.From))
	}
	return strings.Join(parts, " · ")
}

// sum is "118 changed something, 2 failed".
func (t Tally) sum() string {
	var parts []string
	for _, one := range t {
		parts = append(parts, fmt.Sprintf("%d %s", one.Count, one.Outcome.Words()))
	}
	return strings.Join(parts, ", ")
}

// span is a column's days.
func (p *page) span(s Span) string {
	if last := midnight(s.End, -1); last.After(s.Start) {
		return p.day(s.Start) + " to " + p.day(last)
	}
	return p.day(s.Start)
}

// strip draws a column a day, and in it a block for each run.
func (p *page) strip(b *Playbook, columns []Column) {
	p.open("strip", runsHigh, "Runs of "+b.Name, fmt.Sprintf("A column for each day, a block in it for each run. %s.", b.Tally().sum()))
	p.grid()
	for _, c := range columns {
		left, right := max(p.axis.at(c.Start), 0), p.axis.at(c.End)
		x, width := left+(right-left)*0.1, (right-left)*0.8
		tally := c.Tally()
		if len(tally) == 0 {
			p.put("<rect class=\"none\" x=\"%s\" width=\"%s\" y=\"%d\" height=\"2\"><title>%s: no run</title></rect>", percent(x), percent(width), runsHigh-2, p.span(c.Span))
			continue
		}
		p.put("<g><title>%s: %s</title>", p.span(c.Span), tally.sum())
		blocks := c.All
		if len(blocks) > mostBlocks { // as parts of all, the worst at the top
			var sorted []Outcome
			for _, o := range slices.Backward(badness) {
				for _, one := range c.All {
					if one == o {
						sorted = append(sorted, o)
					}
				}
			}
			blocks = nil
			for i := range mostBlocks {
				blocks = append(blocks, sorted[i*len(sorted)/mostBlocks])
			}
			blocks[mostBlocks-1] = tally.Worst()
		}
		high := float64(runsHigh-marksHigh) / float64(len(blocks))
		for i, o := range blocks {
			y := float64(runsHigh) - high*float64(i+1)
			p.put("<rect class=\"%s\" x=\"%s\" width=\"%s\" y=\"%.2f\" height=\"%.2f\" rx=\"1.5\"/>", string(o), percent(x), percent(width), y+0.5, max(high-1, 1))
		}
		p.mark(tally.Worst(), (left+right)/2)
		p.put("</g>")
	}
	p.close()
}

// mark is a sign above a column in which something was not as it should be: colours alone do not tell.
func (p *page) mark(o Outcome, x float64) {
	shape := o.shape()
	if shape == "" {
		return
	}
	p.put("<svg x=\"%s\" y=\"6\" overflow=\"visible\"><path class=\"mark %s\" d=\"%s\"/></svg>", percent(x), string(o), raw(shape))
}

// shape is the sign of an outcome, around 0,0; "" of those that are as they should be.
func (o Outcome) shape() string {
	switch o {
	case Failed, TimedOut:
		return "M-3.5-3.5L3.5 3.5M-3.5 3.5L3.5-3.5"
	case Missed:
		return "M3.5 0A3.5 3.5 0 1 1-3.5 0A3.5 3.5 0 1 1 3.5 0Z"
	case Interrupted:
		return "M0-4V1M0 3.5V4"
	case Rescued:
		return "M-3.5 3L0-3.5L3.5 3Z"
	}
	return ""
}

// took draws how long runs took.
func (p *page) took(b *Playbook, t Took) {
	p.open("took", tookHigh, "How long runs of "+b.Name+" took",
		fmt.Sprintf("A dot for each run, the higher the longer. %s at the median, %s at most.", human.Duration(t.Median), human.Duration(t.Longest)))
	p.grid()
	const room = tookHigh - 10 // half a dot at either end
	height := func(d time.Duration) float64 {
		return 5 + room*(1-float64(d)/float64(t.Scale))
	}
	p.put("<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", tookHigh-1, tookHigh-1)
	p.put("<line class=\"median\" x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", height(t.Median), height(t.Median))
	for _, r := range b.Runs {
		if !r.ended() || !p.axis.has(r.Started) {
			continue
		}
		x, tip := percent(p.axis.at(r.Started)), fmt.Sprintf("%s: %s, %s", p.when(r.Started), human.Duration(r.Took), r.Outcome.Words())
		if r.Took > t.Scale {
			p.put("<svg x=\"%s\" y=\"6\" overflow=\"visible\"><path class=\"dot %s\" d=\"%s\"><title>%s</title></path></svg>", x, string(r.Outcome), raw(beyond), tip)
			continue
		}
		p.put("<circle class=\"dot %s\" cx=\"%s\" cy=\"%.1f\" r=\"2.5\"><title>%s</title></circle>", string(r.Outcome), x, height(r.Took), tip)
	}
	p.close()
	p.put("<span class=\"scale top\">%s</span>", human.Duration(t.Scale))
}

// beyond is the sign of a run that took longer than the picture is high.
const beyond = "M-4 4L0-4L4 4Z"

// legend explains the colours of outcomes, and counts them.
func (p *page) legend(t Tally, took Took) {
	p.put("<ul class=\"legend\">")
	for _, one := range t {
		if shape := one.Outcome.shape(); shape != "" {
			p.key(fmt.Sprintf("<g transform=\"translate(7 7)\"><path class=\"mark %s\" d=\"%s\"/></g>", one.Outcome, shape))
		} else {
			p.key(fmt.Sprintf("<rect class=\"%s\" x=\"2\" y=\"2\" width=\"10\" height=\"10\" rx=\"1.5\"/>", one.Outcome))
		}
		p.put("%d %s</li>", one.Count, one.Outcome.Words())
	}
	if took.Longest > took.Scale {
		p.key(fmt.Sprintf("<g transform=\"translate(7 7)\"><path class=\"dot changed\" d=\"%s\"/></g>", beyond))
		p.put("took longer than is drawn</li>")
	}
	if took.Runs > 0 {
		p.put("<li>%s at most</li>", human.Duration(took.Longest))
	}
	p.put("</ul>\n")
}

// key begins an entry of a legend with its sign.
func (p *page) key(sign string) {
	p.put("<li><svg class=\"key\" width=\"14\" height=\"14\" aria-hidden=\"true\">%s</svg>", raw(sign))
}

// runTable has the figures of a strip, and of those runs that did not go well each.
func (p *page) runTable(b *Playbook, columns []Column) {
	p.table("The runs in figures", "Day", "Runs", "Longest")
	for _, c := range slices.Backward(columns) {
		if tally := c.Tally(); len(tally) > 0 {
			p.line(p.span(c.Span), tally.sum(), human.Duration(c.Longest))
		}
	}
	p.endTable()
	var bad []Run
	for _, r := range slices.Backward(b.Runs) {
		if r.Outcome != Changed && r.Outcome != Unchanged && r.Outcome != Running {
			bad = append(bad, r)
		}
	}
	if len(bad) == 0 {
		return
	}
	p.table("Those that did not go well", "When", "Outcome", "Took", "Why", "Run")
	for _, r := range bad {
		p.line(p.when(r.Started), r.Outcome.Words(), human.Duration(r.Took), r.Reason, r.Run)
	}
	p.endTable()
}
