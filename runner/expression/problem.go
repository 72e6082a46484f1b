package expression

import (
	"fmt"
	"slices"
	"strings"
)

// The codes of a Problem.
const (
	CodeSyntax       = "bad-expression"
	CodeType         = "expression-type"
	CodeLimit        = "expression-limit"
	CodeUnknownName  = "unknown-name"
	CodeNotBoolean   = "not-boolean"
	CodeBraces       = "braces-in-condition"
	CodeMaybeSkipped = "maybe-skipped"
	CodeUnsetInput   = "unset-input"
)

// Problem is one mistake of the author of an expression.
type Problem struct {
	Offset     int // in runes from the start of the text that was compiled
	Length     int // in runes, at least 1 unless the text ends at Offset
	Code       string
	Message    string   // one sentence, lower case, no full stop
	Allowed    []string // the legal values, in order
	Suggestion string   // what to do about it: `did you mean "retention"?`
}

// String is the message and what to do about it.
func (p Problem) String() string {
	if p.Suggestion == "" {
		return p.Message
	}
	return p.Message + "; " + p.Suggestion
}

func sortProblems(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Offset - b.Offset })
	return problems
}

// didYouMean is the sentence that offers the legal name nearest to got, or "".
func didYouMean(got string, legal []string) string {
	if near := nearest(got, legal); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest is the legal name that is a few typing slips away; "" if none is. Case and - versus _ count as nothing.
func nearest(got string, legal []string) string {
	if len(got) > 64 {
		return ""
	}
	fold := func(s string) []rune { return []rune(strings.ReplaceAll(strings.ToLower(s), "-", "_")) }
	from := fold(got)
	best, limit := "", min(1+len(from)/4, 3)
	for _, name := range legal {
		if len(name) > 64 {
			continue
		}
		if d := distance(from, fold(name)); d <= limit && d < len(from) {
			best, limit = name, d-1
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with the next one.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
