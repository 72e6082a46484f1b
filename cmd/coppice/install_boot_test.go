package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// inImage calls coppice for an image of a machine.
func inImage(root string, args ...string) (out, err string, code int) {
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, configs: filepath.Join(root, "etc/coppice")}
	code = a.main(append([]string{"coppice"}, append(args, "--root", root)...))
	return o.String(), e.String(), code
}

// image makes a folder that is taken for a machine's root, with empty files.
func imageWith(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		at := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestFindsGenerator: what makes the initrd is what new kernels get theirs from.
func TestFindsGenerator(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string // "": refused
	}{
		"nothing":         {nil, ""},
		"dracut":          {[]string{"usr/bin/dracut"}, "dracut"},
		"fedora":          {[]string{"usr/sbin/dracut", "usr/lib/kernel/install.d/50-dracut.install"}, "dracut"},
		"initramfs-tools": {[]string{"usr/sbin/update-initramfs"}, "initramfs-tools"},
		"arch":            {[]string{"usr/bin/mkinitcpio", "etc/mkinitcpio.d/linux.preset"}, "mkinitcpio"},
		"both":            {[]string{"usr/bin/dracut", "usr/sbin/update-initramfs"}, ""},
		"debian":          {[]string{"usr/bin/dracut", "usr/sbin/update-initramfs", "etc/kernel/postinst.d/initramfs-tools"}, "initramfs-tools"},
		"debian, dracut":  {[]string{"usr/bin/dracut", "usr/sbin/update-initramfs", "etc/kernel/postinst.d/dracut"}, "dracut"},
		"a hook is left":  {[]string{"usr/bin/dracut", "etc/kernel/postinst.d/initramfs-tools"}, "dracut"},
	} {
		o := installingBoot{flags: installFlags{root: imageWith(t, c.files...)}}
		g, err := o.initrd()
		if string(g) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, g, err, c.want)
		}
		o.generator = "mkinitcpio"
		if g, err := o.initrd(); g != boot.Mkinitcpio || err != nil {
			t.Errorf("%s, named: %q, %v", name, g, err)
		}
	}
	o := installingBoot{flags: installFlags{root: t.TempDir()}, generator: "genkernel"}
	if _, err := o.initrd(); err == nil {
		t.Error("genkernel is taken")
	}
}

func TestInstallBootInImage(t *testing.T) {
	root := imageWith(t, "usr/sbin/update-initramfs", "etc/apt/apt.conf.d/00x")
	program := []string{"--program", "/usr/local/bin/coppice"}
	all := append([]string{"install", "boot", "--yes", "-i", "filesystem=LABEL=tank", "-i", "root=sys/root", "-i", "blank=sys/blank"}, program...)
	if out, stderr, code := inImage(root, append(all, "--print")...); code != 0 || !strings.Contains(out, "+++ /etc/apt/apt.conf.d/90coppice-rebase") {
		t.Fatalf("print: %d\n%s%s", code, out, stderr)
	}
	script := filepath.Join(root, "etc/initramfs-tools/scripts/local-premount/coppice")
	if _, err := os.Stat(script); err == nil {
		t.Error("--print has written something")
	}
	_, stderr, code := inImage(root, all...)
	if code != 0 || !strings.Contains(stderr, "make the initrd anew, or nothing changes: update-initramfs -u -k all") {
		t.Fatalf("%d\n%s", code, stderr)
	}
	info, err := os.Stat(script)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("%v, %v", info, err)
	}
	inputs, err := os.ReadFile(filepath.Join(root, "etc/coppice/inputs/boot-rollback.yaml"))
	if want := "# Inputs of boot-rollback, written by \"coppice install boot\". The initrd has a copy: after a change, make it anew.\n" +
		"filesystem: \"LABEL=tank\"\nroot: \"sys/root\"\nblank: \"sys/blank\"\n"; err != nil || string(inputs) != want {
		t.Errorf("%v\n%s", err, inputs)
	}
	if _, stderr, code := inImage(root, append([]string{"install", "boot", "--yes"}, program...)...); code != 0 || !strings.Contains(stderr, "nothing to do") {
		t.Errorf("again, with the inputs that are there: %d\n%s", code, stderr)
	}
	// A change of the generator takes the files of the other one away.
	if _, stderr, code := inImage(root, append([]string{"install", "boot", "--yes", "--initrd", "dracut", "--confirm-after", "0"}, program...)...); code != 0 || !strings.Contains(stderr, "dracut --regenerate-all --force") {
		t.Errorf("another generator: %d\n%s", code, stderr)
	}
	for path, want := range map[string]bool{"etc/initramfs-tools/scripts/local-premount/coppice": false, "etc/systemd/system/coppice-boot-confirm.timer": false,
		"usr/lib/dracut/modules.d/55coppice/module-setup.sh": true, "etc/apt/apt.conf.d/90coppice-rebase": true} {
		if _, err := os.Lstat(filepath.Join(root, path)); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	unit, err := os.ReadFile(filepath.Join(root, "usr/lib/dracut/modules.d/55coppice", boot.RollbackService))
	if err != nil || !strings.Contains(string(unit), "\nAfter=dev-disk-by\\x2dlabel-tank.device\n") {
		t.Errorf("%v\n%s", err, unit)
	}
	if _, stderr, code := inImage(root, "uninstall", "boot", "--yes"); code != 0 {
		t.Errorf("uninstall: %d\n%s", code, stderr)
	}
	if left, err := os.ReadDir(filepath.Join(root, "usr/lib/dracut/modules.d/55coppice")); err == nil && len(left) > 0 {
		t.Errorf("something is left of dracut's module: %v", left)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/coppice/inputs/boot-rollback.yaml")); err != nil {
		t.Error("the inputs are gone")
	}
	if _, _, code := inImage(root, "uninstall", "boot", "--yes"); code != exitUsage {
		t.Errorf("uninstalled twice: %d", code)
	}
}

