package expression

import "sort"

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
	CodeSecret       = "secret-changed"
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
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Offset < problems[j].Offset })
	return problems
}
