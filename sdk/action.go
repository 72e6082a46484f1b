package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Action is made by Read or Write.
type Action interface{ action() *action }

// Call is one call of an action: what the runner tells about the run, and the
// way to tell something back. Its methods may be called concurrently.
type Call struct {
	Run, Step string
	Instant   time.Time // the run's one instant, UTC; use it, not the clock
	Prior     []Change  // planned by earlier steps and not yet made
	Virtual   Virtual   // of a simulation; in Plan only

	mu   sync.Mutex
	emit func(Event)
	done []int
	sum  string
	warn []Diagnostic

	outputs json.RawMessage // as planned; in Apply
}

func newCall(r Request, emit func(Event)) *Call {
	return &Call{Run: r.Run, Step: r.Step, Instant: r.Instant.UTC(), Prior: r.Prior, Virtual: r.Virtual, emit: emit}
}

// Done says that the change with this index in the plan has been made. Call it
// as soon as that is true, once a change. A change that turned out to be made
// already is not reported.
func (c *Call) Done(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, change)
	if c.emit != nil {
		c.emit(Done{Change: change})
	}
}

// PlannedOutputs decodes what Plan has predicted as outputs, in Apply: where they
// are large, Private need not hold them too.
func (c *Call) PlannedOutputs(out any) error { return json.Unmarshal(c.outputs, out) }

// Warn reports something that is no failure and that somebody has to know.
func (c *Call) Warn(d Diagnostic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.Severity = SeverityWarning
	c.warn = append(c.warn, d)
}

// Summarize says in a few words what Apply has done, beyond its changes.
func (c *Call) Summarize(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum = fmt.Sprintf(format, args...)
}

// Progress tells how far the action is.
func (c *Call) Progress(p Progress) { c.tell(p) }

// Logf writes a line to the run's log. level is debug, info, warn or error.
func (c *Call) Logf(level, format string, args ...any) {
	c.tell(Log{Level: level, Message: fmt.Sprintf(format, args...)})
}

func (c *Call) tell(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.emit != nil {
		c.emit(e)
	}
}

// Read makes an action that only reads. In a preview it is executed like in a
// run; it should lay c.Prior over what it observes.
func Read[In, Out any](info Info, read func(ctx context.Context, c *Call, in In) (Planned[Out, None], error)) Action {
	info.Effect = Reads
	info.Converges = true
	return newAction[In, Out](info, nil, loosely(read), nil)
}

// None is the private state of an action that needs none.
type None struct{}

// Planned is a plan with its types.
type Planned[Out, Private any] struct {
	Summary     string // in a few words
	Changes     []Change
	Kept        []Kept
	Outputs     Out
	Unknown     []string // JSON pointers into Outputs
	Facts       any      // what the decision rests on; nil: nothing
	Private     Private  // for Apply
	Diagnostics []Diagnostic
}

// Writer is the code of a writing action.
type Writer[In, Out, Private any] struct {
	// Locks names what the action would lock; nil: nothing.
	Locks func(ctx context.Context, c *Call, in In) ([]Lock, error)
	// Plan looks and decides; it changes nothing.
	Plan func(ctx context.Context, c *Call, in In) (Planned[Out, Private], error)
	// Apply does what private says, which is as Plan left it, and reports each
	// change with c.Done. Outputs count even with an error, except those that are null in JSON.
	Apply func(ctx context.Context, c *Call, in In, private Private) (Out, error)
}

// Write makes an action that changes something.
func Write[In, Out, Private any](info Info, w Writer[In, Out, Private]) Action {
	if info.Effect == "" {
		info.Effect = Writes
	}
	var locks lockFunc
	if w.Locks != nil {
		locks = func(ctx context.Context, c *Call, in any) ([]Lock, error) { return w.Locks(ctx, c, *in.(*In)) }
	}
	return newAction[In, Out](info, locks, loosely(w.Plan), func(ctx context.Context, c *Call, in any, private json.RawMessage) (any, error) {
		var p Private
		if err := json.Unmarshal(private, &p); err != nil {
			return nil, &Error{Reason: Invalid, Summary: "cannot read the plan", Err: err}
		}
		return w.Apply(ctx, c, *in.(*In), p)
	})
}
