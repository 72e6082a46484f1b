// Package picture is the history of a machine's storage, and the page that draws it: when snapshots were taken and which of
// them remain, how full filesystems were, how runs went. All pictures have one axis of time, so that what happened together
// stands together.
//
// It is a pure function of values. Nothing is guessed: a figure was measured, stands in the record of a run, or is said not to
// be known. The page needs no script and no network, and whatever name stands in it is text.
package picture

import (
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// Report is what `coppice report` tells of a machine.
type Report struct {
	At          time.Time    `json:"at"`          // when it was looked
	Since       time.Time    `json:"since"`       // where the pictures begin
	Host        string       `json:"hostname"`    // the machine's name
	Attention   []Concern    `json:"attention"`   // what needs somebody, errors first, as status tells it
	Playbooks   []Playbook   `json:"playbooks"`   // those that are installed, and those that have run since the pictures begin
	Filesystems []Filesystem `json:"filesystems"` // those that the installed playbooks are about; all that are mounted where there is none
}

// Concern is something that needs somebody.
type Concern struct {
	Level string `json:"level"`          // error, warning
	About string `json:"about"`          // a playbook, a filesystem, boot, or machine
	What  string `json:"what"`           // what is wrong
	Mend  string `json:"mend,omitempty"` // what to do about it
}

// Playbook is how the runs of a playbook went.
type Playbook struct {
	Name      string      `json:"name"`                 // the playbook's name
	Installed bool        `json:"installed"`            // whether a service of the running system starts it; what is run by hand or in the initrd has none
	Calendar  string      `json:"calendar,omitempty"`   // of its timer; absent without one
	Next      time.Time   `json:"next,omitzero"`        // when its timer starts it next
	Runs      []Run       `json:"runs"`                 // since the pictures begin, the oldest first
	Missed    []time.Time `json:"missed"`               // when its timer would have started it, and no run began until the next time
	From      time.Time   `json:"missed_from,omitzero"` // from when on it is known what was missed: its timer is as it is now, and there are records; absent when nothing is known
}

// Run is one run.
type Run struct {
	Run     string        `json:"run"`              // its id
	Started time.Time     `json:"started"`          // by the clock
	Took    time.Duration `json:"took_ns"`          // of a run that has not ended, until the last that is known of it
	Outcome Outcome       `json:"outcome"`          // what came of it
	Reason  string        `json:"reason,omitempty"` // why it did not succeed
	Changes engine.Totals `json:"changes"`          // what it has changed
}

// Filesystem is how a filesystem did.
type Filesystem struct {
	Filesystem string   `json:"filesystem"`        // as the playbooks name it
	UUID       string   `json:"uuid"`              // its UUID
	Problem    string   `json:"problem,omitempty"` // why nothing else is known
	Now        *Space   `json:"now,omitempty"`     // how full it is; absent when that is not known
	Measured   []Space  `json:"measured"`          // how full it was when steps of runs looked, the oldest first
	Held       *int64   `json:"held,omitempty"`    // bytes that only snapshots hold, at least; absent when no quotas count them
	Sources    []Source `json:"sources"`           // what there are or were snapshots of
}

// Space is how full a filesystem is, as btrfs.usage measures it.
type Space struct {
	At          time.Time `json:"at"`            // when that was
	Run         string    `json:"run,omitempty"` // the run whose step has measured it; absent: coppice report itself
	Size        int64     `json:"size"`          // raw bytes of all devices
	Used        int64     `json:"used"`          // raw bytes that are used
	Unallocated int64     `json:"unallocated"`   // raw bytes that no chunk has
	Free        int64     `json:"free"`          // bytes that can still be written, about
	FreeRatio   float64   `json:"free_ratio"`    // that as a part of what fits, 0 to 1
}

// Source is a subvolume and its snapshots.
type Source struct {
	Source   string     `json:"source"`   // the subvolume; empty where that is not known
	Existing []Snapshot `json:"existing"` // those that exist, the oldest first, those before the pictures begin too
	Deleted  []Snapshot `json:"deleted"`  // those that runs have deleted since the pictures begin, as their records tell; the oldest first
}

// Snapshot is one snapshot.
type Snapshot struct {
	Path    string    `json:"path"`              // from the filesystem's top level
	Taken   time.Time `json:"taken"`             // when it was created
	Foreign bool      `json:"foreign,omitempty"` // whether coppice never deletes it
	Deleted time.Time `json:"deleted,omitzero"`  // when the run began that has deleted it; absent: it exists
}

// LittleFree is the part of a filesystem below which somebody must look: btrfs needs room to make room.
const LittleFree = 0.05
