package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// server starts a systemd with a btrfs at /mnt/server, another at /mnt/backup, and coppice as /opt/coppice.
func server(t *testing.T, files map[string]string) (*pid1.Machine, *loopfs.Filesystem) {
	t.Helper()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	if err := history.Create(context.Background(), fs, []string{"root", "persist", "services", "caddy", "snapshots"}); err != nil {
		t.Fatal(err)
	}
	other := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	program := plain
	if program == raced {
		program, _ = os.Executable() // the tests ask for it before
	}
	all := map[string]string{}
	for path, content := range files {
		all[path] = content
	}
	return pid1.Start(t, pid1.Options{Files: all, Devices: append(fs.Loop, other.Loop...),
		Binds: map[string]string{"/opt/coppice": program, "/mnt/server": fs.Mount, "/mnt/backup": other.Mount}}), fs
}

// ran starts a service and waits for its end; log is what its unit has said.
func ran(t *testing.T, m *pid1.Machine, unit string) (result, log string) {
	t.Helper()
	started, _ := m.Run("systemctl", "start", unit) // what the unit comes to is what counts
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		state := strings.TrimSpace(m.Must(t, "systemctl", "show", "--value", "-p", "ActiveState", unit))
		if state == "inactive" || state == "failed" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s after ten minutes", unit, state)
		}
	}
	m.Must(t, "journalctl", "--sync")
	log = m.Must(t, "journalctl", "-o", "cat", "--no-pager", "-u", unit)
	return strings.TrimSpace(m.Must(t, "systemctl", "show", "--value", "-p", "Result", unit)), started + log
}

func TestConfinedUnits(t *testing.T) {
	m, _ := server(t, map[string]string{"/etc/systemd/system/db.service": "[Service]\nExecStart=/bin/sleep infinity\n", "/etc/sysctl.d/empty.conf": ""})
	m.Must(t, "systemctl", "start", "db.service")
	m.Must(t, "mkdir", "-p", "/var/lib/metrics", "/var/backups/server", "/mnt/backup/server")
	m.Must(t, "touch", "/var/backups/server/.coppice-target")
	m.Must(t, "mount", "-o", "remount,bind,rw", "/sys") // as it is on every machine
	for _, c := range []struct{ name, inputs, want string }{
		{"snapshot-rotation", "-i filesystem=/mnt/server -i clock=rtc -i metrics=/var/lib/metrics", "snapshot-rotation: succeeded: 5 created"},
		{"monthly-maintenance", "-i filesystem=/mnt/server -i scrub_speed=100MiB -i balance_below=1", "monthly-maintenance: succeeded"},
		{"boot-cleanup", "-i filesystem=/mnt/server -i clock=rtc", "boot-cleanup: succeeded"},
		{"backup", "-i filesystem=/mnt/server -i target=/mnt/backup/server -i clock=rtc", "backup: succeeded"},
		{"server-layout", "-i filesystem=/mnt/server", "server-layout: succeeded"},
		{"backup", "-i filesystem=/mnt/server -i target=file:/var/backups/server -i clock=rtc", "backup: succeeded"},
		{"performance-tuning", "-i filesystem=/mnt/server -i running=false", "performance-tuning: succeeded"},
		{"quiesced-snapshot", "-i filesystem=/mnt/server -i units=db -i subvolumes=services", "quiesced-snapshot: succeeded: 1 created"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := m.Run(append(append([]string{"/opt/coppice", "install", c.name, "--yes"}, strings.Fields(c.inputs)...), "--calendar", "2099-01-01")...)
			if code != 0 {
				t.Fatalf("install: exit code %d\n%s", code, out)
			}
			unit := "coppice-" + c.name + ".service"
			result, log := ran(t, m, unit)
			if result != "success" || !strings.Contains(log, c.want) || strings.Contains(log, "read-only file system") || strings.Contains(log, "not permitted") {
				t.Errorf("%s\n%s", result, log)
			}
			// Exposure in tenths: systemd calls all below 5.0 OK.
			if out, code := m.Run("systemd-analyze", "security", "--no-pager", "--threshold=40", unit); code != 0 {
				t.Errorf("it is too exposed\n%s", out)
			}
		})
	}
}
