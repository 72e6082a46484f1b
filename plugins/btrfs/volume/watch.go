package volume

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// lookAgain is how long a look at what guards subvolumes from being deleted is good for.
const lookAgain = 250 * time.Millisecond

// Watch tells somebody who deletes under the lock on names when to look at the machine again: when the last look was too long
// ago, or something has changed since that can be seen at once.
type Watch struct {
	h      Host
	f      *kernel.Filesystem
	mounts *os.File // /proc/self/mountinfo, to be told of changes; nil without /proc
	looked time.Time
}

// NewWatch begins before the first look. The caller closes it.
func NewWatch(h Host, f *kernel.Filesystem) *Watch {
	w := &Watch{h: h, f: f}
	if mounts, err := os.Open("/proc/self/mountinfo"); err == nil {
		w.mounts = mounts
	}
	return w
}

// Close lets go of it.
func (w *Watch) Close() {
	if w.mounts != nil {
		w.mounts.Close()
	}
}

// Looked says that the machine has been looked at.
func (w *Watch) Looked() { w.looked = w.h.Now() }

// Stale reports whether it has to be looked at again before the subvolume with that UUID goes: the mounts of this namespace
// have changed, there is a hold on it, a hold switch is on, or a quarter of a second is over.
func (w *Watch) Stale(id kernel.UUID) (bool, error) {
	if w.mounts != nil {
		// The kernel tells of each change of the mounts once, see proc(5) on mountinfo.
		poll := []unix.PollFd{{Fd: int32(w.mounts.Fd()), Events: unix.POLLPRI}}
		if n, err := unix.Poll(poll, 0); err == nil && n > 0 {
			return true, nil
		}
	}
	if _, err := os.Lstat(w.h.HoldFile); err == nil {
		return true, nil
	}
	for _, path := range []string{HoldPath, HoldsFolder + "/" + id.String()} {
		if there, err := w.f.Exists(path); err != nil || there {
			return there, err
		}
	}
	return w.h.Now().Sub(w.looked) >= lookAgain, nil
}
