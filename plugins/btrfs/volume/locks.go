package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// keyPrefix begins the keys of locks: "btrfs:UUID:names" and "btrfs:UUID:exclusive".
const keyPrefix = "btrfs:"

// sendPart is in the keys of locks on sending: "btrfs:UUID:send:HOLDER". The runner's own lock is all that there is of them: it
// keeps two runs of this machine from sending the same, and more would not harm, only be for nothing.
const sendPart = ":send:"

// SendKey is the key of the lock on sending from a filesystem to one target.
func SendKey(id kernel.UUID, holder string) string {
	return keyPrefix + id.String() + sendPart + holder
}

// tryFor is how long a lock is tried for that nobody waits for: the kernel frees that of a process that has just ended
// when its last file is closed.
const tryFor = 50 * time.Millisecond

// Locks are those that this process holds for the runner: the kernel's flock on an inode of it, which excludes others in
// other containers too, and lives until this process is gone, its last system call included.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock // by key
}

// lock is one of them.
type lock struct {
	f     *kernel.Filesystem // nil where there is nothing to it
	free  func()             // lets go
	after []func()           // what was put off until then, see FreeSpace
}

func (l *lock) release() {
	if l.f == nil {
		return
	}
	l.free()
	for _, do := range l.after {
		do()
	}
	l.f.Close()
}

// Lock implements sdk.Locker.
func (l *Locks) Lock(ctx context.Context, keys []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	var taken []string
	for _, key := range keys {
		if l.held[key] != nil {
			continue
		}
		taking, err := take(ctx, key)
		if err != nil {
			for _, t := range taken {
				l.held[t].release()
				delete(l.held, t)
			}
			return err
		}
		l.held[key] = taking
		taken = append(taken, key)
	}
	return nil
}

// Unlock implements sdk.Locker.
func (l *Locks) Unlock(_ context.Context, keys []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		if held := l.held[key]; held != nil {
			delete(l.held, key)
			held.release()
		}
	}
	return nil
}

// Has reports whether a lock is held.
func (l *Locks) Has(key string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[key] != nil
}

// take takes one lock.
func take(ctx context.Context, key string) (*lock, error) {
	id, ok := strings.CutPrefix(key, keyPrefix)
	if source, _, sends := strings.Cut(id, sendPart); ok && sends {
		if _, bad := kernel.ParseUUID(source); bad == nil {
			return &lock{}, nil
		}
	}
	id, names := strings.CutSuffix(id, namesPart)
	id, exclusive := strings.CutSuffix(id, exclusivePart)
	if _, bad := kernel.ParseUUID(id); !ok || bad != nil || names == exclusive {
		return nil, Refuse("", "there is no lock %q", key)
	}
	f, err := kernel.Open(ctx, "UUID="+id)
	if err != nil {
		return nil, ExplainOpen(err)
	}
	wait, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	var unlock func()
	if names {
		unlock, err = f.LockNames(wait)
	} else {
		unlock, err = lockExclusive(wait, f)
	}
	if err != nil {
		f.Close()
		switch {
		case !errors.Is(err, kernel.ErrBusy) || ctx.Err() != nil:
			return nil, Explain("", err)
		case exclusive:
			return nil, exclusiveBusy(f.UUID())
		}
		return nil, &sdk.Error{Reason: sdk.Busy, Summary: fmt.Sprintf("another process changes the names of btrfs %s", id),
			Advice: "wait for it; \"fuser -v\" on the filesystem's top level finds it, unless it is in a container"}
	}
	return &lock{f: f, free: unlock}, nil
}

// locksOf is what a Locks hook returns for one lock on a filesystem. what says in words what it is on.
func locksOf(ctx context.Context, t Target, key func(kernel.UUID) string, what string) ([]sdk.Lock, error) {
	f, err := Open(ctx, t)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	title := what + " of btrfs " + f.UUID().String()
	if label, err := f.Label(); err == nil && label != "" {
		title += fmt.Sprintf(" (%s)", label)
	}
	return []sdk.Lock{{Key: key(f.UUID()), Title: title}}, nil
}

// waitFor takes a lock, unless this process has it for the whole run. busy is the error when another process keeps it for longer than
// a step waits.
func waitFor(ctx context.Context, h Host, key string, lock func(context.Context) (unlock func(), err error), busy *sdk.Error) (unlock func(), err error) {
	if h.Locks.Has(key) {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, h.LockWait)
	defer cancel()
	unlock, err = lock(wait)
	switch {
	case err == nil:
		return unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, kernel.ErrBusy):
		return nil, busy
	}
	return nil, Explain("", err)
}
