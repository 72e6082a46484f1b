package vmtest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

// Save writes the machine's memory and devices to a file, and ends it. Its disks stay as they are at this moment: what is
// restored later needs them so, unless the machine had not looked at them yet.
func (m *Machine) Save(file string) {
	m.t.Helper()
	// Bandwidth 0 is without a limit.
	for _, command := range []string{`{"execute":"stop"}`, `{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":0}}`,
		`{"execute":"migrate","arguments":{"uri":` + quoted("exec:cat >'"+file+"'") + `}}`} {
		if _, err := m.qmp(command); err != nil {
			m.t.Fatalf("cannot save the machine: %v", err)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		state, err := m.qmp(`{"execute":"query-migrate"}`)
		switch {
		case err != nil || strings.Contains(state, `"failed"`) || time.Now().After(deadline):
			m.t.Fatalf("cannot save the machine: %v %s", err, state)
		case strings.Contains(state, `"completed"`):
			m.Cut()
			return
		}
	}
}

// Restore starts a machine from a file that Save has written. The options are those that it was started with, but for the disks,
// and waits until its agent answers. Its clock goes on from when it was saved.
func Restore(t T, o Options, file string) *Machine {
	t.Helper()
	m := start(t, o, "-incoming", "exec:cat '"+file+"'")
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state, err := m.qmp(`{"execute":"query-status"}`)
		if err == nil && !strings.Contains(state, "inmigrate") {
			break
		}
		select {
		case <-m.exited:
			t.Fatalf("cannot restore the machine: qemu has ended")
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("cannot restore the machine: %v %s", err, state)
		}
	}
	if _, err := m.qmp(`{"execute":"cont"}`); err != nil {
		t.Fatalf("cannot restore the machine: %v", err)
	}
	// What is sent before the port is open again may be lost.
	for deadline := time.Now().Add(patience); ; {
		if _, err := m.ask(wire.Request{}, 200*time.Millisecond); err == nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("the restored machine's agent does not answer")
		}
	}
}

// AwaitHold waits until the machine waits in its initrd, see Options, and has done all else.
func (m *Machine) AwaitHold() {
	m.t.Helper()
	m.Await("initrd")
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, code := m.Run("systemctl", "-q", "is-active", "basic.target"); code == 0 {
			break
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("the initrd is not done after %v", patience)
		}
	}
	m.Must("udevadm", "settle", "--timeout=600")
}

// Go lets a machine go on that waits in its initrd, see Options, as one that was just switched on: even if another
// was restored from the same state before.
func (m *Machine) Go() {
	m.t.Helper()
	var random [80]byte
	_, _ = rand.Read(random[:]) // never fails
	id := random[64:]
	boot := fmt.Sprintf("%x-%x-4%03x-%x-%x", id[:4], id[4:6], (int(id[6])<<8|int(id[7]))&0xfff, 0x8000|(int(id[8])<<8|int(id[9]))&0x3fff, id[10:])
	m.Must("/"+wire.Payload+"/agent", "fresh", boot, hex.EncodeToString(random[:64]), fmt.Sprint(time.Now().Unix()))
}

// Stays reports whether the machine waits in its initrd with the root not yet mounted, see Options.
func (m *Machine) Stays() bool { return strings.Contains(m.Console(), wire.Awaits+wire.On) }

// On lets a machine go on that waits in its initrd with the root not yet mounted, see Options.
func (m *Machine) On() {
	m.t.Helper()
	m.Must("touch", wire.On)
}

// Stopped reports whether the machine stands still because a disk has failed.
func (m *Machine) Stopped() bool {
	state, err := m.qmp(`{"execute":"query-status"}`)
	return err == nil && strings.Contains(state, "io-error")
}

func quoted(text string) string {
	data, _ := json.Marshal(text) // a string can be encoded
	return string(data)
}

// qmp gives a command to qemu itself, and returns what it returns, see the QEMU Machine Protocol.
func (m *Machine) qmp(command string) (string, error) {
	conn, err := net.Dial("unix", m.dir+"/qmp")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	replies := json.NewDecoder(conn)
	var greeting, reply map[string]json.RawMessage
	if err := replies.Decode(&greeting); err != nil {
		return "", err
	}
	for _, c := range []string{`{"execute":"qmp_capabilities"}`, command} {
		if _, err := io.WriteString(conn, c); err != nil {
			return "", err
		}
		for { // events come in between
			reply = nil
			if err := replies.Decode(&reply); err != nil {
				return "", err
			}
			if e, failed := reply["error"]; failed {
				return "", fmt.Errorf("%s: %s", c, e)
			}
			if _, done := reply["return"]; done {
				break
			}
		}
	}
	return string(reply["return"]), nil
}
