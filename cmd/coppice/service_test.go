package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServiceManagerIsTold lets a run speak to a service manager of the test's own.
func TestServiceManagerIsTold(t *testing.T) {
	dir := t.TempDir()
	playbook := filepath.Join(dir, "fails.yaml")
	text := "version: 1\nname: fails\nsteps:\n  - {id: look, uses: btrfs.usage, with: {filesystem: /proc}}\n"
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "notify")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	code, _, stderr := coppice(t, []string{"NOTIFY_SOCKET=" + socket}, "run", playbook)
	if code != exitFailed && code != exitNotPermitted {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var told []string
	for buf := make([]byte, 1<<16); len(told) == 0 || !strings.Contains(told[len(told)-1], "STOPPING=1"); {
		n, err := server.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, string(buf[:n]))
	}
	if told[0] != "READY=1\nSTATUS=fails: started" {
		t.Errorf("first %q", told[0])
	}
	if last := told[len(told)-1]; !strings.HasPrefix(last, "STOPPING=1\nSTATUS=failed: step look: cannot open") || !strings.HasSuffix(last, ": nothing changed") {
		t.Errorf("last %q", last)
	}

	// One that can't be reached is a warning, and no more.
	for _, socket := range []string{filepath.Join(dir, "none"), "vsock:2:1"} {
		again, _, stderr := coppice(t, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=soon"}, "run", playbook)
		if again != code || strings.Count(stderr, "plugin coppice: warn: cannot notify the service manager") != 1 {
			t.Errorf("NOTIFY_SOCKET=%s: exit code %d\n%s", socket, again, stderr)
		}
	}
	if _, _, stderr := coppice(t, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=soon"}, "run", playbook); !strings.Contains(stderr, `WATCHDOG_USEC is not a number of microseconds: "soon"`) {
		t.Errorf("a watchdog without a time:\n%s", stderr)
	}
}
