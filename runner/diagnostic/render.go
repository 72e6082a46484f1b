package diagnostic

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Render writes the sorted list for a person, at most Shown of them, then "and N more". A diagnostic of a file among
// the sources is followed by its source line and a line that marks the place:
//
//	nightly.yaml:7:5: unknown key "us" in a step [unknown-key]
//	    us: btrfs.snapshot
//	    ^~
//	  help: did you mean "uses"?
//	  allowed: id, name, if, for_each, uses, with, timeout, continue_on_error
//
// Nothing that comes from the file can move the cursor or change colours: see Escape.
func (l List) Render(w io.Writer, sources ...*Source) error {
	shown, more := l.Sorted().Limit(Shown)
	var b strings.Builder
	type line struct {
		file string
		line int
	}
	concealed := make(map[line]bool)
	for _, d := range l {
		if d.Conceal {
			concealed[line{d.File, d.Pos.Line}] = true
		}
	}
	for _, d := range shown {
		source := find(sources, d.File)
		if concealed[line{d.File, d.Pos.Line}] {
			source = nil
		}
		d.render(&b, source)
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Text is what Render writes, as a string.
func (l List) Text(sources ...*Source) string {
	var b strings.Builder
	_ = l.Render(&b, sources...) // a strings.Builder never fails
	return b.String()
}

func find(sources []*Source, file string) *Source {
	for _, s := range sources {
		if s != nil && s.File == file {
			return s
		}
	}
	return nil
}

func (d Diagnostic) render(b *strings.Builder, source *Source) {
	b.WriteString(d.String() + "\n")
	if source != nil && source.Contains(d.Pos) {
		text, mark := excerpt(source.Line(d.Pos.Line), d.Pos.Column, d.Length)
		if text != "" {
			fmt.Fprintf(b, "    %s\n    %s\n", text, mark)
		}
	}
	if d.Suggestion != "" {
		fmt.Fprintf(b, "  help: %s\n", Escape(d.Suggestion))
	}
	if len(d.Allowed) > 0 {
		fmt.Fprintf(b, "  allowed: %s\n", Escape(strings.Join(d.Allowed, ", ")))
	}
}

// A source line longer than lineLimit cells is cut to a window around the place.
const (
	lineLimit  = 120
	tabStop    = 4
	cutMark    = "…"
	cellsAhead = 40 // shown left of the place when the start of the line is cut off
)

// excerpt returns the printable form of a source line, and the line that marks length characters from column on.
// Both are "" when the line has nothing to show. Common white space in front is kept: it is what YAML is about.
func excerpt(line string, column, length int) (text, mark string) {
	cells := make([]string, 0, len(line)+1) // printed form of each character
	widths := make([]int, 0, len(line)+1)
	at := 0
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRuneInString(line[i:])
		printed := Escape(line[i : i+size])
		if r == '\t' {
			printed = strings.Repeat(" ", tabStop-at%tabStop)
		}
		width := displayWidth(printed)
		cells, widths = append(cells, printed), append(widths, width)
		at += width
		i += size
	}
	if strings.TrimSpace(strings.Join(cells, "")) == "" {
		return "", ""
	}
	start := min(column-1, len(cells))
	end := min(start+max(length, 1), len(cells))

	from, to := 0, len(cells)
	prefix, suffix := "", ""
	if at > lineLimit {
		from, to = window(widths, start)
		if from > 0 {
			prefix = cutMark
		}
		if to < len(cells) {
			suffix = cutMark
		}
		end = min(end, to)
	}
	lead := displayWidth(prefix) + sum(widths[from:start])
	under := max(sum(widths[start:max(start, end)]), 1)
	text = prefix + strings.Join(cells[from:to], "") + suffix
	mark = strings.Repeat(" ", lead) + "^" + strings.Repeat("~", under-1)
	return strings.TrimRight(text, " "), mark
}

// window chooses the characters from..to of a long line that are shown: some before start, then as many as fit.
func window(widths []int, start int) (from, to int) {
	from = start
	for room := cellsAhead; from > 0 && room >= widths[from-1]; from-- {
		room -= widths[from-1]
	}
	if sum(widths[:start]) <= lineLimit-cellsAhead {
		from = 0
	}
	to = from
	for room := lineLimit; to < len(widths) && room >= widths[to]; to++ {
		room -= widths[to]
	}
	return from, max(to, start)
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
