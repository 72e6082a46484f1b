// Package runner executes playbooks. It is the way through the core in one
// page: a file is parsed and checked against the plugins it names (Load), then
// walked step by step (Execute).
//
//	bytes → playbook.Parse → check.Check(descriptions) → engine.Execute → events → report
//
// Everything left of the arrow to the engine is a pure function of values; the
// processes behind the plugins are package host's, what a person sees is
// package report's.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
)

// Runner loads and executes playbooks with the plugins of one host.
type Runner struct {
	Host *host.Host
	// Find returns file and text of a playbook that from calls; see playbook.Link. nil: none can be called.
	Find func(from *playbook.Playbook, name string) (playbook.Called, error)
	// Ahead is for a program that is going to be executed: what its first steps call is started while it is being checked.
	Ahead bool
}

// Loaded is a playbook that was loaded, or what is wrong with it.
type Loaded struct {
	Program  *check.Program // nil when there is a mistake
	Mistakes diagnostic.List
	Sources  []*diagnostic.Source // of the playbook and of those that it calls
}

// Load parses and checks a playbook, with those that it calls. The plugins that they name are asked what they are,
// and started for that if need be; none touches the machine. An error is about a plugin that can't be used; the mistakes in the playbooks are
// told then too.
func (r *Runner) Load(ctx context.Context, file string, data []byte) (Loaded, error) {
	out := Loaded{Sources: []*diagnostic.Source{diagnostic.NewSource(file, data)}}
	parsed, found := playbook.Parse(file, data)
	out.Mistakes = found
	if parsed == nil {
		return out, nil
	}
	out.Mistakes = append(out.Mistakes, playbook.Link(parsed, r.find)...)
	for _, c := range parsed.Called {
		out.Sources = append(out.Sources, diagnostic.NewSource(c.File, c.Data))
	}
	if r.Ahead {
		for _, name := range check.Certain(parsed) {
			r.Host.Ahead(ctx, name)
		}
	}
	plugins, err := r.describe(ctx, parsed)
	if err != nil {
		return out, err
	}
	program, more := check.Check(parsed, plugins, r.Host.Names())
	out.Mistakes = append(out.Mistakes, more...).Sorted()
	if !out.Mistakes.HasErrors() {
		out.Program = program
	}
	return out, nil
}

func (r *Runner) find(from *playbook.Playbook, name string) (playbook.Called, error) {
	if r.Find == nil {
		return playbook.Called{}, errors.New("no playbook can be called from here")
	}
	return r.Find(from, name)
}

// describe asks all plugins at the same time. A plugin that does not exist is
// left out: that is a mistake in the playbook.
func (r *Runner) describe(ctx context.Context, p *playbook.Playbook) (map[string]*sdk.Description, error) {
	var (
		all     = map[string]*sdk.Description{}
		mu      sync.Mutex
		asking  sync.WaitGroup
		failure error
	)
	for _, name := range check.Plugins(p) {
		asking.Go(func() {
			d, err := r.Host.Describe(ctx, name, check.Actions(p, name)...)
			mu.Lock()
			defer mu.Unlock()
			var missing *host.NotFoundError
			switch {
			case err == nil:
				all[name] = d
			case errors.As(err, &missing):
			default:
				failure = errors.Join(failure, err)
			}
		})
	}
	asking.Wait()
	return all, failure
}

// Job is one execution.
type Job struct {
	Mode    engine.Mode
	Instant time.Time      // of a preview or a saved plan; zero: now
	Inputs  map[string]any // what Program.Resolve returned
	Facts   map[string]any // host: name, kernel
	Hold    string         // why nothing may be destroyed; "": it may
	Emit    func(engine.Event)
	Expect  func(engine.StepResult) error // whether a plan is the one of a saved plan; nil: any
	// Withhold says which steps a run plans and does not apply; see engine.Options.
	Withhold func(plugin, action string) string
	Wait     bool            // for locks that another run has, instead of failing
	Prior    []sdk.Change    // of a simulation: what earlier virtual runs have planned
	Virtual  sdk.Virtual     // of a simulation; ModePreview only
	Past     *engine.Past    // what an earlier run has done of this one; nil: nothing
	Last     context.Context // of on_failure and always; nil: they can't be stopped
	Pulse    *Pulse          // feels whether the execution lives; nil: nobody asks
}

// Execute runs or previews a program. The report accounts for every step,
// however it ended.
func (r *Runner) Execute(ctx context.Context, p *check.Program, j Job) *engine.Report {
	if j.Instant.IsZero() {
		j.Instant = time.Now()
	}
	// Snapshot names carry milliseconds; the instant must not be finer than them.
	instant := j.Instant.UTC().Truncate(time.Millisecond)
	id := newID(instant)
	if j.Past != nil { // the instant is that of the first run: this one has begun now
		id = newID(time.Now().UTC())
	}
	who := host.Holder{PID: os.Getpid(), Run: id, Playbook: p.Playbook.Name, Since: time.Now().UTC().Truncate(time.Second)}
	options := engine.Options{
		Plugins: r.Host, Mode: j.Mode, Run: id, Instant: instant, Inputs: j.Inputs,
		Host: j.Facts, Hold: j.Hold, Emit: j.Emit, Now: time.Now, Last: j.Last,
		Sleep: sleep, Expect: j.Expect, Withhold: j.Withhold, Past: j.Past, Prior: j.Prior, Virtual: j.Virtual,
		Lock: func(ctx context.Context, plugin string, lock sdk.Lock) (func(), error) {
			return r.Host.Lock(ctx, plugin, lock, who, j.Wait)
		},
	}
	if j.Pulse != nil {
		options = j.Pulse.watch(options)
	}
	return engine.Execute(ctx, p, options)
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// newID names a run: its instant, so that ids sort by time, and some chance.
func newID(instant time.Time) string {
	var chance [3]byte
	_, _ = rand.Read(chance[:]) // never fails, see crypto/rand
	return instant.Format("20060102T150405Z") + "-" + hex.EncodeToString(chance[:])
}
