package main

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
)

// TestInstallBootInVirtualMachine installs on a machine that runs from the root which is to be rolled back, as an administrator does.
func TestInstallBootInVirtualMachine(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	m := vmtest.Start(t, vmtest.Options{Base: base, Disk: vmtest.NewDisk(t, base),
		Payload: map[string]string{"coppice": vmtest.Build(t, "github.com/hbohlen/coppice/cmd/coppice")}})
	const coppice = "/usr/local/bin/coppice"
	// call runs coppice, and expects an exit code and words.
	call := func(code int, want string, args ...string) {
		t.Helper()
		out, got := m.Run(append([]string{coppice}, args...)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s", args, got, code, want, out)
		}
	}
	install := []string{"install", "boot", "--yes", "--initrd", "dracut"}
	m.Must("sh", "-ec", `install -m 755 /run/coppice-test/coppice `+coppice+`
		mount -o subvolid=5 /dev/vda /mnt; btrfs -q subvolume create /mnt/persist; umount /mnt
		mkdir -p /persist /etc/ssh; echo key >/etc/ssh/ssh_host_ed25519_key
		printf '[Mount]\nWhat=/dev/vda\nWhere=/persist\nType=btrfs\nOptions=subvol=persist\n' >/etc/systemd/system/persist.mount
		systemctl daemon-reload; systemctl start persist.mount`)

	// An empty root would lose what makes the machine the one it is; with that acknowledged, it could not start.
	call(exitFailed, "makes this machine the one it is: etc/ssh/ssh_host_ed25519_key", install...)
	m.Write("/etc/coppice/inputs/boot-rollback.yaml", "blank: blank\n")
	call(exitInvalid, `there is no subvolume "blank"`, install...)
	call(exitOK, "created blank", "boot", "rebase", "--yes")

	m.Write("/etc/coppice/inputs/boot-persist.yaml", "paths: [/etc/ssh]\n")
	const copied = "mkdir -p /persist/etc && cp -a --reflink=auto /etc/ssh /persist/etc/"
	call(exitFailed, copied, install...)
	if out, code := m.Run("test", "-e", "/usr/lib/dracut/modules.d/55coppice"); code == 0 {
		t.Errorf("something was written: %s", out)
	}
	m.Must("sh", "-c", copied)
	m.Must("sh", "-c", "mkdir -p /etc/apt/apt.conf.d")
	call(exitOK, "make the initrd anew, or nothing changes: dracut --regenerate-all --force", install...)
	m.Must("grep", "-qx", "After=dev-vda.device", "/usr/lib/dracut/modules.d/55coppice/coppice-boot-rollback.service")
	m.Must("systemctl", "is-active", "coppice-boot-confirm.timer")
	m.Must("systemctl", "start", "etc-ssh.mount")
	m.Must("grep", "-qx", "key", "/etc/ssh/ssh_host_ed25519_key")

	// A machine on which something has failed is not well.
	m.Write("/etc/systemd/system/broken.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
	m.Must("systemctl", "daemon-reload")
	m.Run("systemctl", "start", "broken.service")
	call(exitFailed, "this boot is not confirmed: the system is degraded: broken.service has failed", "boot", "confirm", "--yes")
	call(exitOK, "boot-confirm: succeeded", "boot", "confirm", "--yes", "--degraded", "--unit", "dbus.socket")
	m.Must("systemctl", "reset-failed")

	call(exitOK, "the next boot has a clean root", "boot", "plan")
	if out, code := m.Run(coppice, "boot", "rebase", "--offer"); code != exitOK || out != "" {
		t.Errorf("dpkg has changed nothing: %d %s", code, out)
	}
	m.Must("touch", "-d", "now + 1 hour", "/var/lib/dpkg/status")
	call(exitOK, "unless the blank has it", "boot", "rebase", "--offer")

	call(exitOK, "", "uninstall", "boot", "--yes")
	if out, code := m.Run("sh", "-c", "ls /usr/lib/dracut/modules.d/55coppice/* /etc/apt/apt.conf.d/*coppice* /etc/systemd/system/*coppice* /etc/systemd/system/etc-ssh.mount 2>/dev/null"); code == 0 || out != "" {
		t.Errorf("it has left: %s", out)
	}
	m.PowerOff()
}
