// Package diagnostic says what is wrong with a playbook, and where.
//
// A Diagnostic is a fact about a place in a file: code, message, legal values, a suggestion. A List gathers all of
// them, so that every mistake is reported at once. The package renders them for a terminal and as JSON. It never reads
// a file, never decides what is a mistake, and never ends anything: it is a value and its printed forms.
//
// Words: a Position is a line and a column, both from 1, columns counted in characters (Unicode code points), a tab is
// one character. A Code is the stable name of a kind of mistake; codes.go lists every one there is.
package diagnostic

import (
	"encoding/json"
	"fmt"
)

// Position is a place in a file. Line and Column start at 1; Column counts characters, not bytes. The zero value means
// "no place": the mistake concerns the file as a whole.
type Position struct {
	Line, Column int
}

// IsValid reports whether p names a place.
func (p Position) IsValid() bool { return p.Line > 0 && p.Column > 0 }

// Before reports whether p stands earlier in the file than q.
func (p Position) Before(q Position) bool {
	return p.Line < q.Line || p.Line == q.Line && p.Column < q.Column
}

// String is "line:column", or "-" for the zero value.
func (p Position) String() string {
	if !p.IsValid() {
		return "-"
	}
	return fmt.Sprintf("%d:%d", p.Line, p.Column)
}

// Severity says whether a diagnostic forbids a run. The zero value is Error.
type Severity int

// An Error forbids a run; a Warning is printed and the run goes on.
const (
	Error Severity = iota
	Warning
)

// String is "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText is String, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote and refuses everything else.
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case "error":
		*s = Error
	case "warning":
		*s = Warning
	default:
		return fmt.Errorf("unknown severity %q", text)
	}
	return nil
}

// Diagnostic is one mistake. Only Code and Message are always set.
type Diagnostic struct {
	File       string   // as the user wrote it
	Pos        Position // zero: the file as a whole
	Length     int      // characters to underline from Pos, within its line; below 1 counts as 1
	Severity   Severity
	Code       Code
	Message    string   // one sentence, lower case, no full stop; never contains a secret
	Allowed    []string // the legal values, in the order to show them
	Suggestion string   // what to do about it: `did you mean "steps"?`
	Path       string   // the place as names, "steps[2].with.sources"; "" if there is none
	Conceal    bool     // the source line may hold a secret: it is never shown, whoever reports something about it
}

type diagnosticJSON struct {
	File       string   `json:"file"`
	Line       int      `json:"line"`
	Column     int      `json:"column"`
	Length     int      `json:"length"`
	Severity   Severity `json:"severity"`
	Code       Code     `json:"code"`
	Message    string   `json:"message"`
	Allowed    []string `json:"allowed,omitempty"`
	Suggestion string   `json:"suggestion,omitempty"`
	Path       string   `json:"path,omitempty"`
}

// MarshalJSON writes the flat, stable form: file, line, column, length, severity, code, message, and where there are
// any, allowed, suggestion and path. A diagnostic without a place has line and column 0.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return json.Marshal(diagnosticJSON{
		File: d.File, Line: d.Pos.Line, Column: d.Pos.Column, Length: max(d.Length, 1), Severity: d.Severity,
		Code: d.Code, Message: d.Message, Allowed: d.Allowed, Suggestion: d.Suggestion, Path: d.Path,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Diagnostic) UnmarshalJSON(data []byte) error {
	var j diagnosticJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*d = Diagnostic{
		File: j.File, Pos: Position{j.Line, j.Column}, Length: j.Length, Severity: j.Severity,
		Code: j.Code, Message: j.Message, Allowed: j.Allowed, Suggestion: j.Suggestion, Path: j.Path,
	}
	return nil
}

// String is the first line of the rendered form: "file:line:col: message [code]".
func (d Diagnostic) String() string {
	where := Escape(d.File)
	if d.Pos.IsValid() {
		where += ":" + d.Pos.String()
	}
	if where != "" {
		where += ": "
	}
	if d.Severity == Warning {
		where += "warning: "
	}
	return fmt.Sprintf("%s%s [%s]", where, Escape(d.Message), d.Code)
}
