package vmtest

import (
	"os"
	"regexp"
	"time"
)

// debug shows what machines write to their consoles at once, and more of it.
var debug = os.Getenv("COPPICE_VM_DEBUG") != ""

// console takes what the machine writes to its first serial port, and qemu to its streams.
type console Machine

func (c *console) Write(p []byte) (int, error) {
	if debug {
		_, _ = os.Stderr.Write(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.console.Write(p)
}

// Console is all that the machine has written to its console.
func (m *Machine) Console() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.console.String()
}

// AwaitConsole waits until the console matches.
func (m *Machine) AwaitConsole(pattern *regexp.Regexp) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !pattern.MatchString(m.Console()); time.Sleep(20 * time.Millisecond) {
		select {
		case <-m.exited:
			m.t.Fatalf("the machine has ended (%s%s) before %q was on its console", m.ended, m.reset(), pattern)
		default:
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%q is not on the console after %v", pattern, patience)
		}
	}
}