func TestInstallBootMistakes(t *testing.T) {
	root := imageWith(t, "usr/bin/dracut")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--program", "/opt/my tools/coppice"}, exitUsage, "can't stand in units and scripts"},
		{[]string{"--program", "coppice"}, exitUsage, "is no absolute path"},
		{[]string{"--program", "/x", "--confirm-after", "soon"}, exitUsage, "is no time such as 3min"},
		{[]string{"--program", "/x", "--initrd", "lilo"}, exitUsage, "dracut, initramfs-tools or mkinitcpio"},
		{[]string{"--program", "/x", "-i", "rot=x"}, exitInvalid, `did you mean "root"?`},
	} {
		_, stderr, code := inImage(root, append([]string{"install", "boot", "--yes"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %d\n%s", c.args, code, stderr)
		}
	}
	persist := filepath.Join(root, "etc/coppice/inputs/boot-persist.yaml")
	if err := os.MkdirAll(filepath.Dir(persist), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"paths: [/etc/ssh, /persist/x]\n": "/persist/x and /persist lie in each other",
		"path: [/etc/ssh]\n":              `boot-persist.yaml:1:1: playbook boot-persist has no input "path"`,
		"paths: [ssh]\n":                  "is no",
	} {
		if err := os.WriteFile(persist, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := inImage(root, "install", "boot", "--yes", "--program", "/x"); code != exitUsage && code != exitInvalid || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d\n%s", text, code, stderr)
		}
	}
}

func TestInstallBootOnNixOS(t *testing.T) {
	root := imageWith(t, "etc/NIXOS")
	out, stderr, code := inImage(root, "install", "boot", "-i", "filesystem=LABEL=tank", "-i", "reset=cache,tmp", "-i", "acknowledge=etc/machine-id")
	want := `{
  services.coppice.bootRollback = {
    enable = true;
    filesystem = "LABEL=tank";
    root = "root";
    blank = "";
    archive = "old_roots";
    reset = [ "cache" "tmp" ];
    acknowledge = [ "etc/machine-id" ];
    fallBack = 3;
  };
}
`
	if code != 0 || out != want || !strings.Contains(stderr, "this is NixOS") {
		t.Errorf("%d\n%s%s", code, out, stderr)
	}
	if all, err := os.ReadDir(filepath.Join(root, "etc")); err != nil || len(all) != 1 {
		t.Errorf("something was written: %v %v", all, err)
	}
}

// TestInstallBoot installs on a running machine, which is asked first what it would lose.
func TestInstallBoot(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	m := pid1.Start(t, pid1.Options{Devices: fs.Loop, Binds: map[string]string{"/opt/coppice": self, "/mnt/server": fs.Mount},
		Files: map[string]string{"/etc/ssh/ssh_host_ed25519_key": "key\n", "/etc/kernel/postinst.d/initramfs-tools": ""}})
	sh := func(script string) {
		t.Helper()
		m.Must(t, "sh", "-e", "-c", script)
	}
	// call runs coppice, and expects an exit code and words.
	call := func(code int, want string, args ...string) {
		t.Helper()
		out, got := m.Run(append([]string{"/opt/coppice"}, args...)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s", args, got, code, want, out)
		}
	}
	sh(`systemctl start basic.target; btrfs -q subvolume create /mnt/server/root; btrfs -q subvolume create /mnt/server/persist
		mkdir -p /mnt/server/root/etc/ssh /mnt/server/root/usr/lib/modules/$(uname -r) /mnt/server/root/sbin; echo key >/mnt/server/root/etc/ssh/ssh_host_ed25519_key
		touch /mnt/server/root/sbin/init`)
	install := []string{"install", "boot", "--yes", "--initrd", "initramfs-tools", "-i", "filesystem=/mnt/server", "-i", "blank=blank"}
	const script = "/etc/initramfs-tools/scripts/local-premount/coppice"
	untouched := func() {
		t.Helper()
		if _, code := m.Run("test", "-e", script); code == 0 {
			t.Error("something was written")
		}
	}

	call(exitInvalid, `there is no subvolume "blank"`, install...)
	untouched()
	call(1, "makes this machine the one it is: etc/ssh/ssh_host_ed25519_key", append(install, "-i", "blank=")...)
	call(0, "", "boot", "diff", "-i", "filesystem=/mnt/server", "--acknowledge", "--yes")
	call(1, "the next boot would refuse to roll back: an empty root has no operating system", append(install, "-i", "blank=")...)
	untouched()

	call(0, "", "boot", "rebase", "--yes", "-i", "filesystem=/mnt/server", "-i", "blank=blank")
	sh("mkdir -p /mnt/server/root/state")
	out, code := m.Run(append([]string{"env", "COPPICE_STATE_DIR=/mnt/server/root/state", "/opt/coppice"}, install...)...)
	if code != 1 || !strings.Contains(out, "/mnt/server/root/state is on the subvolume root, which each boot replaces") {
		t.Errorf("state on the root: %d\n%s", code, out)
	}

	sh("mkdir -p /etc/coppice/inputs; printf 'on: /mnt/server/persist\\npaths: [/etc/ssh]\\n' >/etc/coppice/inputs/boot-persist.yaml")
	copied := "mkdir -p /mnt/server/persist/etc && cp -a --reflink=auto /etc/ssh /mnt/server/persist/etc/"
	call(1, copied, install...)
	untouched()
	sh(copied)
	call(0, "started: coppice-boot-confirm.timer", install...)
	m.Must(t, "test", "-x", script)
	m.Must(t, "systemctl", "is-enabled", "coppice-boot-confirm.timer", "etc-ssh.mount")
	sh("rm /etc/ssh/*; systemctl start etc-ssh.mount; grep -qx key /etc/ssh/ssh_host_ed25519_key")
	call(0, "nothing to do", install...)
	call(0, "the initrd of this boot has not run boot-rollback\n", "boot", "status")
	sh(`printf '{"version":"0.0.1","inputs":"x","boot":"%s"}' $(cat /proc/sys/kernel/random/boot_id) >/run/coppice/boot-image.json`)
	call(0, "the initrd has coppice 0.0.1, and ", "boot", "status")

	t.Run("offer", func(t *testing.T) {
		offer := func(want string) {
			t.Helper()
			out, code := m.Run("/opt/coppice", "boot", "rebase", "--offer")
			if code != 0 || (want == "") != (out == "") || !strings.Contains(out, want) {
				t.Errorf("exit code %d, want %q\n%s", code, want, out)
			}
		}
		offer("")
		sh("mkdir -p /var/lib/dpkg; touch -d '1 hour ago' /var/lib/dpkg/status")
		offer("")
		sh("touch -d 'now + 5 seconds' /var/lib/dpkg/status")
		offer("is gone after the next boot, unless the blank has it: coppice boot rebase")
		sh("systemctl stop etc-ssh.mount; mv /etc/coppice/inputs/boot-rollback.yaml /run/")
		offer("")
		sh("mv /run/boot-rollback.yaml /etc/coppice/inputs/")
	})

	call(0, "update-initramfs -u -k all", "uninstall", "boot", "--yes")
	untouched()
	if out, code := m.Run("systemctl", "is-active", "coppice-boot-confirm.timer"); code == 0 {
		t.Errorf("the timer is %s", out)
	}
	if out, code := m.Run("ls", "/etc/systemd/system/etc-ssh.mount"); code == 0 {
		t.Errorf("it is there still: %s", out)
	}
}
