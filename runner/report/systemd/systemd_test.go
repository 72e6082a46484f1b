package systemd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/runner/report/systemd"
)

// listen makes a socket as journald and the service manager have one.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// receive reads one entry as journald does: from the datagram, or from the sealed file that came with it.
func receive(t *testing.T, c *net.UnixConn) (data []byte, file bool) {
	t.Helper()
	buf, rights := make([]byte, 1<<20), make([]byte, 100)
	n, m, _, _, err := c.ReadMsgUnix(buf, rights)
	if err != nil {
		t.Fatal(err)
	}
	if m == 0 {
		return buf[:n], false
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:m])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || n != 0 {
		t.Fatal(n, err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if got, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || got != seals {
		t.Errorf("seals %x, %v", got, err)
	}
	data, err = io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return data, true
}

func TestEntriesArrive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	server := listen(t, path)
	j := systemd.NewJournal(path)
	defer j.Close()
	large := strings.Repeat("0123456789abcdef", 1<<16)
	for _, c := range []struct {
		name, value string
		want        []byte
		file        bool
	}{
		{"MESSAGE", "a line = one", []byte("MESSAGE=a line = one\n"), false},
		{"MESSAGE", "two\nlines", append(append([]byte("MESSAGE\n"), binary.LittleEndian.AppendUint64(nil, 9)...), "two\nlines\n"...), false},
		{"MESSAGE", "", []byte("MESSAGE=\n"), false},
		{"MESSAGE", large, []byte("MESSAGE=" + large + "\n"), true},
	} {
		if err := j.Send([]systemd.Field{{Name: c.name, Value: c.value}, {Name: "PRIORITY", Value: "6"}}); err != nil {
			t.Fatal(err)
		}
		got, file := receive(t, server)
		if want := append(c.want, "PRIORITY=6\n"...); !bytes.Equal(got, want) || file != c.file {
			t.Errorf("%.40q arrived as %.80q, in a file: %v", c.value, got, file)
		}
	}
}

// A journald that is not there, is there again, or reads nothing: an error, soon, and no harm.
func TestJournaldIsInTrouble(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	j := systemd.NewJournal(path)
	defer j.Close()
	entry := []systemd.Field{{Name: "MESSAGE", Value: "hello"}}
	if err := j.Send(entry); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
	server := listen(t, path)
	for range 2 {
		if err := j.Send(entry); err != nil {
			t.Fatalf("once there is a socket: %v", err)
		}
		if got, _ := receive(t, server); string(got) != "MESSAGE=hello\n" {
			t.Errorf("%q", got)
		}
		server.Close()
		if err := j.Send(entry); err == nil {
			t.Error("nobody listens, and there is no error")
		}
		_ = os.Remove(path)
		server = listen(t, path)
	}
	var err error
	sent := 0
	for ; err == nil && sent < 100000; sent++ {
		err = j.Send(entry)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after %d entries that nobody reads: %v", sent, err)
	}
	for range 100 { // impatient now
		if err = j.Send(entry); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	receive(t, server)
	for err = j.Send(entry); err != nil; err = j.Send(entry) { // it reads again
		receive(t, server)
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"), "@coppice-test-" + filepath.Base(t.TempDir()) + time.Now().Format("150405.000000")} {
		server := listen(t, socket)
		n, err := systemd.NewNotifier(socket)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if err := n.Send("READY=1", "STATUS=step take: 4 %"); err != nil {
			t.Fatal(err)
		}
		if got, _ := receive(t, server); string(got) != "READY=1\nSTATUS=step take: 4 %" {
			t.Errorf("%q", got)
		}
		for err == nil {
			err = n.Send("STATUS=nobody reads this")
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	}
	for socket, want := range map[string]string{
		"vsock:2:1234": "neither a path nor an abstract name", filepath.Join(t.TempDir(), "none"): "no such file",
	} {
		if _, err := systemd.NewNotifier(socket); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", socket, err)
		}
	}
}

func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		wrong     bool
	}{
		{"", "", 0, false}, {"30000000", "", 30 * time.Second, false}, {"30000000", "42", 30 * time.Second, false},
		{"30000000", "43", 0, false}, {"soon", "", 0, true}, {"0", "42", 0, true}, {"-1", "", 0, true}, {"99999999999999999999", "", 0, true},
	} {
		env := map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}
		got, err := systemd.Watchdog(func(name string) string { return env[name] }, 42)
		if got != c.want || (err != nil) != c.wrong {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	s := systemd.NewStream(ours)
	const text = "<6>a line\n"
	if n, err := io.WriteString(s, text); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(theirs, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
	for err == nil {
		_, err = s.Write(make([]byte, 1<<16))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody reads: %v", err)
	}
	theirs.Close()
	if _, err := io.WriteString(s, text); !errors.Is(err, unix.EPIPE) {
		t.Errorf("nobody will read: %v", err)
	}
}

func TestIsJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"": false, "1:2": false, "x": false,
		fmtStream(stat.Dev, stat.Ino): true, fmtStream(stat.Dev, stat.Ino+1): false} {
		if got := systemd.IsJournal(f, func(string) string { return value }); got != want {
			t.Errorf("JOURNAL_STREAM=%s: %v", value, got)
		}
	}
}

func fmtStream(dev, inode uint64) string { return fmt.Sprintf("%d:%d", dev, inode) }
