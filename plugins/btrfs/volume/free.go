package volume

import (
	"sync"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// freeAfter is how long the cleaner is put off at most.
const freeAfter = 500 * time.Millisecond

// FreeSpace makes deletions durable, and has the kernel free their space soon: when the run lets go of the lock on names, or half
// a second from now. Until then the cleaner sleeps, so that the records of the step and of the run, which lie on the same filesystem,
// need not wait for it. Without that lock it is woken at once.
func FreeSpace(h Host, f *kernel.Filesystem) error {
	if err := f.Commit(); err != nil {
		return err
	}
	if !h.Locks.after(NamesKey(f.UUID()), freeAfter, func(f *kernel.Filesystem) {
		_ = f.Sync() // it commits nothing that anybody waits for, and the kernel frees the space in any case, half a minute later
	}) {
		return f.Sync()
	}
	return nil
}

// after has something done once, with the filesystem of a lock: when the lock is let go of, or after a while. It reports whether
// the lock is held.
func (l *Locks) after(key string, while time.Duration, do func(*kernel.Filesystem)) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[key]
	if held == nil || held.f == nil {
		return false
	}
	once := sync.OnceFunc(func() { do(held.f) })
	held.after = append(held.after, once)
	time.AfterFunc(while, once)
	return true
}
