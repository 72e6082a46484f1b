// Package host starts plugins, speaks to them, and ends them.
//
// A plugin is a process of its own: whatever it does (crash, hang, junk on its
// streams, a flood of logs, refusal to stop) ends in one clear error of one
// call, and the next call gets a fresh process. Nothing that a plugin started
// survives the host: as root each runs in a PID namespace of its own; without
// root the promise is its process group.
//
// The package knows no plugin by name: its sources are given to it.
package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Source says how to start one plugin.
type Source struct {
	Name string
	Path string   // the executable
	Args []string // with argv[0]
	// Open opens the executable, which is then run through the open file; nil: Path is run as it is.
	Open func() (*os.File, error)
	// Pins has the version that the plugin must have; nil: any.
	Pins map[string]Pin
	// Describe is what the plugin would say of itself, for one that this very program serves: it is started only when an action is called
	// then. nil: it is asked. See sdk.Plugin.DescribeSome.
	Describe func(ctx context.Context, actions []string) (*sdk.Description, error)
}

// Options of a host. The zero value has no plugins.
type Options struct {
	Sources []Source
	// Log gets each line that a plugin writes; may be nil. It must not block for
	// long, and is called from several goroutines.
	Log func(plugin, level, message string)
	// StartTimeout is how long a plugin may take to say hello; 0 is 10 s.
	StartTimeout time.Duration
	// LockDir is where the locks of this machine's runs are; "": nowhere.
	LockDir string
	// SocketDir is an existing folder for the sockets of plugins; "": one that this machine has for such things.
	SocketDir string
	// Grace is how long a cancelled call may take to clean up; 0 is 20 s.
	Grace time.Duration
}

// Host keeps at most one process a plugin, started at first use. Its methods
// may be called concurrently.
type Host struct {
	options Options
	sockets *socketDir
	hurry   chan struct{} // closed by Hurry
	once    sync.Once

	starting sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running map[string]*process
	single  map[string]*sync.Mutex // plugin → held while it is started
	locks   map[string]string      // key → plugin: what runs hold
}

// New makes a host; it starts nothing yet. Close must be called.
func New(o Options) *Host {
	if o.StartTimeout == 0 {
		o.StartTimeout = 10 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 20 * time.Second
	}
	if o.Log == nil {
		o.Log = func(string, string, string) {}
	}
	return &Host{options: o, running: map[string]*process{}, single: map[string]*sync.Mutex{}, locks: map[string]string{}, hurry: make(chan struct{})}
}

// Names lists the plugins that can be started, sorted.
func (h *Host) Names() []string {
	var names []string
	for _, s := range h.options.Sources {
		names = append(names, s.Name)
	}
	sort.Strings(names)
	return names
}

