package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	installed "github.com/hbohlen/coppice/cmd/coppice/install/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// TestConfirmUnderSystemd: the installed service confirms a boot that went well, and no other.
func TestConfirmUnderSystemd(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(context.Background(), fs, []string{"root"}); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"/etc/coppice/inputs/boot-rollback.yaml": "filesystem: /mnt/fs\nroot: root\n",
		"/etc/coppice/inputs/boot-confirm.yaml":  "units: [server.service]\npatience: 5s\n",
		"/etc/systemd/system/server.service":     "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
		"/etc/systemd/system/broken.service":     "[Service]\nType=oneshot\nExecStart=/bin/false\n",
		// As systemd still has it after a rollback that was refused.
		"/etc/systemd/system/coppice-boot-rollback.service": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
	}
	made, err := installed.Files(installed.Options{Initrd: installed.InitramfsTools, Program: "/opt/coppice", Configs: "/etc/coppice", ConfirmAfter: "1s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range made {
		if strings.HasPrefix(f.Path, "/etc/systemd/system/coppice") {
			files[f.Path] = f.Content
		}
	}
	m := pid1.Start(t, pid1.Options{Files: files, Devices: fs.Loop, Binds: map[string]string{"/opt/coppice": self, "/mnt/fs": fs.Mount}})
	m.Must(t, "systemctl", "start", "basic.target")
	const confirmed = ".coppice/boot/state.json"
	exists := func() bool { _, err := os.Stat(fs.Path(confirmed)); return err == nil }
	// confirm starts the service by itself, waits for its end and returns its exit code and what it has said.
	confirm := func() (code, said string) {
		t.Helper()
		m.Run("systemctl", "reset-failed", installed.ConfirmService)
		m.Must(t, "systemctl", "start", installed.ConfirmService)
		reach(t, m, "coppice-boot-confirm", "ActiveState", is("inactive", "failed"))
		m.Must(t, "journalctl", "--sync")
		return property(t, m, "coppice-boot-confirm", "ExecMainStatus"), m.Must(t, "journalctl", "-o", "cat", "-u", installed.ConfirmService)
	}

	if code, said := confirm(); code != "1" || !strings.Contains(said, "this boot is not confirmed: server.service is inactive") || exists() {
		t.Errorf("with a unit that is not active: %s\n%s", code, said)
	}
	m.Must(t, "systemctl", "start", "server.service")
	m.Run("systemctl", "start", "broken.service")
	if code, said := confirm(); code != "1" || !strings.Contains(said, "the system is degraded: broken.service has failed") || exists() {
		t.Errorf("with a unit that has failed: %s\n%s", code, said)
	}
	m.Must(t, "systemctl", "reset-failed", "broken.service")
	m.Run("systemctl", "start", installed.RollbackService)
	// By the timer, whose time has come long ago.
	m.Must(t, "systemctl", "reset-failed", installed.ConfirmService)
	m.Must(t, "systemctl", "start", installed.ConfirmTimer)
	for deadline := time.Now().Add(10 * time.Minute); !exists(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the timer has not confirmed the boot")
		}
	}
	reach(t, m, "coppice-boot-confirm", "ActiveState", is("inactive"))
	m.Must(t, "journalctl", "--sync")
	if out := m.Must(t, "journalctl", "-o", "cat", "MESSAGE_ID="+boot.ConfirmedID); !strings.HasPrefix(out, "this boot is confirmed: its root ") {
		t.Errorf("the journal has of it: %q", out)
	}
	if out, code := m.Run("/opt/coppice", "boot", "confirm", "--yes", "--unit", "broken.service"); code != 1 || !strings.Contains(out, "broken.service is inactive") {
		t.Errorf("a flag in the place of the file: %d %s", code, out)
	}
	if out, code := m.Run("/opt/coppice", "boot", "confirm", "--yes", "--unchecked", "--unit", "broken.service"); code != 0 {
		t.Errorf("unchecked: %d %s", code, out)
	}
}
