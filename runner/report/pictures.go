package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/sdk/unit"
)

// The format of the history of a machine as a document, as it names itself.
const (
	HistoryFormat  = "coppice.report"
	HistoryVersion = 1
)

// historyDocument is what is written. A field may be added in version 1, none removed or changed.
type historyDocument struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Report  *picture.Report `json:"report"`
}

// HistoryJSON writes the history of a machine as one JSON document.
func HistoryJSON(o Options, r *picture.Report) error {
	f := newForm(o)
	text, err := Encode(historyDocument{HistoryFormat, HistoryVersion, r})
	if err != nil {
		return err
	}
	f.out.write(string(text) + "\n")
	return f.flush()
}

// History draws the history of a machine in characters, days beginning where place has them. With ascii only those are used
// that every terminal and font has.
func History(o Options, r *picture.Report, place *time.Location, ascii bool) error {
	h := &history{form: newForm(o), Report: r, place: place, signs: unicodeSigns()}
	if ascii {
		h.signs = asciiSigns()
	}
	h.axis = r.Axis(place)
	p := h.page()
	h.measure(p.width)
	h.attention(p)
	h.runs(p)
	for _, f := range r.Filesystems {
		h.filesystem(p, f)
	}
	h.out.write(strings.ReplaceAll(p.String(), ellipsis, h.signs.cut))
	return h.flush()
}

type history struct {
	form
	*picture.Report
	place  *time.Location
	axis   picture.Axis
	signs  *signs
	label  int            // cells in front of a picture
	room   int            // cells of a picture
	column int            // cells of a column
	days   []picture.Span // the columns
	seen   map[picture.Outcome]bool
}

// signs are the characters of pictures.
type signs struct {
	bars    []string // from nothing to full
	outcome map[picture.Outcome]span
	nothing string
	mark    string // on the axis, in front of its label
	error   string
	warning string
	cut     string // where a name was cut
}

func unicodeSigns() *signs {
	return &signs{
		bars: strings.Split(" ▁▂▃▄▅▆▇█", ""), nothing: "·", mark: "╵", error: "✗", warning: "!", cut: ellipsis,
		outcome: map[picture.Outcome]span{
			picture.Changed: {green, "■"}, picture.Unchanged: {green, "□"}, picture.Rescued: {yellow, "▣"}, picture.Failed: {red, "✗"},
			picture.TimedOut: {red, "✗"}, picture.Cancelled: {dim, "/"}, picture.Interrupted: {yellow, "!"}, picture.Running: {cyan, ">"},
			picture.Missed: {yellow, "○"}, picture.Unknown: {dim, "?"},
		},
	}
}

func asciiSigns() *signs {
	return &signs{
		bars: strings.Split(" .:-=+*#@", ""), nothing: ".", mark: "|", error: "x", warning: "!", cut: "~",
		outcome: map[picture.Outcome]span{
			picture.Changed: {green, "#"}, picture.Unchanged: {green, "="}, picture.Rescued: {yellow, "r"}, picture.Failed: {red, "x"},
			picture.TimedOut: {red, "x"}, picture.Cancelled: {dim, "/"}, picture.Interrupted: {yellow, "!"}, picture.Running: {cyan, ">"},
			picture.Missed: {yellow, "o"}, picture.Unknown: {dim, "?"},
		},
	}
}

// historyWidth is how wide pictures are where nobody says how wide the output may be.
const historyWidth = 100

// measure lays out the columns: a label, the picture, and what it comes to.
func (h *history) measure(width int) {
	if width == 0 {
		width = historyWidth
	}
	longest := len("took")
	for _, f := range h.Filesystems {
		for _, s := range f.Sources {
			longest = max(longest, textWidth(h.source(s)))
		}
	}
	const figure = 7 // "  1,234"
	h.label = 2 + min(longest, max(4, width/5)) + 2
	room := max(width-h.label-figure, 1)
	h.days = h.axis.Columns(room)
	h.column = min(room/len(h.days), 4)
	h.room = h.column * len(h.days)
	h.seen = map[picture.Outcome]bool{}
}

func (h *history) start(label string) line {
	return line{}.add(plain, "  ").add(dim, cutMiddle(label, h.label-4)).pad(h.label)
}

func (h *history) source(s picture.Source) string {
	if s.Source == "" {
		return "(not known)"
	}
	return h.clean(s.Source)
}

