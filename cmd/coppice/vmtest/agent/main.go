// The agent runs in a virtual machine of a test. It does what the test asks for over a serial port.
//
// As process 1 it is the init of the test's own initrd: it loads modules, mounts the root and hands over to systemd, in whose
// /run it has left a unit that starts it again. In a real initrd it is started by that, with a word that says what for. It is linked
// into no product.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

func main() {
	if os.Getpid() == 1 {
		boot()
	}
	if len(os.Args) > 1 {
		if err := inInitrd(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		return
	}
	where := "root"
	if _, err := os.Stat("/etc/initrd-release"); err == nil {
		where = "initrd"
	}
	for ; ; time.Sleep(50 * time.Millisecond) {
		port, err := os.OpenFile(device(), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		serve(port, where)
	}
}

// device is found in sysfs: udev may not have made its link yet.
func device() string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range names {
		if data, _ := os.ReadFile(file); strings.TrimSpace(string(data)) == wire.Port {
			return "/dev/" + filepath.Base(filepath.Dir(file))
		}
	}
	return "/dev/virtio-ports/" + wire.Port
}

func serve(port *os.File, where string) {
	var mu sync.Mutex
	say := func(a wire.Answer) {
		line, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = port.Write(append(line, '\n')) // nobody there: nobody to tell
	}
	say(wire.Answer{Where: where})
	var line []byte
	for lines := bufio.NewReaderSize(port, 1<<16); ; {
		part, err := lines.ReadBytes('\n')
		line = append(line, part...)
		if err != nil { // nobody is at the other end; somebody may come, to a machine that was saved
			time.Sleep(20 * time.Millisecond)
			continue
		}
		var r wire.Request
		if json.Unmarshal(line, &r) == nil {
			go func() { say(run(r)) }()
		}
		line = nil
	}
}

func run(r wire.Request) wire.Answer {
	a := wire.Answer{ID: r.ID}
	if len(r.Argv) == 0 {
		return a
	}
	var out bytes.Buffer
	c := exec.Command(r.Argv[0], r.Argv[1:]...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(r.Stdin), &out, &out
	c.WaitDelay = time.Second
	err := c.Run()
	a.Output = out.Bytes()
	var exit *exec.ExitError
	switch {
	case c.ProcessState != nil && c.ProcessState.Exited():
		a.Code = c.ProcessState.ExitCode()
	case errors.As(err, &exit):
		a.Code, a.Failed = -1, exit.Error()
	case err != nil:
		a.Code, a.Failed = -1, err.Error()
	}
	return a
}
