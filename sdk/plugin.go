package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
)

// API is the version of the plugin contract that this package speaks.
const API = 1

// Effect says what an action can do to the machine.
type Effect string

// The effects.
const (
	Reads    Effect = "read"    // changes nothing; also executed in a preview
	Writes   Effect = "write"   // creates and updates
	Destroys Effect = "destroy" // can delete what it did not make
)

// Info describes an action to people and to the runner.
type Info struct {
	Name        string         `json:"name"`    // ^[a-z][a-z0-9_]*$
	Summary     string         `json:"summary"` // one line, no full stop
	Description string         `json:"description,omitempty"`
	Effect      Effect         `json:"effect"`
	Converges   bool           `json:"converges"`         // a second run has nothing to do
	Touches     []string       `json:"touches,omitempty"` // types of the resources that it may change, or Anything
	Inputs      *schema.Schema `json:"inputs"`
	Outputs     *schema.Schema `json:"outputs"`
}

// Anything in Touches says that an action may change what is another plugin's: nobody can tell what. Later steps of a preview
// are predicted as if it changed nothing, and say so.
const Anything = "*"

// Description is what Describe returns.
type Description struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	API     int    `json:"api"`
	Summary string `json:"summary"`
	Actions []Info `json:"actions"`
}

// Action finds an action by name; nil when there is none.
func (d *Description) Action(name string) *Info {
	for i := range d.Actions {
		if d.Actions[i].Name == name {
			return &d.Actions[i]
		}
	}
	return nil
}

// Request is one call of an action.
type Request struct {
	ID      string // unique within the process; for Cancel
	Run     string
	Step    string
	Action  string
	Instant time.Time       // the run's one instant
	Inputs  json.RawMessage // JSON object
	Prior   []Change        // planned by earlier steps and not yet made
	Virtual Virtual         // of a simulation; Plan only
}

// Virtual says that a call belongs to a simulation: Plan is asked what it would decide at an instant that has not come, and
// nobody will ask to apply it. The clock counts as right at the call's instant. Prior then also has what earlier virtual runs
// have planned.
type Virtual string

// The kinds of simulation.
const (
	NotVirtual      Virtual = ""
	VirtualExisting Virtual = "existing" // from what exists now
	VirtualEmpty    Virtual = "empty"    // as if what earlier runs have made on this machine did not exist
)

// Event is what Apply tells while it works: one of Progress, Log and Done.
type Event interface{ event() }

// Progress says how far an action is.
type Progress struct {
	Current, Total int64  // Total 0: not known
	Unit           string // "bytes", "snapshots"
	Message        string
}

// Log is a line for the log.
type Log struct {
	Level   string // debug, info, warn, error
	Message string
}

// Done says that the change with this index in the plan has been made.
type Done struct{ Change int }

func (Progress) event() {}
func (Log) event()      {}
func (Done) event()     {}

// Locker takes the locks that actions have named, for everybody who could use the
// same resource, in other containers too. A plugin whose resources are only
// known to this machine needs none: the runner's own locks do.
type Locker interface {
	// Lock takes locks and keeps them until Unlock or the end of the process. It does
	// not wait: when somebody else has one, none is taken and the error has the reason
	// Busy. One that is held already stays held.
	Lock(ctx context.Context, keys []string) error
	// Unlock lets go of locks; one that is not held is no error.
	Unlock(ctx context.Context, keys []string) error
}

// Contract is the calls of a plugin. Plugin implements it in process;
// protocol.Client does over the wire.
//
// A returned error that is (or joins) *Error is a domain failure; any other
// error from a client means that the plugin is broken.
type Contract interface {
	Describe(ctx context.Context) (*Description, error)
	Resolve(ctx context.Context, r Request) ([]Lock, error)
	Locker
	Plan(ctx context.Context, r Request) (*Plan, error)
	Apply(ctx context.Context, r Request, p *Plan, emit func(Event)) (*Result, error)
}

// Plugin is a named set of actions. Its methods may be called concurrently.
type Plugin struct {
	Name    string // ^[a-z][a-z0-9-]*$
	Version string
	Summary string
	Actions []Action
	Locks   Locker // nil: the runner's own locks are enough
}

var _ Contract = (*Plugin)(nil)

// Describe lists the actions in the order of their names.
func (p *Plugin) Describe(ctx context.Context) (*Description, error) { return p.DescribeSome(ctx, nil) }

// DescribeSome is Describe for a caller who needs the schemas and descriptions of these actions only; without any, of all. Those of
// the others are missing: they are most of the whole, and deriving them takes longer than all else of a start.
func (p *Plugin) DescribeSome(_ context.Context, actions []string) (*Description, error) {
	d := &Description{Name: p.Name, Version: p.Version, API: API, Summary: p.Summary}
	for _, a := range p.Actions {
		if a := a.action(); len(actions) == 0 || slices.Contains(actions, a.about.Name) {
			d.Actions = append(d.Actions, a.full())
		} else {
			d.Actions = append(d.Actions, a.summary())
		}
	}
	sort.Slice(d.Actions, func(i, j int) bool { return d.Actions[i].Name < d.Actions[j].Name })
	return d, nil
}

func (p *Plugin) action(name string) (*action, error) {
	for _, a := range p.Actions {
		if a := a.action(); a.about.Name == name {
			return a, nil
		}
	}
	return nil, &Error{Reason: Invalid, Summary: fmt.Sprintf("plugin %s has no action %q", p.Name, name)}
}

// Resolve names what the action would lock.
func (p *Plugin) Resolve(ctx context.Context, r Request) ([]Lock, error) {
	a, err := p.action(r.Action)
	if err != nil {
		return nil, err
	}
	return a.resolve(ctx, newCall(r, nil), r.Inputs)
}

// Lock takes locks, where the plugin has any of its own.
func (p *Plugin) Lock(ctx context.Context, keys []string) error {
	if p.Locks == nil {
		return nil
	}
	return p.Locks.Lock(ctx, keys)
}

// Unlock lets go of locks.
func (p *Plugin) Unlock(ctx context.Context, keys []string) error {
	if p.Locks == nil {
		return nil
	}
	return p.Locks.Unlock(ctx, keys)
}

// Plan decides; it only reads.
func (p *Plugin) Plan(ctx context.Context, r Request) (*Plan, error) {
	a, err := p.action(r.Action)
	if err != nil {
		return nil, err
	}
	return a.plan(ctx, newCall(r, nil), r.Inputs)
}

// Apply does what the plan says. emit is called from the action's goroutines,
// one call at a time.
func (p *Plugin) Apply(ctx context.Context, r Request, plan *Plan, emit func(Event)) (*Result, error) {
	a, err := p.action(r.Action)
	if err != nil {
		return nil, err
	}
	return a.apply(ctx, newCall(r, emit), r.Inputs, plan)
}
