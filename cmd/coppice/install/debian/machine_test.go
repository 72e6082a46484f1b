package debian

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// receiver are two units that take what is sent to http://127.0.0.1:8000, and put it into /var/lib/heard.
var receiver = map[string]string{
	"/etc/systemd/system/receiver.socket":   "[Socket]\nListenStream=127.0.0.1:8000\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
	"/etc/systemd/system/receiver@.service": "[Service]\nStandardInput=socket\nExecStart=/bin/sh /etc/receiver\n",
	"/etc/receiver": `cr=$(printf '\r') length=0
while IFS= read -r line && [ "$line" != "$cr" ]; do
	case $line in [Cc]ontent-[Ll]ength:*) length=${line#*: } length=${length%"$cr"} ;; esac
done
{ head -c "$length"; echo; } >>/var/lib/heard
printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
`,
}

// server is a machine on which somebody works.
type server struct {
	t *testing.T
	o vmtest.Options
	*vmtest.Machine
}

// do executes what somebody types, and expects an exit code and words.
func (s server) do(line string, code int, want ...string) string {
	s.t.Helper()
	out, got := s.Run("sh", "-c", line)
	if got != code {
		s.t.Errorf("%s: exit code %d, want %d\n%s", line, got, code, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			s.t.Errorf("%s: there is no %q in\n%s", line, w, out)
		}
	}
	return out
}

// says waits until a unit has said something in this boot. It does not look again and again, which takes an emulated machine's time.
func (s server) says(unit, words string) {
	s.t.Helper()
	const follow = `grep -qm 1 -- "$2" < <(exec timeout 580 journalctl -f -n all -b -o cat -u "$1" 2>/dev/null)`
	if out, code := s.Run("bash", "-c", follow, "bash", unit, words); code != 0 {
		s.t.Fatalf("%s does not say %q: %s\n%s", unit, words, out, s.Must("journalctl", "--no-pager", "-b", "-p", "warning"))
	}
}

// night waits until the playbooks that are installed have run in this boot, and an alert was raised.
func (s server) night() {
	s.t.Helper()
	s.says("coppice-nightly", "nightly: failed")
	s.says("coppice-failed@coppice-nightly.service.service", "unit-failed: succeeded")
	s.says("coppice-snapshot-rotation", "snapshot-rotation: succeeded")
	s.says("coppice-monthly-maintenance", "monthly-maintenance: succeeded")
}

// reboot reboots the machine. When it is there again so much time has gone by.
func (s *server) reboot(later time.Duration) {
	s.t.Helper()
	now, err := time.Parse("2006-01-02 15:04:05", strings.TrimSpace(s.Must("date", "-u", "+%F %T")))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Run("systemctl", "reboot", "--no-block") // the answer may come no more
	s.AwaitEnd()
	s.o.Clock = now.Add(later)
	s.Machine = vmtest.Boot(s.t, s.o)
}

