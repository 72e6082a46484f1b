package playbook

import (
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// At is the place in the file of character off of Text; off counts characters from 0, and Text's length means the
// place after the last one. Other values of off are moved to the nearest of these. Quotes, escapes, folded lines and
// the indentation of | blocks are accounted for. For > blocks, and for a scalar that is not from a file, it is Pos.
func (s Scalar) At(off int) diagnostic.Position {
	places := s.places()
	if places == nil {
		return s.Pos
	}
	return places[min(max(off, 0), len(places)-1)]
}

// Width is how many characters of its first line the scalar takes, quotes included; at least 1. A block takes 1: its
// indicator.
func (s Scalar) Width() int {
	if s.source == nil {
		return max(utf8.RuneCountInString(s.Text), 1)
	}
	places := s.places()
	if places == nil || s.Style == LiteralStyle {
		return 1
	}
	end := places[len(places)-1]
	if s.Style == SingleQuotedStyle || s.Style == DoubleQuotedStyle {
		end.Column++
	}
	if end.Line != s.Pos.Line {
		end.Column = len(s.source.Runes(s.Pos.Line)) + 1
	}
	return max(end.Column-s.Pos.Column, 1)
}

// CutByComment reports whether the scalar is plain and a comment ends it on its line. If its text makes no sense, the
// " #" may have been meant as part of it.
func (s Scalar) CutByComment() bool {
	places := s.places()
	if s.Style != PlainStyle || len(places) == 0 {
		return false
	}
	end := places[len(places)-1]
	line := s.source.Runes(end.Line)
	return strings.HasPrefix(strings.TrimLeft(string(line[min(end.Column-1, len(line)):]), " \t"), "#")
}

// places finds the place of every character of Text, and of its end, by reading the scalar in the file again. It is
// nil if there is no file, the style is folded, or what was read differs from Text.
func (s Scalar) places() []diagnostic.Position {
	if s.source == nil || s.broken {
		return nil
	}
	switch s.Style {
	case LiteralStyle:
		return s.literalPlaces()
	case FoldedStyle:
		return nil
	}
	sc := scanner{source: s.source, at: s.Pos, limit: -1}
	switch s.Style {
	case PlainStyle:
		sc.limit = utf8.RuneCountInString(s.Text)
	case SingleQuotedStyle:
		sc.quote = '\''
		sc.at.Column++
	case DoubleQuotedStyle:
		sc.quote = '"'
		sc.at.Column++
	}
	sc.scan()
	if string(sc.text) != s.Text {
		return nil
	}
	return append(sc.places, sc.at)
}

// literalPlaces maps a | block: line i of Text is line i after the indicator, moved right by the indentation.
func (s Scalar) literalPlaces() []diagnostic.Position {
	lines := strings.Split(s.Text, "\n")
	indent := -1
	for i, line := range lines {
		raw := s.source.Line(s.Pos.Line + 1 + i)
		if strings.Trim(line, " ") != "" {
			indent = leadingSpaces(raw) - leadingSpaces(line)
			break
		}
	}
	if indent < 0 {
		return nil
	}
	places := make([]diagnostic.Position, 0, utf8.RuneCountInString(s.Text)+1)
	for i, line := range lines {
		at := diagnostic.Position{Line: s.Pos.Line + 1 + i, Column: indent + 1}
		raw := s.source.Line(at.Line)
		if line != "" && (len(raw) < indent || raw[indent:] != line) {
			return nil
		}
		if i == len(lines)-1 && line == "" && i > 0 { // the end of a text that ends in a line break
			return append(places, s.source.Clamp(at))
		}
		for range utf8.RuneCountInString(line) + 1 { // its characters and its line break
			places = append(places, s.source.Clamp(at))
			at.Column++
		}
	}
	return places
}

func leadingSpaces(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// scanner reads a plain or quoted scalar in the file once more, keeping the place of each character.
type scanner struct {
	source *Source
	at     diagnostic.Position // of the next character to read
	line   []rune              // the line of at, once begun
	quote  rune                // ' or "; 0 for plain
	limit  int                 // stop after so many characters; -1: at the closing quote
	text   []rune
	places []diagnostic.Position
}

func (sc *scanner) emit(r rune, at diagnostic.Position) {
	sc.text = append(sc.text, r)
	sc.places = append(sc.places, at)
}

// scan reads until the closing quote, the limit or the end of the file. Afterwards at is the place of the closing
// quote, or after the last character.
func (sc *scanner) scan() {
	sc.line = sc.source.Runes(sc.at.Line)
	for sc.limit < 0 || len(sc.text) < sc.limit {
		i := sc.at.Column - 1
		blank := sc.blankAfter(i)
		switch {
		case blank == len(sc.line): // the rest of the line is white space: fold
			if !sc.fold(false) {
				return
			}
		case blank > i: // white space inside a line stays
			for ; i < blank; i++ {
				sc.emit(sc.line[i], sc.at)
				sc.at.Column++
			}
		case sc.quote == '\'' && sc.line[i] == '\'':
			if i+1 >= len(sc.line) || sc.line[i+1] != '\'' {
				return
			}
			sc.emit('\'', sc.at)
			sc.at.Column += 2
		case sc.quote == '"' && sc.line[i] == '"':
			return
		case sc.quote == '"' && sc.line[i] == '\\':
			if !sc.escape(i) {
				return
			}
		default:
			sc.emit(sc.line[i], sc.at)
			sc.at.Column++
		}
	}
}

// blankAfter is the index of the first character from i on that is neither space nor tab.
func (sc *scanner) blankAfter(i int) int {
	i = min(i, len(sc.line))
	for i < len(sc.line) && (sc.line[i] == ' ' || sc.line[i] == '\t') {
		i++
	}
	return i
}

// fold goes from the end of a line to the next one that has text: one line break becomes a space, more become one
// less. After an escaped break there is no space. It is false at the end of the file.
func (sc *scanner) fold(escaped bool) bool {
	at := sc.at
	breaks := 0
	for {
		if sc.at.Line >= sc.source.Lines() {
			return false
		}
		breaks++
		sc.at = diagnostic.Position{Line: sc.at.Line + 1, Column: 1}
		sc.line = sc.source.Runes(sc.at.Line)
		if first := sc.blankAfter(0); first < len(sc.line) {
			sc.at.Column = first + 1
			break
		}
	}
	if breaks == 1 && !escaped {
		sc.emit(' ', at)
	}
	for range breaks - 1 {
		sc.emit('\n', at)
	}
	return true
}

// escapes are the single-character escapes of YAML 1.2 section 5.7.
var escapes = map[rune]rune{
	'0': 0, 'a': '\a', 'b': '\b', 't': '\t', '\t': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r', 'e': 0x1b,
	' ': ' ', '"': '"', '/': '/', '\\': '\\', '\'': '\'', 'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029,
}

// escape reads the escape that starts with the backslash at index i.
func (sc *scanner) escape(i int) bool {
	if i+1 >= len(sc.line) { // an escaped line break
		return sc.fold(true)
	}
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[sc.line[i+1]]
	if digits == 0 {
		r, known := escapes[sc.line[i+1]]
		if !known {
			return false
		}
		sc.emit(r, sc.at)
		sc.at.Column += 2
		return true
	}
	if i+2+digits > len(sc.line) {
		return false
	}
	var r rune
	for _, digit := range sc.line[i+2 : i+2+digits] {
		value := strings.IndexRune("0123456789abcdef", digit|0x20)
		if value < 0 {
			return false
		}
		r = r<<4 | rune(value)
	}
	sc.emit(r, sc.at)
	sc.at.Column += 2 + digits
	return true
}
