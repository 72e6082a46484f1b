package report

import "strings"

// style is the parameter of an ANSI "select graphic rendition" sequence (ECMA-48 §8.3.117); "" is plain.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "34"
	cyan   style = "36"
	loud   style = "1;31"
)

// span is a piece of a line; its text is clean already.
type span struct {
	style style
	text  string
}

// line is what one line of the output says.
type line []span

func (l line) add(s style, text string) line {
	if text == "" {
		return l
	}
	return append(l, span{s, text})
}

// pad adds spaces until the line is width cells wide.
func (l line) pad(width int) line {
	return l.add(plain, strings.Repeat(" ", max(0, width-l.width())))
}

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += textWidth(s.text)
	}
	return n
}

// fit cuts the end of a line that is wider than width; 0: no limit.
func (l line) fit(width int) line {
	if width <= 0 || l.width() <= width {
		return l
	}
	var cut line
	room := width - 1 // one for the mark
	for _, s := range l {
		w := textWidth(s.text)
		if w <= room {
			cut, room = append(cut, s), room-w
			continue
		}
		head, _ := splitWidth(s.text, room)
		return append(cut, span{s.style, head + ellipsis})
	}
	return cut
}

// paint returns the line as it is written, without a line break and without spaces at its end.
func (l line) paint(color bool) string {
	var b strings.Builder
	end := len(l)
	for end > 0 && strings.TrimRight(l[end-1].text, " ") == "" {
		end--
	}
	for i, s := range l[:end] {
		text := s.text
		if i == end-1 {
			text = strings.TrimRight(text, " ")
		}
		if !color || s.style == plain {
			b.WriteString(text)
			continue
		}
		b.WriteString("\x1b[" + string(s.style) + "m" + text + "\x1b[0m")
	}
	return b.String()
}

// page collects lines that are written at once.
type page struct {
	b     strings.Builder
	width int // 0: no limit
	color bool
}

func (p *page) put(l line) { p.b.WriteString(l.fit(p.width).paint(p.color) + "\n") }

func (p *page) blank() { p.b.WriteByte('\n') }

// wrap puts text behind a first line's start, broken between words, later lines below the text's beginning. A start that
// takes more than half of the width gets a line of its own.
func (p *page) wrap(start line, s style, text string) {
	indent := start.width()
	if p.width > 0 && indent > p.width/2 {
		p.put(start)
		indent = 4
		start = line{}.pad(indent)
	}
	for i, part := range wrapText(text, max(p.width-indent, 0)) {
		if i > 0 {
			start = line{}.pad(indent)
		}
		p.put(append(start[:len(start):len(start)], span{s, part}))
	}
}

func (p *page) String() string { return p.b.String() }
