package vmtest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// Options say what a machine is.
type Options struct {
	Base    Base              // see GetBase
	Disk    string            // its first disk, which has the root: see NewDisk
	Disks   []string          // raw images of more: /dev/vdb, …; written to
	Payload map[string]string // name → file of the host's
	Initrd  string            // file, see Overlay; "": the test's own, which mounts the root and brings the payload
	Root    string            // parameters of the kernel that say where the root is; "": subvolume root of the first disk
	Append  string            // more words for the kernel's command line
	// Hold makes an initrd of Kind Systemd wait for Machine.Go before it has found any disk; Stay for Machine.On before it mounts the root.
	Hold, Stay bool
	Memory     int // MiB; 0: 512
	// Clock is what the clock of the hardware says when the machine is switched on, in UTC; zero: what the host's says.
	Clock time.Time
	// StopOnError makes the machine stand still when a disk fails, as if time had stopped, see Stopped. Else it is told.
	StopOnError bool
}

// Machine is a running machine. Run, Must and Console may be called concurrently.
type Machine struct {
	t      T
	dir    string // of its sockets, and of qemu's log
	exited chan struct{}
	ended  string // how qemu has, when exited is closed

	mu      sync.Mutex
	process *os.Process
	cut     bool // by the test
	console bytes.Buffer
	agent   net.Conn
	heard   bool // something from the agent
	next    int64
	waiting map[int64]chan wire.Answer
	greeted chan string
	where   string // of the last greeting, of those that were awaited
}

// NewDisk makes a disk that is as the base's, and is gone with the test.
func NewDisk(t T, b Base) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", b.Disk, "-F", "raw", disk).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a disk: %v\n%s", err, out)
	}
	return disk
}

// Start boots a machine and waits until systemd has started all it starts. It lives as long as the test, or until it is cut
// or powered off.
func Start(t T, o Options) *Machine {
	t.Helper()
	m := Boot(t, o)
	m.Up()
	return m
}

// Up waits until systemd has started all it starts.
func (m *Machine) Up() {
	m.t.Helper()
	m.Await("root")
	// The agent is there before the file systems are mounted.
	if out, code := m.Run("systemctl", "is-system-running", "--wait"); strings.TrimSpace(out) != "running" || code != 0 {
		units, _ := m.Run("systemctl", "--failed", "--no-legend", "--plain")
		m.t.Fatalf("the machine is %s\n%s", strings.TrimSpace(out), units)
	}
}

// Boot starts a machine, and waits for nothing.
func Boot(t T, o Options) *Machine {
	t.Helper()
	return start(t, o)
}

