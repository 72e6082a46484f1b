package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/report/human"
	"github.com/hbohlen/coppice/sdk/unit"
)

const (
	spaceHigh    = 120
	sourceHigh   = 22
	deletedHigh  = 6              // of the mark of a snapshot that is gone
	mostMarks    = 400            // of a source, one by one
	mostTicks    = 1200           // of a source: more than there are pixels is of no use
	longestGap   = 36 * time.Hour // between two measurements with a line between them
	mostMeasured = 400            // dots
)

// filesystem draws how full one is and was, and its snapshots.
func (p *page) filesystem(f *Filesystem) {
	p.put("<section>\n<h2><span>Filesystem</span> %s</h2>\n<p class=\"sub\">btrfs %s</p>\n", f.Filesystem, orNothing(f.UUID, "of unknown UUID"))
	if f.Problem != "" {
		p.put("<p class=\"bad\">%s</p>\n</section>\n", f.Problem)
		return
	}
	if f.Now != nil {
		p.now(f)
	}
	p.put("<h3>How full it was</h3>\n")
	history := f.History(p.axis)
	if len(history) > 1 {
		p.space(f, history)
	} else {
		p.put("<p>Not known: no run has looked since %s. Each run of a playbook that has a step <code>btrfs.usage</code> records it.</p>\n", p.when(p.Since))
	}
	p.put("<h3>Snapshots</h3>\n")
	if len(f.Sources) == 0 {
		p.put("<p>There are none.</p>\n")
	} else {
		p.snapshots(f)
	}
	p.put("</section>\n")
}

// now is how full a filesystem is, as parts of all its devices.
func (p *page) now(f *Filesystem) {
	n := f.Now
	p.put("<p class=\"big\"><b>%s</b> free <span>%.0f %% of what fits</span></p>\n", unit.FormatSize(n.Free), 100*n.FreeRatio)
	if n.Size <= 0 {
		return
	}
	slack := n.Size - n.Used - n.Unallocated
	parts := []struct {
		class, name string
		bytes       int64
	}{{"used", "used", n.Used}, {"slack", "allocated and not used", slack}, {"empty", "unallocated", n.Unallocated}}
	var told []string
	for _, one := range parts {
		told = append(told, unit.FormatSize(one.bytes)+" "+one.name)
	}
	p.open("bar", 18, "Raw space of "+f.Filesystem, fmt.Sprintf("Of %s on all devices: %s.", unit.FormatSize(n.Size), strings.Join(told, ", ")))
	x := 0.0
	for _, one := range parts {
		width := max(float64(one.bytes)/float64(n.Size), 0)
		p.put("<rect class=\"%s\" x=\"%s\" width=\"%s\" height=\"18\"><title>%s %s</title></rect>", one.class, percent(x), percent(width), unit.FormatSize(one.bytes), one.name)
		x += width
	}
	p.close()
	p.put("\n<ul class=\"legend\">")
	for _, one := range parts {
		p.key(fmt.Sprintf("<rect class=\"%s\" x=\"2\" y=\"2\" width=\"10\" height=\"10\" rx=\"1.5\"/>", one.class))
		p.put("%s %s</li>", unit.FormatSize(one.bytes), one.name)
	}
	held := "not known, no quotas count it"
	if f.Held != nil {
		held = "at least " + unit.FormatSize(*f.Held)
	}
	p.put("<li>of %s raw</li><li>held by snapshots alone: %s</li></ul>\n", unit.FormatSize(n.Size), held)
}

