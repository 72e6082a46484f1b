package systemd

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Notifier tells the service manager news. It is not safe for use by several goroutines at once.
type Notifier struct {
	conn *net.UnixConn
	mood mood
}

// NewNotifier connects to the value of NOTIFY_SOCKET: a path, or an abstract name that starts with @.
func NewNotifier(socket string) (*Notifier, error) {
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("cannot notify the service manager: NOTIFY_SOCKET %q is neither a path nor an abstract name", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot notify the service manager: %w", err)
	}
	return &Notifier{conn: conn}, nil
}

// Send sends variables in one message: "READY=1", "STATUS=one line".
func (n *Notifier) Send(variables ...string) error {
	err := n.conn.SetWriteDeadline(n.mood.deadline())
	if err == nil {
		_, err = n.conn.Write([]byte(strings.Join(variables, "\n")))
	}
	n.mood.note(err)
	if err != nil {
		return fmt.Errorf("cannot notify the service manager: %w", err)
	}
	return nil
}

// Close lets go of the socket.
func (n *Notifier) Close() { n.conn.Close() }

// Watchdog is how often the service manager wants to hear WATCHDOG=1 from the process pid, at least; 0: it does not. See
// sd_watchdog_enabled(3). getenv is os.Getenv or a stand-in.
func Watchdog(getenv func(string) string, pid int) (time.Duration, error) {
	text := getenv("WATCHDOG_USEC")
	if process := getenv("WATCHDOG_PID"); text == "" || process != "" && process != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > int64(100*365*24*time.Hour/time.Microsecond) {
		return 0, errors.New("WATCHDOG_USEC is not a number of microseconds: " + strconv.Quote(text))
	}
	return time.Duration(n) * time.Microsecond, nil
}
