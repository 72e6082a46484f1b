package runner

import (
	"context"
	"sync"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// overdue is how long the runner may be busy with itself: between two events or calls, or until a call returns whose
// context has ended. Both take moments; a plugin that was told to stop has its own, shorter, grace period.
const overdue = time.Minute

// Pulse tells whether an execution is alive: it does something, or waits for something that comes to an end by
// itself. A call of a plugin, a lock and a pause between two attempts are waited for as long as the playbook's timeouts
// allow; but when such a time is up the call must return. A pulse that never stood for an execution is dead. Its methods may be
// called concurrently.
type Pulse struct {
	mu    sync.Mutex
	moved time.Time // when there was an event, or a call began or ended
	calls map[*call]bool
}

// call is something that is waited for.
type call struct {
	ctx  context.Context
	late time.Time // when ctx was first seen to have ended; zero: it has not
}

// Alive reports whether the execution lives at an instant. It is to be asked from time to time: it takes note of times
// that are up.
func (p *Pulse) Alive(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := false
	for c := range p.calls {
		switch {
		case c.ctx.Err() == nil:
			waiting = true
		case c.late.IsZero():
			c.late, waiting = now, true
		case now.Sub(c.late) > overdue:
			return false
		default:
			waiting = true
		}
	}
	return waiting || now.Sub(p.moved) <= overdue && !p.moved.IsZero()
}

func (p *Pulse) move() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = time.Now()
}

// begin notes a call; the returned function ends it.
func (p *Pulse) begin(ctx context.Context) (end func()) {
	c := &call{ctx: ctx}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		p.calls = map[*call]bool{}
	}
	p.calls[c], p.moved = true, time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.calls, c)
		p.moved = time.Now()
	}
}

// watch lets a pulse feel everything that an execution does.
func (p *Pulse) watch(o engine.Options) engine.Options {
	emit, lock, sleep := o.Emit, o.Lock, o.Sleep
	o.Plugins = felt{o.Plugins, p}
	o.Emit = func(e engine.Event) {
		p.move()
		if emit != nil {
			emit(e)
		}
	}
	o.Lock = func(ctx context.Context, plugin string, l sdk.Lock) (func(), error) {
		defer p.begin(ctx)()
		return lock(ctx, plugin, l)
	}
	o.Sleep = func(ctx context.Context, d time.Duration) {
		defer p.begin(ctx)()
		sleep(ctx, d)
	}
	return o
}

// felt are plugins with a pulse.
type felt struct {
	plugins engine.Plugins
	pulse   *Pulse
}

func (f felt) Resolve(ctx context.Context, plugin string, r sdk.Request) ([]sdk.Lock, error) {
	defer f.pulse.begin(ctx)()
	return f.plugins.Resolve(ctx, plugin, r)
}

func (f felt) Plan(ctx context.Context, plugin string, r sdk.Request) (*sdk.Plan, error) {
	defer f.pulse.begin(ctx)()
	return f.plugins.Plan(ctx, plugin, r)
}

func (f felt) Apply(ctx context.Context, plugin string, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event)) (*sdk.Result, error) {
	defer f.pulse.begin(ctx)()
	return f.plugins.Apply(ctx, plugin, r, plan, emit)
}
