package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// JournalSocket is where journald listens.
const JournalSocket = "/run/systemd/journal/socket"

// Field is a field of an entry. Name is upper case letters, digits and underscores, and starts with a letter; Value is any text.
type Field struct{ Name, Value string }

// Journal sends entries to journald. It is not safe for use by several goroutines at once.
type Journal struct {
	path string
	conn *net.UnixConn // nil: not connected
	mood mood
}

// NewJournal does nothing yet: the first Send connects.
func NewJournal(path string) *Journal { return &Journal{path: path} }

// Send sends one entry of any size. When it fails the entry is lost, and the next Send tries anew; an error that
// is os.ErrDeadlineExceeded says that journald is there and takes nothing.
func (j *Journal) Send(fields []Field) error {
	data := encode(fields)
	err := j.send(data)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNRESET) {
		j.Close() // journald was started anew
		err = j.send(data)
	}
	j.mood.note(err)
	if err != nil {
		return fmt.Errorf("cannot write to the journal: %w", err)
	}
	return nil
}

func (j *Journal) send(data []byte) error {
	if j.conn == nil {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.path, Net: "unixgram"})
		if err != nil {
			return err
		}
		j.conn = conn
	}
	if err := j.conn.SetWriteDeadline(j.mood.deadline()); err != nil {
		return err
	}
	_, err := j.conn.Write(data)
	if errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOBUFS) {
		return j.sendFile(data)
	}
	return err
}

// sendFile passes a file in memory, for what is too large for a datagram. journald takes it only sealed.
func (j *Journal) sendFile(data []byte) error {
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "journal-entry")
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	// (UnixConn.WriteMsgUnix refuses connected sockets.)
	raw, err := j.conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(to uintptr) bool {
		sent = unix.Sendmsg(int(to), nil, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}

// Close lets go of the socket. A later Send connects again.
func (j *Journal) Close() {
	if j.conn != nil {
		j.conn.Close()
		j.conn = nil
	}
}

// encode is the native format: NAME=value for values of one line, else NAME, the length in 8 bytes, little endian,
// and the value.
func encode(fields []Field) []byte {
	var b []byte
	for _, f := range fields {
		b = append(b, f.Name...)
		if strings.Contains(f.Value, "\n") {
			b = append(b, '\n')
			b = binary.LittleEndian.AppendUint64(b, uint64(len(f.Value)))
		} else {
			b = append(b, '=')
		}
		b = append(append(b, f.Value...), '\n')
	}
	return b
}