// NotFoundError says that there is no plugin of that name.
type NotFoundError struct {
	Name  string
	Known []string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no plugin %q", e.Name) }

// source of a plugin.
func (h *Host) source(name string) (*Source, error) {
	for i := range h.options.Sources {
		if h.options.Sources[i].Name == name {
			return &h.options.Sources[i], nil
		}
	}
	return nil, &NotFoundError{Name: name, Known: h.Names()}
}

// Ahead starts a plugin that is going to be called, and does not wait for it. Whoever calls it is told if that fails.
func (h *Host) Ahead(ctx context.Context, name string) {
	go func() { _, _ = h.get(ctx, name) }()
}

// get returns the plugin's process, starting it where there is none that lives. Several may be started at the same time.
func (h *Host) get(ctx context.Context, name string) (*process, error) {
	source, err := h.source(name)
	if err != nil {
		return nil, err
	}
	one, err := h.begin(name)
	if err != nil {
		return nil, err
	}
	defer h.starting.Done()
	one.Lock()
	defer one.Unlock()
	sockets, keys, p, err := h.lookup(name)
	if p != nil || err != nil {
		return p, err
	}
	if p, err = start(ctx, *source, sockets, h.options); err != nil {
		return nil, err
	}
	// The locks of a process that died are free: take them before anything is done
	// on their strength.
	if len(keys) > 0 {
		if err := p.client.Lock(ctx, keys); err != nil {
			p.stop()
			return nil, fmt.Errorf("plugin %s died, and its locks could not be taken again: %w", name, err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[name] = p // Close waits for it
	return p, nil
}

// begin has Close wait, and returns what keeps a plugin from being started twice.
func (h *Host) begin(name string) (*sync.Mutex, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("cannot start plugin %s: the host is closed", name)
	}
	h.starting.Add(1)
	if h.single[name] == nil {
		h.single[name] = new(sync.Mutex)
	}
	return h.single[name], nil
}

// lookup returns the plugin's process if it lives, else what a new one needs: the folder for its socket, and the locks that the old
// one had.
func (h *Host) lookup(name string) (sockets string, keys []string, p *process, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.running[name]; p != nil {
		if p.alive() {
			return "", nil, p, nil
		}
		p.stop()
		delete(h.running, name)
	}
	if h.sockets == nil {
		if h.sockets, err = newSocketDir(h.options.SocketDir); err != nil {
			return "", nil, nil, err
		}
	}
	for key, plugin := range h.locks {
		if plugin == name {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return h.sockets.path, keys, nil, nil
}

// Describe asks a plugin what it is, and refuses one that speaks another
// version of the contract or goes by another name.
//
// Where actions are named, the schemas and descriptions of others may be missing.
func (h *Host) Describe(ctx context.Context, name string, actions ...string) (*sdk.Description, error) {
	source, err := h.source(name)
	if err != nil {
		return nil, err
	}
	if source.Describe != nil {
		return source.Describe(ctx, actions)
	}
	p, err := h.get(ctx, name)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, h.options.StartTimeout)
	defer stop()
	d, err := p.client.DescribeSome(ctx, actions)
	if err != nil {
		return nil, p.broken(err)
	}
	if d.API != sdk.API {
		return nil, &IncompatibleError{Plugin: name, API: d.API}
	}
	if d.Name != name {
		return nil, p.broken(fmt.Errorf("it calls itself %q", d.Name))
	}
	if pin, ok := p.pins[name]; ok && pin.Version != d.Version {
		return nil, &RefusedError{name, p.path, fmt.Errorf("its version is %s, and the lock file has %s", d.Version, pin.Version)}
	}
	for _, a := range d.Actions {
		if (a.Inputs == nil || a.Outputs == nil) && (len(actions) == 0 || slices.Contains(actions, a.Name)) {
			return nil, p.broken(fmt.Errorf("it does not say what its action %q takes and gives", a.Name))
		}
	}
	return d, nil
}

// IncompatibleError says that a plugin speaks another version of the contract.
type IncompatibleError struct {
	Plugin string
	API    int
}

func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("plugin %s speaks version %d of the plugin contract, this coppice speaks %d", e.Plugin, e.API, sdk.API)
}

// Resolve asks an action what it would lock.
func (h *Host) Resolve(ctx context.Context, plugin string, r sdk.Request) ([]sdk.Lock, error) {
	p, err := h.get(ctx, plugin)
	if err != nil {
		return nil, err
	}
	locks, err := p.client.Resolve(ctx, r)
	return locks, p.classify(ctx, err)
}

// Plan asks an action for a decision. A plugin that does not answer before ctx
// ends is killed.
func (h *Host) Plan(ctx context.Context, plugin string, r sdk.Request) (*sdk.Plan, error) {
	p, err := h.get(ctx, plugin)
	if err != nil {
		return nil, err
	}
	plan, err := p.client.Plan(ctx, r)
	return plan, p.classify(ctx, err)
}

// Apply has a plan done. When ctx ends the action is asked to stop and has the
// grace period to clean up and give its result; after that it is killed.
func (h *Host) Apply(ctx context.Context, plugin string, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event)) (*sdk.Result, error) {
	p, err := h.get(ctx, plugin)
	if err != nil {
		return nil, err
	}
	return p.apply(ctx, r, plan, emit, h.options.Grace, h.hurry)
}

// hurried is how long a cancelled call may take to clean up once Hurry was called.
const hurried = time.Second

// Hurry leaves cancelled calls, those that run and later ones, a second to clean
// up instead of the grace period. It may be called more than once.
func (h *Host) Hurry() { h.once.Do(func() { close(h.hurry) }) }

// Close ends every plugin and removes what the host made. It may be called
// twice.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.starting.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	var ending sync.WaitGroup
	for _, p := range h.running {
		ending.Go(p.stop)
	}
	ending.Wait()
	h.running = map[string]*process{}
	if h.sockets != nil {
		h.sockets.remove()
		h.sockets = nil
	}
}
