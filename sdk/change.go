package sdk

import (
	"encoding/json"
	"time"
)

// Kind says what a change does to its resource.
type Kind string

// The kinds of change.
const (
	Create Kind = "create"
	Update Kind = "update"
	Delete Kind = "delete"
	Run    Kind = "run" // something with no resource that stays: a scrub, a command
)

// Resource names one thing on the machine. Two changes touch the same thing when
// Type, Scope and Name are equal.
type Resource struct {
	Type  string `json:"type"`            // "btrfs.subvolume"
	Scope string `json:"scope,omitempty"` // where Name is unique: a filesystem's UUID
	Name  string `json:"name"`            // what a person calls it: a path
	ID    string `json:"id,omitempty"`    // what it is identified by, when it exists: a UUID
}

// Change is one thing that a plan would do.
type Change struct {
	Kind     Kind     `json:"kind"`
	Resource Resource `json:"resource"`
	// Summary says what would be done, as the rest of a line that starts with the
	// resource's name: "read-only snapshot of root".
	Summary string `json:"summary,omitempty"`
	// Reason says why: "older than 30d, no rule keeps it".
	Reason string `json:"reason,omitempty"`
	// Conditional says why Apply may turn out not to make the change: "only while less than 10 % is free". "" when it will.
	// The conditional changes of a plan are all that may come besides the others; no later step counts on them.
	Conditional string `json:"conditional,omitempty"`
	// Before and After are JSON objects of the resource's attributes; absent where
	// it does not exist.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Kept is a resource that a plan looked at and leaves alone.
type Kept struct {
	Resource Resource `json:"resource"`
	Reason   string   `json:"reason"`
	// Since is when the resource came to be; zero for one that does not come and go.
	Since time.Time `json:"since,omitzero"`
	// Until is from when nothing would keep it any more if nothing else changed; zero where that can't be told.
	Until time.Time `json:"until,omitzero"`
}

// Plan is what an action has decided to do. It travels as JSON and can be stored.
type Plan struct {
	Summary string   `json:"summary,omitempty"` // in a few words: "904 MiB of 1 GiB free"
	Changes []Change `json:"changes,omitempty"` // in the order in which Apply makes them
	Kept    []Kept   `json:"kept,omitempty"`

	// Outputs is a JSON object that fits the action's output schema; Unknown lists
	// JSON pointers (RFC 6901) to the parts of it that only Apply can tell.
	Outputs json.RawMessage `json:"outputs,omitempty"`
	Unknown []string        `json:"unknown,omitempty"`

	// Fingerprint is JSON of the facts that the decision used, and no others: it is
	// compared to tell whether a stored plan still fits the machine.
	Fingerprint json.RawMessage `json:"fingerprint,omitempty"`

	// Private is the action's own note to its Apply.
	Private json.RawMessage `json:"private,omitempty"`

	// Diagnostics are warnings, and errors about single items: with an error the
	// rest of the plan is still applied, and the step then counts as failed.
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
}

// Result is the end of an Apply.
type Result struct {
	Summary     string // in a few words: "in one transaction (7312)"
	Outputs     json.RawMessage
	Diagnostics []Diagnostic // any error: the action failed
	Done        []int        // indexes of the plan's changes that were made, in order
}

// Lock is something that no other run may use at the same time.
type Lock struct {
	Key   string `json:"key"`   // the same for everybody who means the same thing
	Title string `json:"title"` // what a person calls it
}