// TestOnAMachine installs the package with apt on a machine of its own, and playbooks with coppice, and nothing else: the timers fire when it is time,
// what was missed while the machine was off is made up for after a reboot, a playbook that fails alerts, and status and the journal tell of all of it.
// Then the package is removed, installed once more, and purged.
func TestOnAMachine(t *testing.T) {
	t.Parallel()
	vmtest.Need(t) // before the package is built
	base := vmtest.GetBase(t)
	file := pack(t)
	now := time.Date(2031, 3, 4, 20, 0, 0, 0, time.UTC)
	s := server{t: t, o: vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base), Payload: map[string]string{filepath.Base(file): file}, Clock: now}}
	started := time.Now()
	s.Machine = vmtest.Start(t, s.o)

	s.do("cd /run/coppice-test && apt install ./coppice*.deb", 0, "Setting up coppice")
	s.do("ls /etc/systemd/system /etc/systemd/system/*.wants | grep coppice", 1)
	s.do("coppice status", 4, "! machine: no playbook is installed")

	files := map[string]string{
		"/etc/coppice/playbooks/nightly.yaml": "version: 1\nname: nightly\nschedule: {calendar: '02:30', persistent: true}\n" +
			"steps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n",
		"/etc/coppice/inputs/snapshot-rotation.yaml": "clock: rtc\n", // nothing else keeps the clock of the machine
		"/etc/coppice/credentials/notify_url":        "generic+http://127.0.0.1:8000/hook?template=json\n",
	}
	maps.Copy(files, receiver)
	for _, name := range []string{"snapshot-rotation", "monthly-maintenance", "nightly"} { // exact to the second, and without a delay at random
		files["/etc/systemd/system/coppice-"+name+".timer.d/exact.conf"] = "[Timer]\nAccuracySec=1us\nRandomizedDelaySec=0\n"
	}
	s.WriteAll(files)
	s.do("mkdir -p /etc/systemd/system/sockets.target.wants && ln -s ../receiver.socket /etc/systemd/system/sockets.target.wants/", 0)
	s.do("coppice install snapshot-rotation monthly-maintenance nightly --tell /etc/coppice/credentials/notify_url --yes", 0,
		"started: coppice-snapshot-rotation.timer coppice-monthly-maintenance.timer coppice-nightly.timer")
	s.do("systemctl start receiver.socket && coppice runs && test ! -e /var/lib/heard", 0, "there are no records of runs") // before their time

	// The real schedules: every six hours, and at half past two.
	s.do("date -s 'tomorrow 02:30:05'", 0)
	s.night()
	s.do("cat /var/lib/heard", 0, "coppice-nightly.service has failed on machine", "exit code 1, a step failed")
	s.do("coppice status", 4, "✗ nightly: the last run failed", "snapshot-rotation", "scrub of monthly-maintenance")

	// Off for ten days, and on again.
	s.reboot(240 * time.Hour)
	s.Await("root")
	s.night()
	s.do("grep -o coppice-nightly.service.has.failed /var/lib/heard | wc -l", 0, "2\n")
	s.do("coppice runs | awk '{print $2}' | sort | uniq -c", 0, "2 monthly-maintenance", "2 nightly", "2 snapshot-rotation")
	for _, name := range []string{"snapshot-rotation", "monthly-maintenance"} {
		s.do("journalctl --no-pager -o cat -u coppice-"+name+" | grep -c '"+name+": succeeded'", 0, "2\n")
	}
	// A device, mounted as on every machine: no limit of the confinement was in the way.
	if log := s.do("journalctl --no-pager -o cat -u coppice-monthly-maintenance", 0, "errors"); strings.Contains(log, "read-only file system") {
		t.Errorf("%s", log)
	}
	s.do("sed -i s:/proc:/: /etc/coppice/playbooks/nightly.yaml && systemctl start coppice-nightly", 0)
	s.do("coppice status", 0, "All is well.", "SNAPSHOTS OF")
	if out := s.do("coppice doctor", 4, "as install has written them"); strings.Contains(out, "✗") { // of the clock, which nothing keeps, it warns
		t.Errorf("%s", out)
	}

	// Without the program nothing is left that would start it. What the machine knows, and has, stays.
	s.do("apt remove -y coppice", 0, "coppice: coppice-snapshot-rotation.timer is switched off, as its program goes")
	if out := s.do("systemctl list-timers --all --no-legend 'coppice*'; systemctl list-unit-files --no-legend --state=enabled 'coppice*'; systemctl --failed --no-legend; which coppice", 1); out != "" {
		t.Errorf("after apt remove there is still\n%s", out)
	}
	s.do("ls /etc/coppice/inputs/snapshot-rotation.yaml /etc/coppice/playbooks/nightly.yaml /etc/coppice/credentials/notify_url /var/lib/coppice", 0)
	s.do("mount -o subvolid=5 /dev/vda /mnt && ls -d /mnt/.coppice && ls /mnt/snapshots/root | wc -l", 0, "2\n")
	s.do("apt purge -y coppice", 0)
	// Units stay, which uninstall would have taken away, and what systemd remembers of them; none is switched on.
	if out := s.do("find / -xdev -name '*coppice*' -not -path '/etc/systemd/system/coppice-*' -not -path '/var/lib/systemd/timers/*'; ls /mnt/snapshots/root | wc -l", 0); out != "/etc/coppice\n2\n" {
		t.Errorf("after apt purge there is still\n%s", out)
	}
	s.PowerOff()
	tally.Add(t, "a machine on which the package was installed and purged, and 2 playbooks ran and 1 failed in 2 nights, lived %.0f s", time.Since(started).Seconds())
}
