// Package systemd speaks to the systemd that has started this process: entries to its journal, news to its service
// manager. It knows nothing of runs. Everything here is done within a second or not at all: a run must neither fail nor
// hang because nobody listens.
//
//   - the journal: a datagram of fields, see https://systemd.io/JOURNAL_NATIVE_PROTOCOL
//   - notifications: a datagram of VARIABLE=value lines, see sd_notify(3)
//   - a stream to the journal: standard output or error of a service, see JOURNAL_STREAM in systemd.exec(5)
//
// The package is small on purpose. The client libraries that there are wait for ever where the journal is stuck.
package systemd

import (
	"errors"
	"os"
	"time"
)

// patience is how long a listener may take to make room for one more message. One that has not done so gets less
// until it listens again.
const (
	patience  = time.Second
	impatient = time.Millisecond
)

// mood is how long to wait for a listener, which depends on how it behaved last.
type mood struct{ failed bool }

func (m *mood) deadline() time.Time {
	if m.failed {
		return time.Now().Add(impatient)
	}
	return time.Now().Add(patience)
}

func (m *mood) note(err error) { m.failed = errors.Is(err, os.ErrDeadlineExceeded) }
