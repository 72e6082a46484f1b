package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// scripts are all that a shell reads, by name.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, g := range Generators {
		files, err := Files(example(g))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasPrefix(f.Content, "#!") {
				all[string(g)+" "+filepath.Base(f.Path)+" "+filepath.Base(filepath.Dir(f.Path))] = f.Content
			}
		}
	}
	return all
}

// TestShells: every shell that may read a script can, and shellcheck finds nothing to say.
func TestShells(t *testing.T) {
	all := scripts(t)
	if len(all) != 6 {
		t.Fatalf("there are %d scripts", len(all))
	}
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			shells, dialect := [][]string{{"sh", "-n"}, {"dash", "-n"}, {"bash", "-n"}}, "dash"
			if strings.HasPrefix(text, "#!/bin/bash") {
				shells, dialect = [][]string{{"bash", "-n"}}, "bash"
			}
			for _, shell := range shells {
				if out, err := exec.Command(shell[0], append(shell[1:], file)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", shell[0], err, out)
				}
			}
			if _, err := exec.LookPath("shellcheck"); err != nil {
				need.Missing(t, "shellcheck", "needs shellcheck")
			}
			if out, err := exec.Command("shellcheck", "--shell="+dialect, file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("shellcheck: %v\n%s", err, out)
			}
		})
	}
}

// bash runs a script with the functions that a generator has, and returns what it prints.
func bash(t *testing.T, text string) string {
	t.Helper()
	out, err := exec.Command("bash", "-c", "set -u\n"+text).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// TestDracutCheck: the module goes into the initrds that it is for, and into no other.
func TestDracutCheck(t *testing.T) {
	module := scripts(t)["dracut module-setup.sh 55coppice"]
	const btrfs = `declare -A host_fs_types=([/dev/a]=ext4 [/dev/b]=btrfs); `
	const none = `declare -A host_fs_types=([/dev/a]=ext4); `
	for _, c := range []struct{ given, want string }{
		{"", "0"},
		{"hostonly=yes; " + btrfs, "0"},
		{"hostonly=yes; " + none, "255"},
		{none, "0"},
		{"IN_KDUMP=1", "1"},
		{`add_dracutmodules="x kdumpbase y"`, "1"},
		{`dracutmodules="kdump"`, "1"},
		{`add_dracutmodules="nokdump"`, "0"},
		{"mount_needs=1", "1"},
		{"present=false", "1"},
	} {
		got := bash(t, "present=true; require_binaries() { [ \"$1\" = /usr/local/bin/coppice ] && $present; }\n"+c.given+"\n"+module+"\ncheck; echo $?\n")
		if got != c.want+"\n" {
			t.Errorf("%s: check returns %q, want %s", c.given, got, c.want)
		}
	}
}

// TestDracutInstall: with systemd the unit, without it the hook.
func TestDracutInstall(t *testing.T) {
	module := scripts(t)["dracut module-setup.sh 55coppice"]
	const dracut = `
say() { echo "$*"; }
inst_binary() { say binary "$@"; }; inst_multiple() { say multiple "$@"; }; inst_simple() { say simple "$@"; }
inst_hook() { say hook "$@"; }; instmods() { say modules "$@"; }; SYSTEMCTL="say systemctl"
moddir=/m; initdir=/i; systemdsystemunitdir=/u
`
	const copied = "binary /usr/local/bin/coppice /usr/bin/coppice\n" +
		"multiple -o /etc/coppice/inputs/boot-rollback.yaml /etc/coppice/playbooks/boot-rollback.yaml /etc/coppice/hold\n"
	got := bash(t, dracut+"dracut_module_included() { [ \"$1\" = systemd ]; }\n"+module+"\ninstall; installkernel\n")
	want := copied + "simple /m/coppice-boot-rollback.service /u/coppice-boot-rollback.service\n" +
		"systemctl -q --root /i add-wants initrd.target coppice-boot-rollback.service\nmodules btrfs\n"
	if got != want {
		t.Errorf("with systemd:\n%s", got)
	}
	got = bash(t, dracut+"dracut_module_included() { false; }\n"+module+"\ninstall\n")
	if want := copied + "hook pre-mount 20 /m/coppice-boot-rollback.sh\n"; got != want {
		t.Errorf("without:\n%s", got)
	}
}

// TestMkinitcpioBuild: with the hook systemd the unit, else the script.
func TestMkinitcpioBuild(t *testing.T) {
	install := scripts(t)["mkinitcpio coppice install"]
	const mkinitcpio = `
add_module() { echo module "$@"; }; add_binary() { echo binary "$@"; }; add_file() { echo file "$@"; }
add_symlink() { echo link "$@"; }; add_runscript() { echo script; }
`
	const common = "module btrfs\nbinary /usr/local/bin/coppice /usr/bin/coppice\n"
	if got := bash(t, mkinitcpio+install+"\nbuild\n"); got != common+"script\n" {
		t.Errorf("without systemd:\n%s", got)
	}
	got := bash(t, mkinitcpio+"add_systemd_unit() { :; }\n"+install+"\nbuild\n")
	want := common + "file /etc/initcpio/coppice-boot-rollback.service /usr/lib/systemd/system/coppice-boot-rollback.service\n" +
		"link /usr/lib/systemd/system/initrd.target.wants/coppice-boot-rollback.service ../coppice-boot-rollback.service\n"
	if got != want {
		t.Errorf("with systemd:\n%s", got)
	}
}

// TestOrder: initramfs-tools asks a script what comes before it; the btrfs devices, and a machine that resumes.
func TestOrder(t *testing.T) {
	for name, want := range map[string]string{"initramfs-tools coppice local-premount": "btrfs resume\n", "initramfs-tools coppice hooks": "\n"} {
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(scripts(t)[name]), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", file, "prereqs").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v; want %q", name, out, err, want)
		}
	}
}
