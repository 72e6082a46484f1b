// Package pid1 runs a systemd of a test's own as PID 1 in namespaces: a real service manager with its journal, timers and
// credentials, in half a second and without a virtual machine.
//
// Its root is a tmpfs with the machine's /usr in it, read-only, and an /etc that holds nothing but what a test gives. None of the
// machine's units is started, nothing of the machine can be written to, and all of it ends with the test. It shares the
// kernel and the network; there is no udev.
package pid1

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// detector is what the race detector is told in programs that the machine runs: that they need not sleep before they exit.
var detector = "GORACE=" + os.Getenv("GORACE")

// Options say what is in the machine beside /usr.
type Options struct {
	Files   map[string]string // absolute path inside → content, mode 0644
	Binds   map[string]string // absolute path inside → file or folder of the test's, to be seen there
	Devices []string          // block devices, such as /dev/loop3: device nodes of the same name
}

// Machine is a running systemd. Its methods may be called concurrently.
type Machine struct {
	pid   int
	group string // name of its control group
}

// T is the part of testing.TB that is used; naming it here keeps the testing package out of programs.
type T interface {
	need.T
	Cleanup(func())
	TempDir() string
	Logf(format string, args ...any)
	Failed() bool
}

//go:embed stage.sh
var stage string

const systemd = "/usr/lib/systemd/systemd"

// Start boots a machine that lives as long as the test. Without root or systemd the test is skipped, or fails if
// COPPICE_REQUIRE names root or systemd.
func Start(t T, o Options) *Machine {
	t.Helper()
	need.Root(t)
	for _, file := range []string{systemd, "/usr/bin/nsenter", "/usr/bin/unshare"} {
		if _, err := os.Stat(file); err != nil {
			need.Missing(t, "systemd", "needs "+file)
		}
	}
	root := filepath.Join(t.TempDir(), "root")
	given, err := os.MkdirTemp(t.TempDir(), "given")
	if err == nil {
		err = errors.Join(os.Mkdir(root, 0o755), write(given, o))
	}
	if err != nil {
		t.Fatalf("cannot prepare a machine: %v", err)
	}
	m := &Machine{group: "coppice-test-" + random(8)}
	var binds, devices []string
	for inside, outside := range o.Binds {
		outside, err := filepath.Abs(outside)
		if err != nil {
			t.Fatalf("cannot prepare a machine: %v", err)
		}
		binds = append(binds, outside+"\t"+inside)
	}
	for _, device := range o.Devices {
		var s syscall.Stat_t
		if err := syscall.Stat(device, &s); err != nil {
			t.Fatalf("cannot prepare a machine: %v", err)
		}
		// makedev(3) of the numbers that loop devices have
		devices = append(devices, fmt.Sprintf("%s b %d %d", filepath.Base(device), s.Rdev>>8&0xfff, s.Rdev&0xff|s.Rdev>>12&0xfff00))
	}
	var log bytes.Buffer
	c := exec.Command("/bin/sh", "-c", stage, "stage", root, given, m.group)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "BINDS=" + strings.Join(binds, "\n"), "DEVICES=" + strings.Join(devices, "\n"), detector}
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	if err := c.Start(); err != nil {
		need.Missing(t, "systemd", "cannot make namespaces: "+err.Error())
	}
	m.pid = c.Process.Pid
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }() // it is always killed
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.Run("journalctl", "--no-pager", "-o", "short-monotonic")
			t.Logf("the machine's journal:\n%s", out)
		}
		_ = c.Process.Kill()
		<-ended
		m.removeGroup()
	})
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("the machine did not start:\n%s", log.String())
		default:
		}
		if _, code := m.Run("systemctl", "is-active", "--quiet", "ready.target"); code == 0 {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("the machine is not ready after ten minutes:\n%s", log.String())
		}
	}
}

// write makes the files that are copied into the root.
func write(dir string, o Options) error {
	all := map[string]string{
		"/etc/machine-id":    random(32) + "\n",
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\nsystemd-journal:x:101:\n",
		"/etc/hostname":      "test\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
		"/etc/os-release":    "ID=test\n",
		"/etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToWall=no\nForwardToSyslog=no\n" +
			"ReadKMsg=no\nAudit=no\n",
		"/etc/systemd/system/ready.target": "[Unit]\nDefaultDependencies=no\nRequires=systemd-journald.socket systemd-journald.service\n" +
			"After=systemd-journald.socket systemd-journald.service\n",
	}
	for path, content := range o.Files {
		all[path] = content
	}
	for path, content := range all {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func random(digits int) string {
	b := make([]byte, digits/2)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return fmt.Sprintf("%x", b)
}

// Run executes a command in the machine and returns what it wrote to both streams, and its exit code; -1 if it had
// none.
func (m *Machine) Run(argv ...string) (output string, code int) {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(m.pid), "-m", "-u", "-i", "-p", "-C", "-r", "-w", "--"}, argv...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", detector}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return string(out) + err.Error(), -1
	}
	return string(out), c.ProcessState.ExitCode()
}

// Must is Run of a command that has to succeed.
func (m *Machine) Must(t T, argv ...string) string {
	t.Helper()
	out, code := m.Run(argv...)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", strings.Join(argv, " "), code, out)
	}
	return out
}

// removeGroup removes the machine's control groups. Only a mount namespace of its own has them in sight.
func (m *Machine) removeGroup() {
	const script = `mount -t cgroup2 cgroup2 /sys/fs/cgroup && cd /sys/fs/cgroup && for i in 1 2 3 4 5 6 7 8 9 10; do
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; [ -e "$1" ] || exit 0; sleep 0.05; done`
	_ = exec.Command("unshare", "--mount", "sh", "-c", script, "sh", m.group).Run() // an empty group that stays harms nobody
}