func (h *history) when(t time.Time) string { return t.In(h.place).Format("2006-01-02 15:04") }

func (h *history) attention(p *page) {
	if len(h.Attention) == 0 {
		p.put(line{}.add(bold, "All is well."))
	}
	for _, c := range h.Attention {
		sign, in := h.signs.warning, yellow
		if c.Level == "error" {
			sign, in = h.signs.error, red
		}
		p.wrap(line{}.add(in, sign+" "), plain, h.clean(c.About+": "+c.What))
		if c.Mend != "" {
			p.wrap(line{}.add(plain, "    "), dim, h.clean(c.Mend))
		}
	}
}

// ticks is the axis below pictures.
func (h *history) ticks(p *page) {
	text := ""
	for _, t := range h.axis.Ticks(max(h.room/9, 1)) {
		at := int(math.Round(float64(h.room) * float64(t.At.Sub(h.days[0].Start)) / float64(h.axis.End.Sub(h.days[0].Start))))
		if textWidth(text) > 0 && textWidth(text)+1 > at || at+1+textWidth(t.Label) > h.room {
			continue
		}
		text += strings.Repeat(" ", at-textWidth(text)) + h.signs.mark + t.Label
	}
	p.put(line{}.pad(h.label).add(dim, text))
}

// runs draws how the playbooks ran.
func (h *history) runs(p *page) {
	if len(h.Playbooks) == 0 {
		return
	}
	for _, b := range h.Playbooks {
		p.blank()
		p.wrap(line{}.add(bold, h.clean(b.Name)).add(plain, "  "), dim, h.playbook(b))
		columns := b.Columns(h.days)
		strip, anything := h.start("runs"), false
		var longest []float64
		for _, c := range columns {
			sign := span{dim, h.signs.nothing}
			if worst := c.Tally().Worst(); worst != "" {
				sign, anything = h.signs.outcome[worst], true
				h.seen[worst] = true
			}
			strip = append(strip, sign).add(plain, strings.Repeat(" ", h.column-1))
			longest = append(longest, float64(c.Longest))
		}
		if !anything {
			continue
		}
		p.put(strip)
		if took := b.Took(); took.Runs > 0 {
			p.put(h.start("took").add(cyan, h.bars(longest, float64(took.Scale))))
			p.wrap(line{}.pad(h.label), dim, fmt.Sprintf("%s at the median, %s at most", Duration(took.Median), Duration(took.Longest)))
		}
	}
	h.ticks(p)
	h.legend(p)
}

// playbook is what the runs of a playbook come to.
func (h *history) playbook(b picture.Playbook) string {
	var parts []string
	if !b.Installed {
		parts = append(parts, "without a service")
	}
	parts = append(parts, Count(len(b.Runs), "run"))
	for _, t := range b.Tally() {
		parts = append(parts, fmt.Sprintf("%d %s", t.Count, t.Outcome.Words()))
	}
	return strings.Join(parts, ", ")
}

// legend explains the signs that are there.
func (h *history) legend(p *page) {
	each := "a sign is a day"
	if days := len(h.days); h.axis.Days > days {
		each = fmt.Sprintf("a sign is %d days", (h.axis.Days+days-1)/days)
	}
	l := line{}.add(plain, "  ").add(dim, each+", its worst run:")
	for _, o := range []picture.Outcome{picture.Changed, picture.Unchanged, picture.Rescued, picture.Failed, picture.TimedOut, picture.Missed,
		picture.Interrupted, picture.Cancelled, picture.Running, picture.Unknown} {
		if !h.seen[o] {
			continue
		}
		item := line{}.add(h.signs.outcome[o].style, h.signs.outcome[o].text).add(dim, " "+o.Words())
		if p.width > 0 && l.width()+2+item.width() > p.width {
			p.put(l)
			l = line{}.add(plain, "   ")
		}
		l = append(l.add(plain, "  "), item...)
	}
	if len(h.seen) > 0 {
		p.put(l)
	}
}

// bars draws values in a row, each as wide as the picture has room for; 0 is nothing, and all else is seen.
func (h *history) bars(values []float64, most float64) string {
	var b strings.Builder
	wide := h.room / max(len(values), 1)
	for _, v := range values {
		i := 0
		if v > 0 && most > 0 {
			i = min(max(int(math.Ceil(v/most*float64(len(h.signs.bars)-1))), 1), len(h.signs.bars)-1)
		}
		b.WriteString(strings.Repeat(h.signs.bars[i], wide))
	}
	return b.String()
}

