package expression

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Template is text with parts in ${{ }}.
type Template struct {
	Parts []Part
}

// Part is either literal text or an expression.
type Part struct {
	Literal string // "" for an expression; with $${{ already turned into ${{
	Expr    string // what stands between ${{ and }}, spaces included
	IsExpr  bool
	Offset  int // of the whole part, in runes
	Length  int // of the whole part, braces included, in runes
}

const (
	opening = "${{"
	escaped = "$${{"
	closing = "}}"

	maxParts = 200
)

// Constant reports whether the template has no expression, and its text then.
func (t Template) Constant() (string, bool) {
	switch {
	case len(t.Parts) == 0:
		return "", true
	case len(t.Parts) == 1 && !t.Parts[0].IsExpr:
		return t.Parts[0].Literal, true
	}
	return "", false
}

// Single is the expression when the template is exactly one ${{ }}.
func (t Template) Single() (Part, bool) {
	if len(t.Parts) == 1 && t.Parts[0].IsExpr {
		return t.Parts[0], true
	}
	return Part{}, false
}

// String writes the template so that ParseTemplate reads the same parts.
func (t Template) String() string {
	var b strings.Builder
	for _, p := range t.Parts {
		if p.IsExpr {
			b.WriteString(opening + p.Expr + closing)
		} else {
			b.WriteString(strings.ReplaceAll(p.Literal, opening, escaped))
		}
	}
	return b.String()
}

// ParseTemplate splits text at ${{ and }}. A }} inside a string or a map of the expression does not close it. $${{ is a
// literal ${{. A part that is not closed or empty is a Problem, and the parts before it are returned.
func ParseTemplate(text string) (Template, []Problem) {
	s := &splitter{rest: []byte(text)}
	for len(s.rest) > 0 && s.next() {
	}
	s.flush()
	return s.template, s.problems
}

// splitter is a template that is being read.
type splitter struct {
	template  Template
	problems  []Problem
	rest      []byte // what has not been read
	offset    int    // where it starts, in runes
	literal   []byte // text before it that belongs to no part yet
	literalAt int
	exprs     int
}

func (s *splitter) flush() {
	if len(s.literal) > 0 {
		s.template.Parts = append(s.template.Parts,
			Part{Literal: string(s.literal), Offset: s.literalAt, Length: s.offset - s.literalAt})
		s.literal = nil
	}
	s.literalAt = s.offset
}

// text takes size bytes as literal text.
func (s *splitter) text(size int, as string) {
	s.literal = append(s.literal, as...)
	s.offset += utf8.RuneCount(s.rest[:size])
	s.rest = s.rest[size:]
}

// next reads a piece of text or a part; false when nothing more can be read.
func (s *splitter) next() bool {
	switch {
	case bytes.HasPrefix(s.rest, []byte(escaped)):
		s.text(len(escaped), opening)
		return true
	case !bytes.HasPrefix(s.rest, []byte(opening)):
		size := len(s.rest)
		if i := bytes.IndexByte(s.rest[1:], '$'); i >= 0 {
			size = 1 + i
		}
		s.text(size, string(s.rest[:size]))
		return true
	}
	s.flush()
	end := closingBraces(s.rest[len(opening):])
	if end < 0 {
		s.problems = append(s.problems, Problem{Offset: s.offset, Length: len(opening), Code: CodeSyntax,
			Message: "${{ is not closed", Suggestion: "end it with }}, or write $${{ for a plain ${{"})
		return false
	}
	whole := s.rest[:len(opening)+end+len(closing)]
	p := Part{Expr: string(whole[len(opening) : len(opening)+end]), IsExpr: true, Offset: s.offset, Length: utf8.RuneCount(whole)}
	if s.exprs++; s.exprs > maxParts {
		s.problems = append(s.problems, Problem{Offset: s.offset, Length: p.Length, Code: CodeLimit,
			Message: fmt.Sprintf("the text has more than %d expressions", maxParts)})
		return false
	}
	if strings.TrimSpace(p.Expr) == "" {
		s.problems = append(s.problems, Problem{Offset: s.offset, Length: p.Length, Code: CodeSyntax, Message: "the expression is empty"})
	}
	s.template.Parts = append(s.template.Parts, p)
	s.offset += p.Length
	s.rest = s.rest[len(whole):]
	s.literalAt = s.offset
	return true
}

// closingBraces is the byte offset of the }} that ends the expression at the start of text; -1 if there is none.
func closingBraces(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"', '\'', '`':
			i += stringEnd(text[i:])
		case '/':
			if bytes.HasPrefix(text[i:], []byte("/*")) {
				end := bytes.Index(text[i+2:], []byte("*/"))
				if end < 0 {
					return -1
				}
				i += 2 + end + 1
			} else if bytes.HasPrefix(text[i:], []byte("//")) {
				i += commentEnd(text[i:]) - 1
			}
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if bytes.HasPrefix(text[i:], []byte(closing)) {
				return i
			}
		}
	}
	return -1
}

// stringEnd is the offset of the last letter of the string at the start of text. A quoted string ends at its line's end
// at the latest: expr refuses it then, and what follows is read as usual.
func stringEnd[letter byte | rune](text []letter) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote && quote == '`' && i+1 < len(text) && text[i+1] == '`':
			i++
		case text[i] == quote, text[i] == '\n' && quote != '`':
			return i
		}
	}
	return len(text) - 1
}

// commentEnd is the length of a comment to the end of its line, or to }} on that line.
func commentEnd(text []byte) int {
	end := len(text)
	for _, stop := range []string{"\n", closing} {
		if i := bytes.Index(text[:end], []byte(stop)); i >= 0 {
			end = i
		}
	}
	return end
}
