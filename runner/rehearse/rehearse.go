// Package rehearse holds a preview against the run that followed it, and both against what can be seen afterwards. It executes
// nothing and knows no plugin: what was there is given to it as things with attributes.
//
// Words:
//
//   - Planned: what the preview said would happen, for certain or, where it said so, perhaps.
//   - Made: what the run says it has done.
//   - Seen: what differs between two looks, before the run and after it, by somebody who took no part.
package rehearse

import (
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// Result is what a rehearsal has shown.
type Result struct {
	Playbook    string           `json:"playbook"`
	Description string           `json:"description,omitempty"`
	Instant     time.Time        `json:"instant"`
	Inputs      map[string]any   `json:"inputs"` // as they were given; secrets masked
	Copies      []Copy           `json:"copies"` // the filesystems that it happened on
	Plan        engine.RunStatus `json:"plan"`   // how the preview ended
	Run         engine.RunStatus `json:"run"`    // how the run ended
	Reason      string           `json:"reason,omitempty"`
	Steps       []Step           `json:"steps"`       // in the order in which the run started them, those of the preview alone last
	Seen        Seen             `json:"seen"`        // what has changed on the copies
	Differences []Difference     `json:"differences"` // between any two of them; none: it happened as planned
	Notes       []string         `json:"notes"`       // where the copies are not like the originals
	PowerCut    *PowerCut        `json:"power_cut,omitempty"`
}

// Copy is a filesystem and what it is a copy of.
type Copy struct {
	Name       string `json:"name"`            // for people: label, mount point, or that it is an example
	Original   string `json:"original"`        // the UUID of what it is a copy of
	UUID       string `json:"uuid"`            // its own
	Image      string `json:"image,omitempty"` // the file that it was kept in
	Subvolumes int    `json:"subvolumes"`      // how many there were before the run, snapshots left out
	Snapshots  int    `json:"snapshots"`       // how many snapshots
}

// Step is one step, or one item of it, of the preview and of the run.
type Step struct {
	Step        engine.StepRef   `json:"step"`
	Planned     engine.Status    `json:"planned_status"`        // "" where the preview has not come to it
	Status      engine.Status    `json:"status"`                // "" where the run has not
	Conditional string           `json:"conditional,omitempty"` // why the preview could not tell whether it runs
	Withheld    string           `json:"withheld,omitempty"`    // why the run has not applied it; "" where it has
	Why         string           `json:"why,omitempty"`         // why it was skipped or not reached
	Summary     string           `json:"summary,omitempty"`     // the plugin's own, of the run
	Changes     []Compared       `json:"changes"`               // of both
	Diagnostics []sdk.Diagnostic `json:"diagnostics,omitempty"` // of the run
}

// Compared is one change, planned or made or both.
type Compared struct {
	Planned bool       `json:"planned"`         // the preview has it, for certain
	Maybe   bool       `json:"maybe,omitempty"` // the preview says that it may come
	Made    bool       `json:"made"`            // the run has made it
	Change  sdk.Change `json:"change"`
}

// Agrees reports whether plan and run say the same of it.
func (c Compared) Agrees() bool { return c.Planned == c.Made || c.Maybe }

// Seen is what differs between a look before the run and one after it.
type Seen struct {
	Created []sdk.Resource `json:"created"`
	Deleted []sdk.Resource `json:"deleted"`
	Changed []sdk.Resource `json:"changed"` // as it is called now
}

// Difference is where two of plan, run and eye disagree.
type Difference struct {
	Step string `json:"step,omitempty"` // "" where it is about no single one
	Text string `json:"text"`           // in one line
}

// Thing is something that can be seen on a copy.
type Thing struct {
	Resource   sdk.Resource
	Attributes map[string]any // as in the After of changes: only those that can be seen
}

// PowerCut is what a rehearsal with power cuts has shown.
type PowerCut struct {
	Seed       uint64    `json:"seed"`       // of all that was left to chance
	Writes     int       `json:"writes"`     // recorded, of all disks together
	Flushes    int       `json:"flushes"`    // recorded
	Boundaries int       `json:"boundaries"` // moments for a cut that differ
	Chosen     int       `json:"chosen"`     // of them, cut at with all that was written before on the disk
	Subsets    int       `json:"subsets"`    // states in which only some of what was not flushed is on the disk
	Tried      int       `json:"tried"`      // states in all; fewer than chosen where it was stopped
	Failed     int       `json:"failed"`     // of them
	Failures   []Failure `json:"failures"`   // the first ones
}

// Failure is a state after a power cut in which something is as it must not be.
type Failure struct {
	Cut        string      `json:"cut"`             // as --cut takes it: boundary, or boundary:seed
	Where      string      `json:"where,omitempty"` // what the run was doing
	Violations []Violation `json:"violations"`
	Images     []string    `json:"images,omitempty"` // where the state is kept
}

// Violation is something that must not be after a power cut.
type Violation struct {
	Rule     string       `json:"rule"` // mount, check, kept, gap, whole, durable, order, rerun, convergence
	Resource sdk.Resource `json:"resource,omitzero"`
	Text     string       `json:"text"` // in one line
}