func (h *history) filesystem(p *page, f picture.Filesystem) {
	if f.Problem != "" {
		return // it stands above
	}
	p.blank()
	var told []string
	if n := f.Now; n != nil {
		told = append(told, fmt.Sprintf("%s free (%.0f %%)", unit.FormatSize(n.Free), 100*n.FreeRatio),
			fmt.Sprintf("of %s raw %s are used and %s unallocated", unit.FormatSize(n.Size), unit.FormatSize(n.Used), unit.FormatSize(n.Unallocated)))
	}
	if f.Held != nil {
		told = append(told, "held by snapshots alone: at least "+unit.FormatSize(*f.Held))
	}
	p.wrap(line{}.add(bold, h.clean(f.Filesystem)).add(plain, "  "), dim, strings.Join(told, ", "))
	h.space(p, f)
	most := 0
	counts := make([][]int, len(f.Sources))
	for i, s := range f.Sources {
		counts[i] = h.axis.Counts(s.Existing, h.room)
		for _, n := range counts[i] {
			most = max(most, n)
		}
	}
	if len(f.Sources) == 0 {
		p.put(line{}.add(plain, "  ").add(dim, "no snapshots"))
	}
	for i, s := range f.Sources {
		values := make([]float64, len(counts[i]))
		for j, n := range counts[i] {
			values[j] = float64(n)
		}
		p.put(h.start(h.source(s)).add(green, h.bars(values, float64(most))).pad(h.label+h.room).add(plain, fmt.Sprintf("  %5d", len(s.Existing))))
	}
	if len(f.Sources) > 0 || len(f.Measured) > 0 {
		h.ticks(p)
	}
	h.snapshots(p, f)
}

// space draws how full a filesystem was.
func (h *history) space(p *page, f picture.Filesystem) {
	known := f.History(h.axis)
	if len(known) < 2 {
		p.wrap(line{}.add(plain, "  "), dim, "How full it was is not known: no run has looked. It is recorded with each run of a playbook that has a step btrfs.usage.")
		return
	}
	values := make([]float64, len(h.days))
	least, most := 1.0, 0.0
	for _, s := range known {
		used := 1 - s.FreeRatio
		least, most = min(least, used), max(most, used)
		for i, d := range h.days {
			if !s.At.Before(d.Start) && s.At.Before(d.End) {
				values[i] = max(values[i], used, math.SmallestNonzeroFloat64) // measured, be it 0
			}
		}
	}
	p.put(h.start("used").add(cyan, h.bars(values, 1)).pad(h.label+h.room).add(plain, fmt.Sprintf("  %3.0f %%", 100*(1-known[len(known)-1].FreeRatio))))
	p.wrap(line{}.pad(h.label), dim, fmt.Sprintf("from %.0f to %.0f %%, measured %d times", 100*least, 100*most, len(known)))
}

// snapshots tells what the pictures of snapshots do not.
func (h *history) snapshots(p *page, f picture.Filesystem) {
	var oldest, newest time.Time
	all, before, deleted, foreign := 0, 0, 0, 0
	for _, s := range f.Sources {
		all += len(s.Existing)
		deleted += len(s.Deleted)
		before += h.axis.Before(s.Existing)
		for _, n := range s.Existing {
			if n.Foreign {
				foreign++
			}
			if oldest.IsZero() || n.Taken.Before(oldest) {
				oldest = n.Taken
			}
			if n.Taken.After(newest) {
				newest = n.Taken
			}
		}
	}
	if all == 0 {
		return
	}
	text := fmt.Sprintf("%s, by when they were taken, from %s to %s", Count(all, "snapshot"), h.when(oldest), h.when(newest))
	if before > 0 {
		text += fmt.Sprintf("; older than the picture: %d", before)
	}
	if foreign > 0 {
		text += fmt.Sprintf("; foreign: %d", foreign)
	}
	if deleted > 0 {
		text += fmt.Sprintf("; deleted by runs since: %d", deleted)
	}
	p.wrap(line{}.add(plain, "  "), dim, text)
}
