package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// until waits for what a command prints.
func until(t *testing.T, m *pid1.Machine, what string, good func(out string) bool, argv ...string) string {
	t.Helper()
	var out string
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if out, _ = m.Run(argv...); good(out) {
			return out
		}
	}
	journal, _ := m.Run("journalctl", "--no-pager", "-o", "cat")
	t.Fatalf("%s, after ten minutes:\n%s\n%s", what, out, journal)
	return ""
}

func has(words ...string) func(string) bool {
	return func(s string) bool {
		for _, w := range words {
			if !strings.Contains(s, w) {
				return false
			}
		}
		return true
	}
}

// TestTimers: what install writes is started by its timers, tells when it fails, and goes when it is uninstalled.
func TestTimers(t *testing.T) {
	l := listen(t, 200)
	hook, err := os.ReadFile(filepath.Join(l.dir, "notify_url"))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := server(t, map[string]string{
		"/etc/coppice/playbooks/bad.yaml": "version: 1\nname: bad\nschedule: {calendar: daily, persistent: true}\nsteps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n",
		"/etc/coppice/playbooks/telling.yaml": "version: 1\nname: telling\ninputs: {hook: {type: string, secret: true}}\nsteps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n" +
			"on_failure: [{uses: notify.send, with: {url: '${{ inputs.hook }}', title: told, message: by itself}}]\n",
		// Timers are exact to the minute, unless they are told to be better.
		"/etc/systemd/system/coppice-snapshot-rotation.timer.d/exact.conf": "[Timer]\nAccuracySec=1us\n",
		"/etc/mistake.yaml": "version: 1\nname: bad\nsteps: [{id: look, uses: btrfs.usaeg}]\n",
	})
	m.Must(t, "mkdir", "-p", "-m", "700", "/etc/coppice/credentials")
	m.Must(t, "sh", "-c", "umask 077; printf %s '"+strings.TrimSpace(string(hook))+"' >/etc/coppice/credentials/hook")

	out := m.Must(t, "/opt/coppice", "install", "snapshot-rotation", "--yes", "--calendar", "*-*-* *:*:0/3", "-i", "filesystem=/mnt/server", "-i", "clock=rtc")
	if !strings.Contains(out, "started: coppice-snapshot-rotation.timer") {
		t.Error(out)
	}
	if out := strings.TrimSpace(m.Must(t, "systemctl", "is-enabled", "coppice-snapshot-rotation.timer")); out != "enabled" {
		t.Error(out)
	}
	// Two runs, each by the timer.
	until(t, m, "the timer does not fire", func(out string) bool { return strings.Count(out, "snapshot-rotation: succeeded") >= 2 },
		"journalctl", "-o", "cat", "--no-pager", "-u", "coppice-snapshot-rotation.service")
	until(t, m, "the runs are not recorded", func(out string) bool { return strings.Count(out, "snapshot-rotation") >= 2 }, "/opt/coppice", "runs")
	// A timer that was switched off is started again with its link, as when the package was removed and installed anew.
	m.Must(t, "systemctl", "disable", "--now", "coppice-snapshot-rotation.timer")
	if out := m.Must(t, "/opt/coppice", "install", "--yes"); !strings.Contains(out, "started: coppice-snapshot-rotation.timer\n") {
		t.Error(out)
	}
	m.Must(t, "systemctl", "is-active", "coppice-snapshot-rotation.timer")
	m.Must(t, "systemctl", "stop", "coppice-snapshot-rotation.timer")

	// A run that fails is in the journal as an error, also under the unit that tells of it. Its playbook tells nobody.
	m.Must(t, "/opt/coppice", "install", "bad", "--yes", "--tell", "/etc/coppice/credentials/hook")
	if result, log := ran(t, m, "coppice-bad.service"); result != "exit-code" || !strings.Contains(log, "not on a btrfs") && !strings.Contains(log, "cannot open btrfs") {
		t.Errorf("%s\n%s", result, log)
	}
	until(t, m, "nothing tells of the failure", has("coppice-bad.service has failed: exit code 1, a step failed", "journalctl -u coppice-bad.service"),
		"journalctl", "-o", "cat", "--no-pager", "-p", "err", "-u", "coppice-failed@coppice-bad.service.service")
	until(t, m, "nothing is sent", has("unit-failed: succeeded"), "journalctl", "-o", "cat", "--no-pager", "-u", "coppice-failed@coppice-bad.service.service")
	if heard := l.all(); strings.Count(heard, "/hook/") != 1 || !strings.Contains(heard, "exit code 1, a step failed") {
		t.Errorf("heard\n%s", heard)
	}
	// One that tells is not told of twice.
	m.Must(t, "/opt/coppice", "install", "telling", "--yes", "-i", "hook=@/etc/coppice/credentials/hook")
	if result, log := ran(t, m, "coppice-telling.service"); result != "exit-code" {
		t.Errorf("%s\n%s", result, log)
	}
	until(t, m, "systemd does not tell", has("coppice-telling.service has failed: exit code 1"), "journalctl", "-o", "cat", "--no-pager", "-u", "coppice-failed@coppice-telling.service.service")
	until(t, m, "it goes on", has("inactive"), "systemctl", "is-active", "coppice-failed@coppice-telling.service.service")
	if heard := l.all(); strings.Count(heard, "/hook/") != 1 || !strings.Contains(heard, "by itself") {
		t.Errorf("heard\n%s", heard)
	}
	// One that never came to its steps can't tell itself.
	m.Must(t, "cp", "/etc/mistake.yaml", "/etc/coppice/playbooks/bad.yaml")
	if result, log := ran(t, m, "coppice-bad.service"); result != "exit-code" || !strings.Contains(log, "usaeg") {
		t.Errorf("%s\n%s", result, log)
	}
	again := func(out string) bool { // the journal has the first failure too
		return strings.Contains(out, "exit code 65, the playbook or its inputs are invalid") && strings.Count(out, "unit-failed: succeeded") == 2
	}
	log := until(t, m, "nothing is sent", again,
		"journalctl", "-o", "cat", "--no-pager", "-u", "coppice-failed@coppice-bad.service.service")
	if strings.Contains(log, hidden) {
		t.Errorf("a secret is in the journal:\n%s", log)
	}
	if heard := l.all(); strings.Count(heard, "/hook/") != 1 || !strings.Contains(heard, "coppice-bad.service has failed on test") {
		t.Errorf("heard\n%s", heard)
	}

	m.Must(t, "/opt/coppice", "uninstall", "--yes")
	if out, _ := m.Run("systemctl", "list-units", "--all", "--plain", "--no-legend", "coppice-*.timer"); strings.TrimSpace(out) != "" {
		t.Errorf("timers that are left\n%s", out)
	}
	if out, _ := m.Run("find", "/etc", "-type", "f", "(", "-name", "coppice-*.service", "-o", "-name", "coppice-*.timer", "-o", "-path", "/etc/coppice/inputs/*", ")", "-not", "-path", "*.d/*"); strings.TrimSpace(out) != "" {
		t.Errorf("files that are left\n%s", out)
	}
}

