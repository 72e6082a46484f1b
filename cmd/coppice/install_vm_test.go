package main

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestTimersOfAMachine installs two playbooks on a machine with its own clock. When their time comes they run; what was missed while the
// machine was off is made up for at the next boot; and status tells of it.
func TestTimersOfAMachine(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	// On a busy host the emulated timer does not tick while the kernel looks whether it does.
	o := vmtest.Options{Base: base, Append: "no_timer_check", Disk: vmtest.NewDisk(t, base), Payload: map[string]string{"coppice": vmtest.Build(t, "github.com/hbohlen/coppice/cmd/coppice")}}
	m := vmtest.Start(t, o)
	m.Must("cp", "/run/coppice-test/coppice", "/usr/local/bin/coppice")
	m.Must("sh", "-c", "mount -o subvolid=5 /dev/vda /mnt && btrfs subvolume create /mnt/snapshots && umount /mnt")
	// Exact to the second, and without a delay at random.
	for _, name := range []string{"snapshot-rotation", "monthly-maintenance"} {
		m.Write("/etc/systemd/system/"+timerOf(name)+".d/exact.conf", "[Timer]\nAccuracySec=1us\nRandomizedDelaySec=0\n")
	}
	m.Must("coppice", "install", "snapshot-rotation", "--yes", "-i", "clock=rtc", "-i", "subvolumes=/")
	m.Must("coppice", "install", "monthly-maintenance", "--yes")
	// The real schedules: every six hours, and at half past two.
	finished := func(m *vmtest.Machine, name string) {
		t.Helper()
		var log string
		for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
			if log = m.Must("journalctl", "--no-pager", "-o", "cat", "-b", "-u", serviceOf(name)); strings.Contains(log, name+": succeeded") {
				return
			}
		}
		t.Fatalf("%s was not started\n%s\n%s", name, log, m.Must("systemctl", "list-timers", "--all", "--no-pager"))
	}
	if out, _ := m.Run("coppice", "runs"); !strings.Contains(out, "there are no records of runs") {
		t.Errorf("it ran before its time\n%s", out)
	}
	m.Must("date", "-s", "tomorrow 02:30:05")
	finished(m, "snapshot-rotation")
	finished(m, "monthly-maintenance")
	// A device, mounted as on every machine: no limit of the confinement was in the way.
	if log := m.Must("journalctl", "--no-pager", "-o", "cat", "-u", serviceOf("monthly-maintenance")); !strings.Contains(log, "errors") || strings.Contains(log, "read-only file system") {
		t.Errorf("%s", log)
	}

	// The machine is off for ten days: its clock says so at the next start, before any timer is looked at.
	m.Write("/etc/systemd/system/later.service", "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target timers.target\n[Service]\nType=oneshot\nExecStart=/bin/date -s '10 days'\n[Install]\nWantedBy=sysinit.target\n")
	m.Must("systemctl", "enable", "later.service")
	m.PowerOff()
	m = vmtest.Start(t, o)
	finished(m, "snapshot-rotation")
	finished(m, "monthly-maintenance")
	out, code := m.Run("coppice", "status")
	if code != exitOK || !has("All is well.", "snapshot-rotation", "scrub of monthly-maintenance", "SNAPSHOTS OF")(out) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out := m.Must("coppice", "runs"); strings.Count(out, "snapshot-rotation") != 2 || strings.Count(out, "monthly-maintenance") != 2 {
		t.Errorf("%s", out)
	}
	if out, code := m.Run("coppice", "doctor"); code != exitAttention || strings.Count(out, "✗") != 0 || !strings.Contains(out, "as install has written them") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	m.PowerOff()
}
