package diagnostic

import (
	"cmp"
	"fmt"
	"slices"
)

// Shown is how many diagnostics a report prints before it only counts.
const Shown = 20

// List gathers diagnostics in any order. The zero value is an empty list, ready to use.
type List []Diagnostic

// Add appends diagnostics as they are.
func (l *List) Add(diagnostics ...Diagnostic) { *l = append(*l, diagnostics...) }

// Addf appends an error at a place, with a message made as by fmt.Sprintf.
func (l *List) Addf(file string, pos Position, code Code, format string, args ...any) {
	l.Add(Diagnostic{File: file, Pos: pos, Length: 1, Code: code, Message: fmt.Sprintf(format, args...)})
}

// HasErrors reports whether a diagnostic of severity Error is in the list.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sorted returns the diagnostics ordered by file, line, column and code, in the order of adding where those are
// equal, without those that say the same thing about the same place. The receiver is left as it is.
func (l List) Sorted() List {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Code, b.Code),
		)
	})
	type said struct {
		file, message string
		pos           Position
		code          Code
	}
	seen := make(map[said]bool, len(sorted))
	return slices.DeleteFunc(sorted, func(d Diagnostic) bool {
		s := said{d.File, d.Message, d.Pos, d.Code}
		again := seen[s]
		seen[s] = true
		return again
	})
}

// Limit returns at most n diagnostics from the front and how many were left off. Errors are never pushed out by
// warnings: if something has to go, warnings go first. n below 0 counts as 0.
func (l List) Limit(n int) (shown List, more int) {
	n = max(n, 0)
	if len(l) <= n {
		return l, 0
	}
	errors := 0
	for _, d := range l {
		if d.Severity == Error {
			errors++
		}
	}
	roomForWarnings := max(n-errors, 0)
	for _, d := range l {
		if d.Severity == Warning {
			if roomForWarnings == 0 {
				continue
			}
			roomForWarnings--
		}
		if len(shown) < n {
			shown = append(shown, d)
		}
	}
	return shown, len(l) - len(shown)
}
