package picture

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report/human"
)

// Page is the report as a page for a browser, HTML with pictures in SVG, days beginning where place has them. It forbids itself to
// load anything.
func Page(r *Report, place *time.Location) string {
	p := &page{Report: r, axis: r.Axis(place), place: place}
	p.head()
	p.attention()
	for i := range r.Filesystems {
		p.filesystem(&r.Filesystems[i])
	}
	p.playbooks()
	p.foot()
	return p.b.String()
}

type page struct {
	*Report
	b       strings.Builder
	axis    Axis
	place   *time.Location
	drawing int // how many pictures there are
}

// put writes markup; texts among the values are escaped, numbers and raw markup are not.
func (p *page) put(format string, values ...any) {
	for i, v := range values {
		if s, ok := v.(string); ok {
			values[i] = html.EscapeString(diagnostic.Escape(s))
		}
	}
	fmt.Fprintf(&p.b, format, values...)
}

// raw is text that is no markup, or markup that is meant.
type raw string

// percent is a length along the axis, 0 to 1, as an attribute has it.
func percent(part float64) raw {
	return raw(strconv.FormatFloat(100*part, 'f', 2, 64) + "%")
}

func (p *page) day(t time.Time) string  { return t.In(p.place).Format("Mon 2 Jan 2006") }
func (p *page) when(t time.Time) string { return t.In(p.place).Format("2006-01-02 15:04") }

// head is all above the first figure.
func (p *page) head() {
	p.put("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	p.put("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n")
	p.put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	p.put("<meta name=\"generator\" content=\"coppice\">\n<link rel=\"icon\" href=\"data:,\">\n")
	p.put("<title>%s: storage until %s</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", p.Host, p.when(p.At), raw(css))
	p.put("<header>\n<h1>%s</h1>\n<p>%s to <time datetime=\"%s\">%s</time>, the last %s</p>\n</header>\n", orNothing(p.Host, "Storage"),
		p.day(p.axis.Start), p.At.UTC().Format(time.RFC3339), p.At.In(p.place).Format("Mon 2 Jan 2006, 15:04 MST"), human.Count(p.axis.Days, "day"))
}

func orNothing(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// attention is what needs somebody.
func (p *page) attention() {
	if len(p.Attention) == 0 {
		p.put("<p class=\"well\"><b>All is well.</b></p>\n")
		return
	}
	p.put("<section class=\"attention\" aria-label=\"What needs somebody\">\n<ul>\n")
	for _, c := range p.Attention {
		p.put("<li class=\"%s\"><span class=\"level\">%s</span> <b>%s</b>: %s", c.Level, c.Level, c.About, c.What)
		if c.Mend != "" {
			p.put("<br><code>%s</code>", c.Mend)
		}
		p.put("</li>\n")
	}
	p.put("</ul>\n</section>\n")
}

func (p *page) foot() {
	p.put("<footer>\n<p>Figures are as they were measured, or as the records of runs have them; what nobody has measured is not drawn. " +
		"The page is complete in itself: it loads nothing.</p>\n<p>Made by <code>coppice report --html</code>.</p>\n</footer>\n</main>\n</body>\n</html>\n")
}

// open begins a picture so high, in pixels, with what it is and what is to be seen in it.
func (p *page) open(class string, height int, title, description string) {
	p.drawing++
	n := p.drawing
	p.put("<svg class=\"%s\" width=\"100%%\" height=\"%d\" role=\"img\" aria-labelledby=\"t%d d%d\"><title id=\"t%d\">%s</title><desc id=\"d%d\">%s</desc>",
		class, height, n, n, n, title, n, description)
}

func (p *page) close() { p.put("</svg>") }

// row is a picture with what it is of in front of it, and what it comes to behind it.
func (p *page) row(label, figure string, draw func()) {
	p.put("<div class=\"row\"><div class=\"label\" title=\"%s\">%s</div><div class=\"picture\">", label, label)
	draw()
	p.put("</div><div class=\"figure\">%s</div></div>\n", figure)
}

// mostLabels is how many labels an axis has at most; on a narrow screen fewer.
const mostLabels = 6

// ticks is the axis below pictures.
func (p *page) ticks() {
	p.put("<div class=\"row ticks\" aria-hidden=\"true\"><div class=\"label\"></div><div class=\"picture\">")
	shown := 0
	for _, t := range p.axis.Ticks(mostLabels) {
		at, class := p.axis.at(t.At), ""
		switch {
		case at > 0.87: // no room for its label
			continue
		case at > 0.78 || shown%2 == 1:
			class = " class=\"wide\""
		}
		shown++
		p.put("<span%s style=\"left:%s\">%s</span>", raw(class), percent(at), t.Label)
	}
	p.put("</div><div class=\"figure\"></div></div>\n")
}

// grid draws the marks of the axis behind a picture.
func (p *page) grid() {
	for _, t := range p.axis.Ticks(mostLabels) {
		x := percent(p.axis.at(t.At))
		p.put("<line class=\"grid\" x1=\"%s\" x2=\"%s\" y1=\"0\" y2=\"100%%\"/>", x, x)
	}
}

// table begins figures as a table, folded away.
func (p *page) table(caption string, heads ...string) {
	p.put("<details><summary>%s</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table>\n<thead><tr>", caption, caption)
	for _, h := range heads {
		p.put("<th scope=\"col\">%s</th>", h)
	}
	p.put("</tr></thead>\n<tbody>\n")
}

// line is a row of a table: a head, and its cells.
func (p *page) line(head string, cells ...string) {
	p.put("<tr><th scope=\"row\">%s</th>", head)
	for _, c := range cells {
		p.put("<td>%s</td>", c)
	}
	p.put("</tr>\n")
}

func (p *page) endTable() { p.put("</tbody></table></div></details>\n") }
