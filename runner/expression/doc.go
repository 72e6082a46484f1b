// Package expression compiles and evaluates the expressions of playbooks: the bare condition of an `if` and the
// `${{ expr }}` parts of a value.
//
// The syntax is that of expr-lang/expr, whose lexer, parser and syntax tree are used. Typing and evaluation are our own,
// for four reasons: a value may be unknown until the run (and must then never pass for nil, false or ""), every mistake
// of a text is reported at once in the words of a playbook author, whole numbers that overflow and divisions by zero are
// errors, and an evaluation stops at its budget instead of living on in a goroutine. The tests compare the results with
// those of expr's own virtual machine.
//
// What differs from expr: no now, date, timezone, reduce and repeat; no methods; duration() reads days; a duration can be
// divided; positions in strings count letters; #index works in every function; keys and values come sorted; an absent
// value (nil) in an operator is an error; all, any, find and the like evaluate their expression for every element.
//
// The package is pure: no file, process, clock or randomness; it does not know playbooks, steps or plugins. Positions
// are offsets in runes within the text that the caller handed over.
//
// Words: a Scope says which names an expression may use and their types. Env holds their values. A Template is text
// with parts. A Program is a checked expression or template; it never changes and may be evaluated from many goroutines.
// Unknown is a value that only the run will tell. Absent is a value that is not there (nil), for example the outputs of
// a step that was skipped.
//
// Values are nil, bool, string, int, float64, time.Duration, time.Time, []any, map[string]any and Unknown.
package expression
