package diagnostic

import "strings"

// Source is the text of a file, split into lines, to show and to measure places in it. It is immutable.
type Source struct {
	File  string
	lines []string
	runes [][]rune // the lines as characters, so that finding a column does not read the line from its start
}

// NewSource splits text into lines at "\n"; a "\r" before it belongs to the line break. A byte order mark at the start
// is not part of the first line. Text that is not UTF-8 is accepted: each bad byte counts as one character.
func NewSource(file string, text []byte) *Source {
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	runes := make([][]rune, len(lines))
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
		runes[i] = []rune(lines[i])
	}
	return &Source{File: file, lines: lines, runes: runes}
}

// Lines is the number of lines; at least 1. Text that ends in a line break has an empty last line.
func (s *Source) Lines() int { return len(s.lines) }

// Line returns line n, from 1, without its line break; "" if there is no such line.
func (s *Source) Line(n int) string {
	if s == nil || n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// Runes returns line n, from 1, as characters; nil if there is no such line. The caller must not change them.
func (s *Source) Runes(n int) []rune {
	if s == nil || n < 1 || n > len(s.runes) {
		return nil
	}
	return s.runes[n-1]
}

// Contains reports whether p is a character of the file or the end of one of its lines.
func (s *Source) Contains(p Position) bool {
	return p.Line >= 1 && p.Line <= len(s.lines) && p.Column >= 1 && p.Column <= len(s.runes[p.Line-1])+1
}

// Clamp moves p to the nearest place that the file has.
func (s *Source) Clamp(p Position) Position {
	if p.Line > len(s.lines) {
		return Position{len(s.lines), len(s.runes[len(s.lines)-1]) + 1}
	}
	p.Line = max(p.Line, 1)
	p.Column = min(max(p.Column, 1), len(s.runes[p.Line-1])+1)
	return p
}