func start(t T, o Options, more ...string) *Machine {
	t.Helper()
	Need(t)
	if o.Initrd == "" {
		o.Initrd = filepath.Join(t.TempDir(), "initrd")
		if err := writeInitrd(o.Initrd, o.Base, Build(t, agentPackage), o.Payload); err != nil {
			t.Fatalf("cannot write an initrd: %v", err)
		}
	}
	if o.Memory == 0 {
		o.Memory = 512
	}
	if o.Hold { // the driver of disks is loaded when somebody asks for it by its name
		o.Append += " " + wire.Hold + " modprobe.blacklist=virtio_blk"
	}
	if o.Stay {
		o.Append += " " + wire.Stay
	}
	if o.Root == "" {
		o.Root = "root=/dev/vda rootfstype=btrfs rootflags=subvol=root"
	}
	dir, err := os.MkdirTemp("", "coppice-vm-") // the path of a socket is short
	if err != nil {
		t.Fatalf("cannot make a folder for sockets: %v", err)
	}
	m := &Machine{t: t, dir: dir, exited: make(chan struct{}), waiting: map[int64]chan wire.Answer{}, greeted: make(chan string, 16)}
	accel, cpu := accelerator()
	// no_timer_check: on a busy host the emulated timer does not tick while the kernel looks whether it does, which makes it panic.
	args := []string{"-machine", "q35", "-accel", accel, "-cpu", cpu, "-smp", "2", "-m", fmt.Sprint(o.Memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-d", "cpu_reset", "-D", dir + "/log",
		"-qmp", "unix:" + dir + "/qmp,server=on,wait=off",
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,path=" + dir + "/agent,server=on,wait=off", "-device", "virtserialport,chardev=agent,name=" + wire.Port,
		"-kernel", o.Base.Kernel, "-initrd", o.Initrd,
		"-append", strings.TrimSpace("console=ttyS0 " + map[bool]string{false: "quiet", true: "systemd.show_status=1"}[debug] + " panic=-1 no_timer_check mitigations=off net.ifnames=0 rw " + o.Root + " " + o.Append)}
	if !o.Clock.IsZero() {
		args = append(args, "-rtc", "base="+o.Clock.UTC().Format("2006-01-02T15:04:05"))
	}
	onError := "report"
	if o.StopOnError {
		onError = "stop"
	}
	for i, disk := range append([]string{o.Disk}, o.Disks...) {
		format := "raw"
		if strings.HasSuffix(disk, ".qcow2") {
			format = "qcow2"
		}
		args = append(args, "-drive", fmt.Sprintf("if=none,id=disk%d,file=%s,format=%s,cache=writeback,discard=unmap,rerror=%s,werror=%s", i, disk, format, onError, onError),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=disk%d", i, i))
	}
	started := make(chan error)
	go m.live(append(args, more...), len(more) == 0, started)
	if err := <-started; err != nil {
		t.Fatalf("cannot start qemu: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the machine's console:\n%s", m.Console())
		}
		m.Cut()
		os.RemoveAll(dir)
	})
	go m.listen()
	return m
}

// live runs qemu as long as the machine lives. One that ends by itself before the machine has said a word was not stopped by what it
// runs, as far as anybody can tell, but by the emulation: it is switched on a second time, if it may be.
func (m *Machine) live(args []string, again bool, started chan<- error) {
	runtime.LockOSThread() // the signal is sent when the thread ends that has started the process, see prctl(2)
	defer runtime.UnlockOSThread()
	defer close(m.exited)
	start := func() (*exec.Cmd, error) {
		c := exec.Command("qemu-system-x86_64", args...)
		c.Stdout, c.Stderr = (*console)(m), (*console)(m)
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		err := c.Start()
		m.process = c.Process
		return c, err
	}
	c, err := start()
	started <- err
	if err != nil {
		return
	}
	_ = c.Wait() // it is always killed, or ends by itself
	m.ended = c.ProcessState.String()
	m.mu.Lock() // until it is there again: it may be cut at any time
	again = again && !m.cut && m.console.Len() == 0 && !m.heard
	if again {
		tally.Add(m.t, "qemu has ended (%s%s) before its machine had said a word, and was started again", m.ended, m.reset())
		c, err = start()
	}
	m.mu.Unlock()
	switch {
	case err != nil:
		m.ended = err.Error()
	case again:
		_ = c.Wait()
		m.ended = c.ProcessState.String()
	}
}

// reset is why the machine was reset without being asked, as far as qemu's log of its processors has it.
func (m *Machine) reset() string {
	if log, err := os.ReadFile(m.dir + "/log"); err == nil && bytes.Contains(log, []byte("Triple fault")) {
		return ", a triple fault"
	}
	return ""
}

// Await waits until the agent says that it is where: "initrd" or "root". It may be called again.
func (m *Machine) Await(where string) {
	m.t.Helper()
	for deadline := time.After(patience); m.where != where; {
		select {
		case m.where = <-m.greeted:
		case <-m.exited:
			m.t.Fatalf("the machine has ended (%s%s) before its agent was in the %s", m.ended, m.reset(), where)
		case <-deadline:
			m.t.Fatalf("no agent in the %s after %v", where, patience)
		}
	}
}

