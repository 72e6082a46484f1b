package pid1_test

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

func TestMachine(t *testing.T) {
	m := pid1.Start(t, pid1.Options{Files: map[string]string{
		"/etc/systemd/system/hello.service": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo hello; echo \"<4>careful\" >&2; cat /opt/given/file'\n",
	}, Binds: map[string]string{"/opt/given": "testdata"}})
	m.Must(t, "systemctl", "start", "hello.service")
	m.Must(t, "journalctl", "--sync")
	for _, line := range []string{"hello", "careful", "given"} { // of two processes, and so in any order
		if out := m.Must(t, "journalctl", "-o", "cat", "SYSLOG_IDENTIFIER=sh"); !strings.Contains("\n"+out, "\n"+line+"\n") {
			t.Errorf("%s is not in the journal:\n%s", line, out)
		}
	}
	if out := m.Must(t, "systemctl", "is-system-running"); strings.TrimSpace(out) != "running" {
		t.Error(out)
	}
	if out := strings.TrimSpace(m.Must(t, "systemctl", "list-units", "--type=service", "--plain", "--no-legend", "--state=running")); strings.Contains(out, "\n") || !strings.HasPrefix(out, "systemd-journald.service") {
		t.Errorf("running services:\n%s", out)
	}
	if _, code := m.Run("false"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if out, code := m.Run("sh", "-c", "touch /usr/x || echo 1 >/proc/sys/kernel/printk"); code == 0 {
		t.Errorf("the machine could write to the one around it: %s", out)
	}
}
