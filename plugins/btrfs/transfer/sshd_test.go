package transfer

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// sshServer is an sshd of the test's own, on the loopback interface, with keys that nobody else has.
type sshServer struct {
	config string // for ssh
	port   int
	cmd    *exec.Cmd
	log    string
}

// newSSH starts one, on which "coppice receive" is this very test binary. under is the folder that it allows.
func newSSH(t *testing.T, under string) *sshServer {
	t.Helper()
	need.Root(t)
	sshd := ""
	for _, path := range []string{"/usr/sbin/sshd", "/usr/bin/sshd"} {
		if _, err := os.Stat(path); err == nil && sshd == "" {
			sshd = path
		}
	}
	if sshd == "" {
		need.Missing(t, "sshd", "needs OpenSSH's server")
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, key := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "client.pub"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	write("bin/coppice", fmt.Sprintf("#!/bin/sh\n[ \"$*\" = receive ] || { echo \"called with: $*\" >&2; exit 3; }\nGORACE='%s' %s='%s' exec '%s'\n", os.Getenv("GORACE"), receiveHere, under, self), 0o755)
	write("authorized", string(public), 0o600)
	s := &sshServer{log: filepath.Join(dir, "log"), port: freePort(t)}
	server := write("sshd_config", strings.Join([]string{
		"ListenAddress 127.0.0.1", "Port " + strconv.Itoa(s.port), "HostKey " + filepath.Join(dir, "host"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized"), "PidFile none", "UsePAM no", "StrictModes no",
		"PasswordAuthentication no", "PermitRootLogin prohibit-password", "MaxStartups 100",
		"SetEnv PATH=" + bin + ":/usr/sbin:/usr/bin:/sbin:/bin",
	}, "\n")+"\n", 0o600)
	s.config = write("ssh_config", strings.Join([]string{
		"Host backup.example", "HostName 127.0.0.1", "HostKeyAlias 127.0.0.1",
		"Host *", "User root", "Port " + strconv.Itoa(s.port), "IdentityFile " + filepath.Join(dir, "client"), "IdentitiesOnly yes", "IdentityAgent none",
		"StrictHostKeyChecking accept-new", "UserKnownHostsFile " + filepath.Join(dir, "known"), "GlobalKnownHostsFile /dev/null",
	}, "\n")+"\n", 0o600)
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // its privilege separation needs it
		t.Fatal(err)
	}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(sshd, "-D", "-e", "-f", server)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("sshd: %s", text)
		}
	})
	for range 3000 {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
		if err == nil {
			c.Close()
			return s
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("sshd does not answer")
	return nil
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
