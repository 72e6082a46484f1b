// Package wire is what a test and the agent in its virtual machine say to each other: lines of JSON on a serial port.
package wire

// Port is the name of the virtio serial port.
const Port = "coppice.test"

// Payload is the folder that the agent's initrd brings into a machine: Payload in the initrd's root becomes Payload in /run.
const Payload = "coppice-test"

// Request is a command to run. One without a command asks whether the agent is there.
type Request struct {
	ID    int64    `json:"id"`
	Argv  []string `json:"argv,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"`
}

// Answer is what came of it. One with ID 0 is the agent's greeting.
type Answer struct {
	ID     int64  `json:"id"`
	Where  string `json:"where,omitempty"` // of a greeting: "initrd" or "root"
	Code   int    `json:"code"`            // exit code; -1: none, see Failed
	Output []byte `json:"output,omitempty"`
	Failed string `json:"failed,omitempty"` // why there is no exit code
}

// Words on the kernel's command line, for the agent's units in an initrd with systemd, and what they wait for.
const (
	Hold = "coppice.test.hold"
	Stay = "coppice.test.stay"
	On   = "/run/coppice-test-on"
	// Awaits is what they say on the console then, before the path.
	Awaits = "coppice-test waits for "
)
