package engine

import (
	"encoding/json"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Event is something that happened in a run or a preview. The events of one run
// come in order, from one goroutine at a time: RunStarted, then for each step
// StepStarted … StepFinished (for each item of a for_each its own pair), then
// RunFinished, always.
type Event interface{ isEvent() }

// Mode of an execution.
type Mode string

// The modes.
const (
	ModeRun     Mode = "run"
	ModePreview Mode = "plan"
)

// Status is how a step ended, or in a preview how it would end.
type Status string

// The statuses of steps.
const (
	OK        Status = "ok"        // nothing to change, or only read
	Changed   Status = "changed"   // made changes
	Skipped   Status = "skipped"   // its condition was false
	Failed    Status = "failed"    // the plugin said no
	Errored   Status = "errored"   // the plugin died or broke the protocol
	TimedOut  Status = "timed_out" // its time, or the run's, was up
	Cancelled Status = "cancelled" // it was stopped on request
	Rescued   Status = "rescued"   // a block that failed, and whose rescue went well
	Unreached Status = "unreached" // an earlier step failed, or the run was stopped
)

// Bad reports whether the status makes a run fail.
func (s Status) Bad() bool {
	return s == Failed || s == Errored || s == TimedOut || s == Cancelled
}

// Section of a playbook.
type Section string

// The sections, in the order in which they run.
const (
	SectionSteps     Section = "steps"
	SectionOnFailure Section = "on_failure"
	SectionAlways    Section = "always"
)

// StepRef says which step an event is about.
type StepRef struct {
	ID    string `json:"id"`
	Title string `json:"title"` // the step's name, rendered, or its id
	Uses  string `json:"uses"`  // "btrfs.snapshot"; "" for a block or a call
	// Playbook is the name of the playbook that the step calls; its steps are inside it as those of a block are.
	Playbook string  `json:"playbook,omitempty"`
	Section  Section `json:"section"`
	Effect   string  `json:"effect"` // read, write, destroy; "" for a block
	// Depth is the number of blocks and calls around the step.
	Depth int `json:"depth,omitempty"`
	// Item is the index in a for_each, from 0; nil outside of one. Label names the
	// item for people.
	Item  *int   `json:"item,omitempty"`
	Label string `json:"label,omitempty"`
}

// RunStarted is the first event.
type RunStarted struct {
	Run         string         `json:"run"` // the run's id
	Mode        Mode           `json:"mode"`
	Playbook    string         `json:"playbook"`
	Description string         `json:"description,omitempty"`
	File        string         `json:"file,omitempty"`
	Instant     time.Time      `json:"instant"`
	Inputs      map[string]any `json:"inputs"`              // JSON values; secrets masked
	Defaulted   []string       `json:"defaulted,omitempty"` // inputs that have their default value, sorted
	Steps       int            `json:"steps"`               // how many there are in `steps`
	Resumes     string         `json:"resumes,omitempty"`   // the run that this one goes on from
	Origin      string         `json:"origin,omitempty"`    // the first of the runs that went on from each other: names come from it
}

// StepStarted comes before anything is done for a step.
type StepStarted struct {
	Step StepRef `json:"step"`
}

// StepPlanned tells the plan of a step that is about to be applied (run), or
// would be (preview).
type StepPlanned struct {
	Step StepRef     `json:"step"`
	Plan PlannedStep `json:"plan"`
}

// PlannedStep is what a step would do.
type PlannedStep struct {
	Changes []sdk.Change `json:"changes"` // in an event never nil: JSON has a list
	Kept    []sdk.Kept   `json:"kept,omitempty"`
}

// StepProgress says how far the running step is.
type StepProgress struct {
	Step    StepRef `json:"step"`
	Current int64   `json:"current"`
	Total   int64   `json:"total,omitempty"` // 0: not known
	Unit    string  `json:"unit,omitempty"`
	Message string  `json:"message,omitempty"`
}

// StepLog is a line of a plugin. Step is zero where it belongs to none.
type StepLog struct {
	Step    StepRef `json:"step,omitzero"`
	Plugin  string  `json:"plugin"`
	Level   string  `json:"level"` // debug, info, warn, error
	Message string  `json:"message"`
}

// StepRetrying says that an attempt has failed and another one follows.
type StepRetrying struct {
	Step     StepRef       `json:"step"`
	Attempt  int           `json:"attempt"`  // the one that follows, from 2
	Attempts int           `json:"attempts"` // how many there can be
	Wait     time.Duration `json:"wait_ns"`  // before it
	Reason   string        `json:"reason"`   // why the last one failed
}

// ChangeMade says that one planned change has been made.
type ChangeMade struct {
	Step   StepRef    `json:"step"`
	Change sdk.Change `json:"change"`
}

// StepFinished ends a step, or one item of it.
type StepFinished struct {
	StepResult
}

// StepResult is everything about a step that has ended.
type StepResult struct {
	Step   StepRef `json:"step"`
	Status Status  `json:"status"`
	// Conditional, in a preview, says why it can't be told before the run whether
	// the step runs, or what it does; "" when it can.
	Conditional string `json:"conditional,omitempty"`
	// Presumes, in a preview, are the steps above that may change anything: this one is predicted as if they changed nothing.
	Presumes []string `json:"presumes,omitempty"`
	// Why a step was skipped or not reached.
	Why string `json:"why,omitempty"`
	// Idle is set for a step that was there for a failure that did not happen.
	Idle bool `json:"idle,omitempty"`
	// Unset names the optional inputs that the step is there for, of a step that is skipped because they have no value:
	// nobody misses it.
	Unset []string `json:"unset,omitempty"`
	// Resumed is the earlier run in which the step finished: this one has not done it again.
	Resumed string `json:"resumed,omitempty"`
	// Lost says why the outputs of a step that an earlier run has finished are not known any more.
	Lost string `json:"lost,omitempty"`
	// Withheld says why a run has planned the step and not applied it; "" where it has.
	Withheld string `json:"withheld,omitempty"`
	// Attempts is how often a step that can be retried was tried.
	Attempts int `json:"attempts,omitempty"`
	// Summary is the plugin's own, in a few words; may be empty.
	Summary string `json:"summary,omitempty"`
	// Planned is what was decided; Made the changes that were made (run only).
	Planned     PlannedStep      `json:"planned"`
	Made        []sdk.Change     `json:"made,omitempty"`
	Outputs     json.RawMessage  `json:"outputs,omitempty"`
	Fingerprint json.RawMessage  `json:"fingerprint,omitempty"` // facts that the decision rests on
	Unknown     []string         `json:"unknown,omitempty"`     // JSON pointers into Outputs: known after the run
	Diagnostics []sdk.Diagnostic `json:"diagnostics,omitempty"`
	Duration    time.Duration    `json:"duration_ns"`
}

// RunFinished is the last event, however the run ended.
type RunFinished struct {
	Run      string         `json:"run"`
	Mode     Mode           `json:"mode"`
	Status   RunStatus      `json:"status"`
	Reason   string         `json:"reason,omitempty"` // why it did not succeed, one line
	Changes  Totals         `json:"changes"`          // run: made; preview: planned
	Steps    map[Status]int `json:"steps"`
	Warnings int            `json:"warnings"`
	Duration time.Duration  `json:"duration_ns"`
}

// RunStatus is how a whole run ended.
type RunStatus string

// The statuses of runs.
const (
	Succeeded    RunStatus = "succeeded"
	RunFailed    RunStatus = "failed"
	RunTimedOut  RunStatus = "timed_out"
	RunCancelled RunStatus = "cancelled"
)

// Totals counts changes by kind. Conditional counts those of a preview that may
// not happen; they are not in the other counts.
type Totals struct {
	Create      int `json:"create"`
	Update      int `json:"update"`
	Delete      int `json:"delete"`
	Run         int `json:"run"`
	Conditional int `json:"conditional,omitempty"`
}

// Add counts a change.
func (t *Totals) Add(k sdk.Kind) {
	switch k {
	case sdk.Create:
		t.Create++
	case sdk.Update:
		t.Update++
	case sdk.Delete:
		t.Delete++
	case sdk.Run:
		t.Run++
	}
}

// Any reports whether there is any change, conditional ones included.
func (t Totals) Any() bool { return t != Totals{} }

func (RunStarted) isEvent()   {}
func (StepStarted) isEvent()  {}
func (StepPlanned) isEvent()  {}
func (StepProgress) isEvent() {}
func (StepLog) isEvent()      {}
func (StepRetrying) isEvent() {}
func (ChangeMade) isEvent()   {}
func (StepFinished) isEvent() {}
func (RunFinished) isEvent()  {}
