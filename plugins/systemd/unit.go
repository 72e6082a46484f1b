package systemd

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/hbohlen/coppice/sdk"
)

// States of a unit.
const (
	active       = "active"
	reloading    = "reloading"
	inactive     = "inactive"
	failed       = "failed"
	activating   = "activating"
	deactivating = "deactivating"
)

// Unit is what the manager says of one.
type Unit struct {
	ID          string // its full name
	Description string
	Load        string // loaded, not-found, masked, bad-setting, error
	LoadError   string
	State, Sub  string
	File        string // of its file: enabled, disabled, …
	Path        string // of its file
	Since       int64  // µs since 1970; 0: since the boot
	Began       int64  // when it was last started, µs since 1970; 0: never
	Group       string // control group
	Conditions  bool   // it has any
	ConditionOK bool   // they were met when it was last started
	Stale       bool   // its file has changed since the manager has read it

	CanStart, CanStop, CanReload bool
	NoManualStart, NoManualStop  bool

	Requires, Requisite, BindsTo, Wants, Conflicts, ConflictedBy []string // of its start
	RequiredBy, RequisiteOf, BoundBy, ConsistsOf, StopsToo       []string // stopped with it
	PartOf, StoppedBy                                            []string // it is stopped with
	Triggered                                                    []string // by

	Type            string // of a service
	RemainAfterExit bool
	MainPID         int64
	Result          string
	ExitCode        int64
	Killed          bool // ExitCode is the number of a signal
	Restarts        int64
	Memory          uint64
}

// running reports whether the unit is in a state other than inactive and failed.
func (u *Unit) running() bool { return u.State != inactive && u.State != failed }

// once reports whether the unit is inactive again when it has done its work.
func (u *Unit) once() bool { return u.Type == "oneshot" && !u.RemainAfterExit }

// named is the unit as a resource.
func named(name string) sdk.Resource { return sdk.Resource{Type: UnitType, Name: name} }

// attributes are what changes say of a unit. What is empty is not said.
type attributes struct {
	State   string `json:"state,omitempty"`
	Enabled string `json:"enabled,omitempty"`
}

func (a attributes) encode() json.RawMessage {
	data, _ := json.Marshal(a) // strings can be encoded
	return data
}

// unknownFile is the state of a unit's file that can't be told before a planned unmask has been made.
const unknownFile = "unmasked"

// View is the units as an action sees them: what the manager says, with what earlier steps have planned laid over.
type View struct {
	look  func(name string) (*Unit, error)  // never nil without an error; a unit that does not exist has Load not-found
	file  func(name string) (string, error) // state of a file
	names func() []string                   // of all units that there are, to make suggestions
	own   []string                          // units that coppice runs in
	prior map[string]attributes             // by full name
	seen  map[string]*Unit                  // by the name that was asked for
}

// newView makes one.
func newView(look func(string) (*Unit, error), file func(string) (string, error), names func() []string, own []string, prior []sdk.Change) *View {
	v := &View{look: look, file: file, names: names, own: own, prior: map[string]attributes{}, seen: map[string]*Unit{}}
	for _, c := range prior {
		if c.Resource.Type != UnitType || c.Conditional != "" {
			continue
		}
		var a attributes
		if json.Unmarshal(c.After, &a) != nil {
			continue
		}
		all := v.prior[c.Resource.Name]
		if a.State != "" {
			all.State = a.State
		}
		if a.Enabled != "" {
			all.Enabled = a.Enabled
		}
		v.prior[c.Resource.Name] = all
	}
	return v
}

// Unit is the unit of a full name. It is the caller's to read, not to change.
func (v *View) Unit(name string) (*Unit, error) {
	if u := v.seen[name]; u != nil {
		return u, nil
	}
	u, err := v.look(name)
	if err != nil {
		return nil, err
	}
	planned := *u
	over := v.prior[u.ID]
	if over.State != "" {
		planned.State, planned.Sub = over.State, ""
	}
	switch {
	case over.Enabled == "":
	case masked(over.Enabled):
		planned.File, planned.Load = over.Enabled, "masked"
	default:
		planned.File = over.Enabled
		if planned.Load == "masked" {
			planned.Load = "loaded"
			planned.CanStart, planned.CanStop = true, true
		}
	}
	v.seen[name], v.seen[planned.ID] = &planned, &planned
	return &planned, nil
}

// File is the state of the file of a unit or template as it is on disk, which the manager may not have read yet.
func (v *View) File(name string) (string, error) {
	if over := v.prior[name].Enabled; over != "" {
		return over, nil
	}
	return v.file(name)
}

func masked(file string) bool { return file == "masked" || file == "masked-runtime" }

// planned are the units that earlier steps would have started, sorted. What has them among its dependents need not know them
// now: the manager forgets units that are neither running nor needed.
func (v *View) planned() ([]*Unit, error) {
	var all []*Unit
	for _, name := range slices.Sorted(maps.Keys(v.prior)) {
		if v.prior[name].State != active {
			continue
		}
		u, err := v.Unit(name)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// inside reports whether coppice runs in the unit.
func (v *View) inside(name string) bool { return slices.Contains(v.own, name) }
