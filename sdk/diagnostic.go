package sdk

import (
	"errors"
	"fmt"
)

// Severity of a diagnostic.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Reason sorts errors by what the runner does about them.
type Reason string

// The reasons. The zero value is Failed.
const (
	Failed       Reason = "failed"        // it was tried and did not work, or can't work here
	Invalid      Reason = "invalid"       // an input is wrong; Path says which
	NotPermitted Reason = "not-permitted" // the process lacks a privilege
	Drifted      Reason = "drifted"       // the machine is not as it was when the plan was made
	Busy         Reason = "busy"          // somebody else is at work on it
	Cancelled    Reason = "cancelled"     // it was asked to stop and did
)

// Diagnostic is one thing that a plugin has to say about a call.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Reason   Reason   `json:"reason,omitempty"`
	Path     string   `json:"path,omitempty"`   // JSON pointer into the inputs: "/sources/1"
	Summary  string   `json:"summary"`          // one line, lower case, in the user's words
	Advice   string   `json:"advice,omitempty"` // what to do about it
	At       string   `json:"at,omitempty"`     // file:line:col of the input in the playbook; the runner's, not the plugin's
}

// Error is a failure that a plugin reports. Plan and Apply return it, alone or
// several joined with errors.Join; any other error counts as Failed.
type Error struct {
	Reason  Reason
	Path    string
	Summary string
	Advice  string
	Err     error // the cause; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Summary, e.Err)
	}
	return e.Summary
}

func (e *Error) Unwrap() error { return e.Err }

// InvalidInput is the error for a wrong input. path is a JSON pointer into the
// inputs.
func InvalidInput(path, format string, args ...any) *Error {
	return &Error{Reason: Invalid, Path: path, Summary: fmt.Sprintf(format, args...)}
}

// Warning makes a warning.
func Warning(format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityWarning, Summary: fmt.Sprintf(format, args...)}
}

// Diagnose turns an error, several joined ones included, into diagnostics.
func Diagnose(err error) []Diagnostic {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Diagnostic
		for _, e := range many.Unwrap() {
			all = append(all, Diagnose(e)...)
		}
		return all
	}
	d := Diagnostic{Severity: SeverityError, Reason: Failed, Summary: err.Error()}
	var e *Error
	if errors.As(err, &e) {
		d.Path, d.Advice = e.Path, e.Advice
		if e.Reason != "" {
			d.Reason = e.Reason
		}
	}
	return []Diagnostic{d}
}

// HasErrors reports whether any of them is an error.
func HasErrors(all []Diagnostic) bool {
	for _, d := range all {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
