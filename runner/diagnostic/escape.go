package diagnostic

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns text as it can be printed on a terminal in one line: control characters, line breaks, invisible and
// direction-changing characters and bytes that are not UTF-8 appear as \n, \x1b, \u202e or \xff. All other text,
// backslashes included, stays as it is.
func Escape(text string) string {
	if isPlain(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case isPrintable(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

func isPlain(text string) bool {
	for _, r := range text {
		if !isPrintable(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}

// isPrintable accepts what unicode.IsPrint does (letters, marks, numbers, punctuation, symbols, the ASCII space) and
// the joiners that emoji and some scripts are written with.
func isPrintable(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner, noBreakSpace, ideographicSpace = 0x200c, 0x200d, 0xa0, 0x3000
	switch r {
	case zeroWidthNonJoiner, zeroWidthJoiner, noBreakSpace, ideographicSpace:
		return true
	}
	return unicode.IsPrint(r)
}
