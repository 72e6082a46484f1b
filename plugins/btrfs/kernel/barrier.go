package kernel

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// barrier holds a number of locked threads back and lets them go on within microseconds of each other.
//
// A channel would not do: Go runs at most GOMAXPROCS goroutines, and one that blocks in a system call counts until the
// runtime notices, some milliseconds later. With two processors the third snapshot would begin when the first is made.
// So the threads wait inside the kernel, which wakes them all at once, and GOMAXPROCS leaves room for each meanwhile.
type barrier struct {
	read, write int // a pipe; closing its write end wakes every reader
	before      int // GOMAXPROCS
	opened      bool
}

// barriers is held while a barrier exists, because GOMAXPROCS is of the whole process.
var barriers sync.Mutex

func newBarrier(threads int) (*barrier, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	barriers.Lock()
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + threads + 1)
	return &barrier{read: ends[0], write: ends[1], before: before}, nil
}

func (b *barrier) wait() {
	var nothing [1]byte
	_, _ = again(func() (int, error) { return unix.Read(b.read, nothing[:]) }) // returns at the end of the pipe
}

func (b *barrier) open() {
	if !b.opened {
		b.opened = true
		unix.Close(b.write)
	}
}

// close is called after all threads went on.
func (b *barrier) close() {
	b.open()
	unix.Close(b.read)
	runtime.GOMAXPROCS(b.before)
	barriers.Unlock()
}
