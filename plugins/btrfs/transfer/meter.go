package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// errStalled is the cause of the end of a transfer in which nothing moves any more.
var errStalled = errors.New("nothing has moved for too long")

// meter counts what is read through it, tells how far it is, and holds the rate down.
type meter struct {
	from  io.Reader
	ctx   context.Context
	rate  int64 // bytes a second; 0: no limit
	begun time.Time
	tell  func(bytes int64)

	mu    sync.Mutex
	bytes int64
	moved time.Time
	ended bool
	told  time.Time
}

func newMeter(ctx context.Context, from io.Reader, rate int64, tell func(int64)) *meter {
	now := time.Now()
	return &meter{from: from, ctx: ctx, rate: rate, begun: now, moved: now, tell: tell}
}

// burst is the most that is read at once under a limit, as a part of a second.
const burst = 10

// tellAgain is how often progress is told.
const tellAgain = 200 * time.Millisecond

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, context.Cause(m.ctx)
	}
	if most := m.rate / burst; m.rate > 0 && int64(len(p)) > most {
		p = p[:max(most, 1)]
	}
	n, err := m.from.Read(p)
	m.mu.Lock()
	m.bytes += int64(n)
	m.ended = m.ended || err != nil
	bytes := m.bytes
	now := time.Now()
	due := now.Sub(m.told) >= tellAgain || m.ended
	if due {
		m.told = now
	}
	m.mu.Unlock()
	if due && m.tell != nil {
		m.tell(bytes)
	}
	if m.rate > 0 && err == nil {
		m.pause(time.Duration(float64(bytes)/float64(m.rate)*float64(time.Second)) - now.Sub(m.begun))
	}
	m.mu.Lock()
	m.moved = time.Now()
	m.mu.Unlock()
	return n, err
}

func (m *meter) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.ctx.Done():
	}
}

// count is how much was read so far.
func (m *meter) count() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}

// watch calls stalled when nothing moves for as long as limit, until ctx ends or all was read. It returns then.
func (m *meter) watch(ctx context.Context, limit time.Duration, stalled func()) {
	for {
		m.mu.Lock()
		left, ended := limit-time.Since(m.moved), m.ended
		m.mu.Unlock()
		switch {
		case ended:
			return
		case left <= 0:
			stalled()
			return
		}
		t := time.NewTimer(left)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// account adds up what all transfers of a call move.
type account struct {
	c           *sdk.Call
	done, total int64 // total 0: not known
	count, of   int
}

func (a *account) teller(what string) func(int64) {
	before := a.done
	return func(bytes int64) {
		a.done = before + bytes
		p := sdk.Progress{Current: a.done, Total: a.total, Unit: "bytes", Message: what}
		if p.Total > 0 && p.Current > p.Total {
			p.Total = p.Current
		}
		a.c.Progress(p)
	}
}

// drain reads to the end.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
