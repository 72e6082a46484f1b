package systemd

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stream is a standard stream that is connected to the journal. Unlike the file itself it does not wait for ever where
// journald has stopped reading. It is not safe for use by several goroutines at once.
type Stream struct {
	file *os.File
	mood mood
}

// IsJournal reports whether a file is connected to the journal: JOURNAL_STREAM names its device and inode. getenv is
// os.Getenv or a stand-in.
func IsJournal(f *os.File, getenv func(string) string) bool {
	want := getenv("JOURNAL_STREAM")
	if want == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && want == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// NewStream wraps a socket; the file stays the caller's.
func NewStream(f *os.File) *Stream { return &Stream{file: f} }

// Write writes all of data, or fails with os.ErrDeadlineExceeded when nothing of it was taken for a second.
func (s *Stream) Write(data []byte) (int, error) {
	fd := int(s.file.Fd())
	deadline := s.mood.deadline()
	for done := 0; ; {
		n, err := unix.SendmsgN(fd, data[done:], nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if n > 0 {
			done += n
			s.mood.note(nil)
			deadline = s.mood.deadline()
		}
		switch {
		case done == len(data):
			return done, nil
		case errors.Is(err, unix.EAGAIN):
			wait := time.Until(deadline)
			if wait <= 0 {
				s.mood.note(os.ErrDeadlineExceeded)
				return done, &os.PathError{Op: "write", Path: s.file.Name(), Err: os.ErrDeadlineExceeded}
			}
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(wait.Milliseconds())+1)
		case err != nil && !errors.Is(err, unix.EINTR):
			return done, &os.PathError{Op: "write", Path: s.file.Name(), Err: err}
		}
	}
}