// TestStatusAndDoctor: a machine on which all is well, and what is said when it is not.
func TestStatusAndDoctor(t *testing.T) {
	m, _ := server(t, map[string]string{"/etc/coppice/playbooks/bad.yaml": "version: 1\nname: bad\nschedule: {calendar: daily}\nsteps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n"})
	out, code := m.Run("/opt/coppice", "status")
	if code != exitAttention || !strings.Contains(out, "! machine: no playbook is installed") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, name := range []string{"snapshot-rotation", "monthly-maintenance"} {
		m.Must(t, append([]string{"/opt/coppice", "install", name, "--yes", "-i", "filesystem=/mnt/server"}, map[string][]string{"snapshot-rotation": {"-i", "clock=rtc"}}[name]...)...)
		if result, log := ran(t, m, serviceOf(name)); result != "success" {
			t.Fatalf("%s\n%s", result, log)
		}
	}
	if out, code = m.Run("/opt/coppice", "status"); code != exitOK || !has("All is well.", "snapshot-rotation", "scrub of monthly-maintenance", "no new errors", "caddy         1")(out) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// Systemd's own word for when the timer elapses, with its random delay.
	next := m.Must(t, "systemctl", "show", "--value", "-p", "NextElapseUSecRealtime", timerOf("snapshot-rotation"))
	var status struct{ Status health }
	if err := json.Unmarshal([]byte(m.Must(t, "/opt/coppice", "status", "--json")), &status); err != nil || len(status.Status.Playbooks) != 2 {
		t.Fatal(err, status)
	}
	if got := status.Status.Playbooks[1].Next.UTC().Format("Mon 2006-01-02 15:04:05 MST"); got != strings.TrimSpace(next) {
		t.Errorf("next: %s, and systemd says %s", got, next)
	}
	out, code = m.Run("/opt/coppice", "doctor")
	if !has("units       coppice-snapshot-rotation.service: as install has written them", "monthly-maintenance: a run would go through now")(out) ||
		code != exitOK && (code != exitAttention || strings.Count(out, "!") != 1 || !strings.Contains(out, "! clock")) { // the clock is that of the machine around it
		t.Errorf("exit code %d\n%s", code, out)
	}

	// Now what is not well.
	m.Must(t, "/opt/coppice", "install", "bad", "--yes")
	_, _ = ran(t, m, serviceOf("bad"))
	m.Must(t, "systemctl", "stop", timerOf("snapshot-rotation"))
	m.Must(t, "sh", "-c", "echo Nice=19 >>/etc/systemd/system/coppice-snapshot-rotation.service; echo 'retention: 7d' >>/etc/coppice/inputs/snapshot-rotation.yaml")
	m.Must(t, "sh", "-c", "echo 'metrics: /var/lib/metrics' >>/etc/coppice/inputs/monthly-maintenance.yaml; mkdir -p /var/lib/metrics; touch /etc/coppice/hold; chmod o+w /etc/coppice/playbooks/bad.yaml")
	m.Must(t, "sh", "-c", "echo '/dev/x /mnt/server btrfs compress=zstd:3,noatime 0 0' >/etc/fstab")
	out, code = m.Run("/opt/coppice", "status")
	for _, want := range []string{
		"✗ bad: the last run failed, ", ": step look: cannot open btrfs", "coppice runs show 2", "✗ bad: it would fail now:", "✗ snapshot-rotation: its timer is inactive",
		"systemctl enable --now coppice-snapshot-rotation.timer", "! machine: nothing is deleted: /etc/coppice/hold",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q", want)
		}
	}
	if code != exitAttention || strings.Contains(out, "All is well") || !strings.HasPrefix(out, "✗") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	out, code = m.Run("/opt/coppice", "doctor")
	for _, want := range []string{
		"coppice-snapshot-rotation.service: was changed since it was installed", "coppice-monthly-maintenance.service: they are not what install would write now",
		"playbooks/bad.yaml is not trusted", "chown root /etc/coppice/playbooks/bad.yaml", "coppice-snapshot-rotation.timer: it is inactive", "bad: it would fail now",
		"fstab asks for compress=zstd:3, and it is mounted without",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q", want)
		}
	}
	if code != exitAttention {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