// listen reads what the agent says, as long as the machine lives.
func (m *Machine) listen() {
	for {
		select {
		case <-m.exited:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if conn, err := net.Dial("unix", m.dir+"/agent"); err == nil {
			m.hear(conn)
		}
	}
}

// hear reads what comes over one connection. It ends with qemu.
func (m *Machine) hear(conn net.Conn) {
	defer conn.Close()
	m.mu.Lock()
	m.agent = conn
	m.mu.Unlock()
	for answers := json.NewDecoder(conn); ; {
		var a wire.Answer
		if err := answers.Decode(&a); err != nil {
			return
		}
		m.mu.Lock()
		m.heard = true
		to := m.waiting[a.ID]
		delete(m.waiting, a.ID)
		m.mu.Unlock()
		switch {
		case a.ID == 0:
			m.greeted <- a.Where
		case to != nil:
			to <- a
		}
	}
}

var errEnded = errors.New("the machine has ended")

// ask sends a request and waits for its answer.
func (m *Machine) ask(r wire.Request, wait time.Duration) (wire.Answer, error) {
	answer := make(chan wire.Answer, 1)
	m.mu.Lock()
	m.next++
	r.ID = m.next
	line, err := json.Marshal(r)
	switch {
	case err != nil:
	case m.agent == nil:
		err = errors.New("nobody has heard of the agent")
	default:
		m.waiting[r.ID] = answer
		_, err = m.agent.Write(append(line, '\n'))
	}
	m.mu.Unlock()
	if err != nil {
		return wire.Answer{}, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-m.exited:
		return wire.Answer{}, errEnded
	case <-time.After(wait):
		return wire.Answer{}, fmt.Errorf("no answer after %v", wait)
	}
}

// Run executes a command in the machine and returns what it wrote to both streams, and its exit code; -1 if it had none.
func (m *Machine) Run(argv ...string) (output string, code int) { return m.RunWith(nil, argv...) }

// RunWith is Run with a standard input.
func (m *Machine) RunWith(stdin []byte, argv ...string) (output string, code int) {
	a, err := m.ask(wire.Request{Argv: argv, Stdin: stdin}, patience)
	if err != nil {
		return err.Error(), -1
	}
	return string(a.Output) + a.Failed, a.Code
}

// Must is Run of a command that has to succeed.
func (m *Machine) Must(argv ...string) string {
	m.t.Helper()
	out, code := m.Run(argv...)
	if code != 0 {
		m.t.Fatalf("%s: exit code %d\n%s", strings.Join(argv, " "), code, out)
	}
	return out
}

// Write writes a file in the machine, and the folders that it is in.
func (m *Machine) Write(path, content string) {
	m.t.Helper()
	if out, code := m.RunWith([]byte(content), "sh", "-c", `mkdir -p "$(dirname "$1")" && cat >"$1"`, "sh", path); code != 0 {
		m.t.Fatalf("cannot write %s: %s", path, out)
	}
}

// WriteAll writes files, and the folders that they are in.
func (m *Machine) WriteAll(files map[string]string) {
	m.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o644, Size: int64(len(content)), ModTime: time.Now()}); err != nil {
			m.t.Fatalf("cannot write %s: %v", path, err)
		}
		_, _ = io.WriteString(w, content) // into memory
	}
	_ = w.Close()
	if out, code := m.RunWith(archive.Bytes(), "tar", "--warning=no-timestamp", "-C", "/", "-xf", "-"); code != 0 {
		m.t.Fatalf("cannot write files: %s", out)
	}
}

// Cut cuts the power: what the machine had not yet written to its disks is lost. It may be called more than once.
func (m *Machine) Cut() {
	m.mu.Lock()
	m.cut = true
	_ = m.process.Kill() // an error says that it has ended
	m.mu.Unlock()
	<-m.exited
}

// PowerOff shuts the machine down in good order.
func (m *Machine) PowerOff() {
	m.t.Helper()
	m.Run("systemctl", "poweroff", "--no-block") // the answer may come no more
	m.AwaitEnd()
}

// AwaitEnd waits until the machine has powered itself off. (One that reboots ends too.)
func (m *Machine) AwaitEnd() {
	m.t.Helper()
	select {
	case <-m.exited:
	case <-time.After(patience):
		m.t.Fatalf("the machine still runs after %v", patience)
	}
}
