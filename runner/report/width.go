package report

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

const ellipsis = "…"

// textWidth is the number of terminal cells that clean text takes, as far as it can be known without the terminal.
func textWidth(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	const zeroWidthNonJoiner, zeroWidthJoiner = 0x200c, 0x200d
	switch {
	case r < 0x300:
		return 1
	case r == zeroWidthNonJoiner, r == zeroWidthJoiner, unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// splitWidth cuts text so that the head is at most n cells wide; marks stay with the character they belong to.
func splitWidth(text string, n int) (head, tail string) {
	for i, r := range text {
		n -= runeWidth(r)
		if n < 0 {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// lastWidth returns the end of text that is at most n cells wide.
func lastWidth(text string, n int) string {
	start := len(text)
	for i := len(text); i > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
		w := runeWidth(r)
		n -= w
		if n < 0 {
			break
		}
		if w > 0 {
			start = i
		}
	}
	return text[start:]
}

// cutMiddle makes text at most n cells wide by leaving out its middle: of a path, the folder it starts with and the
// name it ends with both tell something.
func cutMiddle(text string, n int) string {
	if n <= 0 || textWidth(text) <= n {
		return text
	}
	head, _ := splitWidth(text, (n-1)/2)
	return head + ellipsis + lastWidth(text, n-1-textWidth(head))
}

// wrapText breaks text between words into lines of at most n cells; a word that is wider is broken inside. 0: no limit.
func wrapText(text string, n int) []string {
	if n <= 0 || textWidth(text) <= n {
		return []string{text}
	}
	var lines []string
	current := ""
	for _, word := range strings.Split(text, " ") {
		joined := word
		if current != "" {
			joined = current + " " + word
		}
		if textWidth(joined) <= n {
			current = joined
			continue
		}
		if current != "" {
			lines = append(lines, current)
		}
		for textWidth(word) > n {
			head, tail := splitWidth(word, n)
			lines, word = append(lines, head), tail
		}
		current = word
	}
	if current != "" || len(lines) == 0 {
		lines = append(lines, current)
	}
	return lines
}