// space draws how full a filesystem was.
func (p *page) space(f *Filesystem, history []Space) {
	least, most := 1.0, 0.0
	for _, s := range history {
		least, most = min(least, 1-s.FreeRatio), max(most, 1-s.FreeRatio)
	}
	figure := fmt.Sprintf("%.0f %% now", 100*(1-history[len(history)-1].FreeRatio))
	p.row("Used", figure, func() {
		p.open("space", spaceHigh, "How full "+f.Filesystem+" was",
			fmt.Sprintf("Measured %s: between %.0f and %.0f %% used.", human.Count(len(history), "time"), 100*least, 100*most))
		p.grid()
		for _, y := range []string{"0%", "50%", "100%"} {
			p.put("<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%s\" y2=\"%s\"/>", y, y)
		}
		p.put("<line class=\"limit\" x1=\"0\" x2=\"100%%\" y1=\"%s\" y2=\"%s\"><title>above this line, status calls it an error</title></line>", percent(LittleFree), percent(LittleFree))
		p.area(history)
		if len(history) <= mostMeasured {
			for _, s := range history {
				p.put("<circle class=\"dot\" cx=\"%s\" cy=\"%s\" r=\"2\"><title>%s: %.1f %% used, %s free</title></circle>", percent(p.axis.at(s.At)), percent(s.FreeRatio),
					p.when(s.At), 100*(1-s.FreeRatio), unit.FormatSize(s.Free))
			}
		}
		p.close()
		p.put("<span class=\"scale top\">100 %%</span><span class=\"scale middle\">50</span>")
	})
	p.ticks()
	p.table("How full it was in figures", "When", "Used", "Free", "Raw used", "Unallocated", "Measured by")
	for _, column := range p.lastOfDays(history) {
		by := "run " + column.Run
		if column.Run == "" {
			by = "this report"
		}
		p.line(p.when(column.At), fmt.Sprintf("%.1f %%", 100*(1-column.FreeRatio)), unit.FormatSize(column.Free), unit.FormatSize(column.Used), unit.FormatSize(column.Unallocated), by)
	}
	p.endTable()
}

// lastOfDays is the last measurement of each day, the newest first.
func (p *page) lastOfDays(history []Space) []Space {
	var all []Space
	for i := len(history) - 1; i >= 0; i-- {
		if len(all) == 0 || midnight(history[i].At.In(p.place), 0).Before(midnight(all[len(all)-1].At.In(p.place), 0)) {
			all = append(all, history[i])
		}
	}
	return all
}

// area draws a line through measurements, and what is below it. Where nobody has measured for long there is none.
func (p *page) area(history []Space) {
	gap := max(longestGap, p.axis.End.Sub(p.axis.Start)/15)
	p.put("<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%%\" height=\"100%%\" aria-hidden=\"true\">")
	for len(history) > 0 {
		n := 1
		for n < len(history) && history[n].At.Sub(history[n-1].At) <= gap {
			n++
		}
		if n > 1 {
			var line strings.Builder
			for i, s := range history[:n] {
				fmt.Fprintf(&line, "%c%.1f %.1f", "ML"[min(i, 1)], 1000*p.axis.at(s.At), 1000*s.FreeRatio)
			}
			p.put("<path class=\"area\" d=\"%sL%.1f 1000L%.1f 1000Z\"/><path class=\"curve\" d=\"%s\"/>", raw(line.String()),
				1000*p.axis.at(history[n-1].At), 1000*p.axis.at(history[0].At), raw(line.String()))
		}
		history = history[n:]
	}
	p.put("</svg>")
}

