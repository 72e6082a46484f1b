package main

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestInVirtualMachine runs the static program as a service of a real systemd on a machine of its own, with its own kernel, a root on
// btrfs and a message bus: it stops a unit, takes a snapshot, and starts it again.
func TestInVirtualMachine(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	m := vmtest.Start(t, vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base),
		Payload: map[string]string{"coppice": vmtest.Build(t, "github.com/hbohlen/coppice/cmd/coppice")}})
	const coppice = "/run/coppice-test/coppice"
	m.WriteAll(map[string]string{
		"/etc/systemd/system/db.service": "[Service]\nExecStart=/bin/sleep infinity\nExecStopPost=/bin/sh -c 'echo clean >/data/state'\n" +
			"ExecStartPost=/bin/sh -c 'echo dirty >/data/state'\n",
		"/etc/systemd/system/app.service": "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=/bin/sleep infinity\n",
		"/etc/systemd/system/data.mount":  "[Mount]\nWhat=/dev/vda\nWhere=/data\nType=btrfs\nOptions=subvol=data\n",
		"/etc/systemd/system/night.service": "[Service]\nType=notify\nKillMode=mixed\nExecStart=" + coppice +
			" run quiesced-snapshot -i units=db -i filesystem=/ -i subvolumes=data\n",
		"/etc/systemd/system/night.timer": "[Timer]\nOnActiveSec=1w\n",
		"/etc/look.yaml":                  "version: 1\nname: look\nsteps:\n- {id: look, uses: systemd.status, with: {unit: db}}\n- {id: stop, uses: systemd.stop, with: {unit: db}}\n",
		"/etc/limits.yaml":                "version: 1\nname: limits\nsteps:\n- {id: hog, uses: systemd.run, with: {command: [sh, -c, 'head -c 300M /dev/zero | tail'], memory_max: 32MiB}}\n",
	})
	m.Must("sh", "-c", "mount -o subvolid=5 /dev/vda /mnt && btrfs subvolume create /mnt/data && btrfs subvolume create /mnt/snapshots")
	m.Must("systemctl", "daemon-reload")
	m.Must("systemctl", "start", "data.mount", "app.service", "night.timer")

	m.Must("systemctl", "start", "--no-block", "night.service")
	var state string
	for deadline := time.Now().Add(10 * time.Minute); state != "dead" && state != "failed" && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if ended := m.Must("systemctl", "show", "--value", "-p", "ExecMainExitTimestampMonotonic", "night"); strings.TrimSpace(ended) != "0" {
			state = strings.TrimSpace(m.Must("systemctl", "show", "--value", "-p", "SubState", "night"))
		}
	}
	log := m.Must("journalctl", "--no-pager", "-o", "cat", "-u", "night")
	if state != "dead" || !strings.Contains(log, "quiesced-snapshot: succeeded: 1 created, 4 updated") {
		t.Errorf("night.service is %s\n%s", state, log)
	}
	if out := m.Must("sh", "-c", "systemctl is-active db app | tr '\\n' ' '; cat /data/state /mnt/snapshots/data/*/state"); out != "active active dirty\nclean\n" {
		t.Errorf("%q", out)
	}

	// Another user asks through the message bus: it may look, and change nothing.
	out, code := m.Run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp", coppice, "run", "/etc/look.yaml")
	if code != exitNotPermitted || !strings.Contains(out, "step look: ok: db.service is active") || !strings.Contains(out, "run as root") {
		t.Errorf("exit code %d\n%s", code, out)
	}

	// A limit is kept by the kernel.
	out, code = m.Run(coppice, "run", "/etc/limits.yaml")
	if code != exitFailed || !strings.Contains(out, "was killed for lack of memory") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	m.PowerOff()
}
