package report

import (
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// marker is the sign of a kind of change.
func marker(k sdk.Kind) span {
	switch k {
	case sdk.Create:
		return span{green, "+"}
	case sdk.Update:
		return span{yellow, "~"}
	case sdk.Delete:
		return span{red, "-"}
	case sdk.Run:
		return span{cyan, ">"}
	}
	return span{plain, "?"}
}

// past is what was done: "created".
func past(k sdk.Kind) string {
	switch k {
	case sdk.Create:
		return "created"
	case sdk.Update:
		return "updated"
	case sdk.Delete:
		return "deleted"
	case sdk.Run:
		return "run"
	}
	return "changed"
}

// kinds in the order in which they are told.
var kinds = []sdk.Kind{sdk.Create, sdk.Update, sdk.Delete, sdk.Run}

// counts are changes by kind; those that may turn out not to be made have a kind of their own.
type counts map[sdk.Kind]int

const conditional sdk.Kind = "conditional"

func countChanges(all []sdk.Change) counts {
	c := counts{}
	for _, ch := range all {
		if ch.Conditional != "" {
			c[conditional]++
		} else {
			c[ch.Kind]++
		}
	}
	return c
}

// words joins the counts that are not zero: "4 created, 1 deleted".
func (c counts) words(word func(sdk.Kind) string) string {
	var parts []string
	for _, k := range kinds {
		if n := c[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word(k)))
		}
	}
	if n := c[conditional]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d conditional", n))
	}
	return strings.Join(parts, ", ")
}

// signs is the short form: "+4 -1".
func (c counts) signs() line {
	var l line
	for _, k := range kinds {
		if n := c[k]; n > 0 {
			if len(l) > 0 {
				l = l.add(plain, " ")
			}
			m := marker(k)
			l = l.add(m.style, fmt.Sprintf("%s%d", m.text, n))
		}
	}
	if n := c[conditional]; n > 0 {
		if len(l) > 0 {
			l = l.add(plain, " ")
		}
		l = l.add(yellow, fmt.Sprintf("?%d", n))
	}
	return l
}

// Lists longer than foldAbove show their first foldHead and last foldTail entries. In a plan, deletions are counted
// by themselves and have limits of their own: who reviews a plan must see what is to go.
const (
	foldAbove, foldHead, foldTail                = 16, 10, 2
	deletionsAbove, deletionsHead, deletionsTail = 60, 40, 5
)

// shown says for each change whether a list shows it.
func shown(all []sdk.Change, verbose, careful bool) []bool {
	show := make([]bool, len(all))
	var deletions, others []int
	for i, c := range all {
		if careful && c.Kind == sdk.Delete {
			deletions = append(deletions, i)
		} else {
			others = append(others, i)
		}
	}
	pick := func(indexes []int, above, head, tail int) {
		for n, i := range indexes {
			show[i] = verbose || len(indexes) <= above || n < head || n >= len(indexes)-tail
		}
	}
	pick(deletions, deletionsAbove, deletionsHead, deletionsTail)
	pick(others, foldAbove, foldHead, foldTail)
	return show
}

// listing is how a list of changes is laid out.
type listing struct {
	indent  int
	careful bool // a plan: deletions are folded late, attributes and reasons are shown
	unsure  bool // conditional: dimmed
}

func (o listing) more() string {
	if o.careful {
		return "more to be "
	}
	return "more "
}

// row is one change, clean.
type row struct {
	change        sdk.Change
	name, summary string
	reason        string
}

// layout is how the changes of one kind are laid out.
type layout struct {
	names int  // the width of the column of names
	below bool // reasons stand on lines of their own
}

// changes puts a list of changes, the names of each kind aligned, long lists folded. Where reasons do not fit behind the
// names they stand below, for all changes of that kind, unless it is only the last quarter that is missing: two lines
// for each change make a plan hard to read.
func (f *form) changes(p *page, all []sdk.Change, o listing) {
	show := shown(all, f.Verbose, o.careful)
	rows := make([]row, len(all))
	layouts, tails := map[sdk.Kind]*layout{}, map[sdk.Kind]bool{}
	for i, c := range all {
		if !show[i] {
			continue
		}
		rows[i] = row{change: c, name: f.clean(c.Resource.Name), summary: f.clean(c.Summary)}
		if o.careful {
			rows[i].reason = f.clean(c.Reason)
			if c.Conditional != "" {
				rows[i].reason = f.clean(c.Conditional + ": " + c.Reason)
			}
		}
		if layouts[c.Kind] == nil {
			layouts[c.Kind] = &layout{}
		}
		layouts[c.Kind].names = max(layouts[c.Kind].names, textWidth(rows[i].name))
		tails[c.Kind] = tails[c.Kind] || rows[i].summary != "" || rows[i].reason != ""
	}
	for k, l := range layouts {
		l.names = min(l.names, nameLimit(p.width-o.indent-2, p.width, tails[k]))
	}
	for i, r := range rows {
		if show[i] && p.width > 0 && r.reason != "" {
			l := layouts[r.change.Kind]
			over := r.line(o, l.names, p.width, true).width() - p.width
			l.below = l.below || over > 0 && (f.Verbose || over > textWidth(r.reason)/4)
		}
	}
	hidden := counts{}
	hint := ""
	if o.careful {
		hint = "  (--verbose shows all)"
	}
	gap := func() {
		if what := hidden.words(func(k sdk.Kind) string { return o.more() + past(k) }); what != "" {
			p.put(line{}.pad(o.indent).add(dim, ellipsis+" "+what+hint))
			hidden, hint = counts{}, ""
		}
	}
	for i, r := range rows {
		if !show[i] {
			hidden[all[i].Kind]++
			continue
		}
		gap()
		l := layouts[r.change.Kind]
		p.put(r.line(o, l.names, p.width, !l.below))
		if l.below && r.reason != "" {
			p.wrap(line{}.pad(o.indent+4).add(dim, "# "), dim, r.reason)
		}
		if o.careful && r.change.Kind == sdk.Update {
			f.attributes(p, o.indent+4, r.change)
		}
	}
	gap()
}

// nameLimit is how wide a column of names may get; room is what there is behind the markers.
func nameLimit(room, width int, tails bool) int {
	switch {
	case width == 0:
		return 72
	case tails:
		return max(room*3/5, 8)
	}
	return max(room, 8)
}

// line is "+ name  summary  # reason".
func (r row) line(o listing, nameWidth, width int, withReason bool) line {
	m := marker(r.change.Kind)
	style := plain
	if o.unsure || r.change.Conditional != "" {
		style = dim
	}
	if r.change.Conditional != "" {
		m = span{yellow, "?"}
	}
	name := r.name
	if width > 0 {
		name = cutMiddle(name, nameWidth)
	}
	l := line{}.pad(o.indent).add(m.style, m.text).add(plain, " ").add(style, name)
	column := o.indent + 2 + nameWidth
	if r.summary != "" {
		l = l.pad(column).add(plain, "  ").add(style, r.summary)
	}
	if withReason && r.reason != "" {
		l = l.pad(column).add(plain, "  ").add(dim, "# "+r.reason)
	}
	return l
}