// snapshots draws when the snapshots of each source were taken.
func (p *page) snapshots(f *Filesystem) {
	gone, before, dense := 0, 0, false
	for i := range f.Sources {
		s := &f.Sources[i]
		figure := fmt.Sprint(len(s.Existing))
		gone += len(s.Deleted)
		before += p.axis.Before(s.Existing)
		dense = dense || len(s.Existing) > mostMarks
		p.row(sourceName(s), figure, func() { p.source(s) })
	}
	p.ticks()
	p.put("<ul class=\"legend\">")
	p.key(`<rect class="snapshot" x="6" y="1" width="2" height="12"/>`)
	p.put("exists</li>")
	if gone > 0 {
		p.key(`<rect class="gone" x="6" y="7" width="2" height="6"/>`)
		p.put("was taken then, and deleted since: %d</li>", gone)
	}
	if dense {
		p.put("<li>where they stand too close, the higher the more</li>")
	}
	if before > 0 {
		p.put("<li>older than the picture: %d</li>", before)
	}
	p.put("</ul>\n")
	p.table("The snapshots in figures", "Source", "Exist", "Oldest", "Newest", "Foreign", "Deleted by runs")
	for i := range f.Sources {
		s := &f.Sources[i]
		oldest, newest, foreign := "–", "–", 0
		if n := len(s.Existing); n > 0 {
			oldest, newest = p.when(s.Existing[0].Taken), p.when(s.Existing[n-1].Taken)
		}
		for _, n := range s.Existing {
			if n.Foreign {
				foreign++
			}
		}
		p.line(sourceName(s), fmt.Sprint(len(s.Existing)), oldest, newest, fmt.Sprint(foreign), fmt.Sprint(len(s.Deleted)))
	}
	p.endTable()
	heads := []string{"Taken on"}
	for i := range f.Sources {
		heads = append(heads, sourceName(&f.Sources[i]))
	}
	p.table("The snapshots by day", heads...)
	columns := p.axis.Columns(mostColumns)
	for i := len(columns) - 1; i >= 0; i-- {
		var cells []string
		for j := range f.Sources {
			n := 0
			for _, s := range f.Sources[j].Existing {
				if columns[i].has(s.Taken) {
					n++
				}
			}
			cells = append(cells, fmt.Sprint(n))
		}
		p.line(p.span(columns[i]), cells...)
	}
	p.endTable()
}

func sourceName(s *Source) string { return orNothing(s.Source, "(not known)") }

// source draws a mark for each snapshot of a source, or for those that would be one pixel.
func (p *page) source(s *Source) {
	description := "There is none."
	if n := len(s.Existing); n > 0 {
		description = fmt.Sprintf("A mark for each: %s, from %s to %s.", human.Count(n, "snapshot"), p.when(s.Existing[0].Taken), p.when(s.Existing[n-1].Taken))
	}
	if n := len(s.Deleted); n > 0 {
		description += fmt.Sprintf(" A short mark for each of %d that runs have deleted.", n)
	}
	p.open("source", sourceHigh, "Snapshots of "+sourceName(s), description)
	p.grid()
	p.put("<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", sourceHigh-1, sourceHigh-1)
	p.marks(s.Deleted, "gone", sourceHigh-1-deletedHigh, deletedHigh)
	if len(s.Existing) > mostMarks {
		p.crowd(s.Existing)
	} else {
		p.marks(s.Existing, "snapshot", 1, sourceHigh-2)
	}
	p.close()
}

// crowd draws how many snapshots were taken when, where there are too many for marks.
func (p *page) crowd(all []Snapshot) {
	const parts = 200
	counts := p.axis.Counts(all, parts)
	most := slices.Max(counts)
	span := p.axis.End.Sub(p.axis.Start) / parts
	for i, n := range counts {
		if n == 0 {
			continue
		}
		high := max(float64(sourceHigh-2)*float64(n)/float64(most), 1.5)
		p.put("<rect class=\"snapshot\" x=\"%s\" width=\"%s\" y=\"%.1f\" height=\"%.1f\"><title>from %s: %d</title></rect>", percent(float64(i)/parts), percent(0.9/parts),
			float64(sourceHigh-1)-high, high, p.when(p.axis.Start.Add(time.Duration(i)*span)), n)
	}
}

// marks draws snapshots where they were taken.
func (p *page) marks(all []Snapshot, class string, y, height int) {
	for i := 0; i < len(all); {
		x := p.axis.at(all[i].Taken)
		n := 1
		for i+n < len(all) && p.axis.at(all[i+n].Taken)-x < 1.0/mostTicks {
			n++
		}
		text := p.when(all[i].Taken)
		switch {
		case n > 1:
			text = fmt.Sprintf("%s to %s: %d", text, p.when(all[i+n-1].Taken), n)
		case !all[i].Deleted.IsZero():
			text += ", deleted " + p.when(all[i].Deleted)
		case all[i].Foreign:
			text += ", foreign"
		}
		if x >= 0 && x < 1 {
			p.put("<rect class=\"%s\" x=\"%s\" y=\"%d\" width=\"2\" height=\"%d\"><title>%s</title></rect>", class, percent(x), y, height, text)
		}
		i += n
	}
}
