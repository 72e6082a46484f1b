package nixos

import (
	"strings"
	"testing"
)

// Each mistake yields its message, and it alone. A mistake is a change of the good configuration.
func TestMistakes(t *testing.T) {
	const root = `fileSystems."/".options = lib.mkForce `
	cases := []struct{ name, change, want string }{
		{"a playbook that is not shipped", `services.coppice.playbooks.snapshot-rotatoin = { };`,
			`services.coppice.playbooks.snapshot-rotatoin: coppice has no playbook of that name, only "backup", "boot-cleanup",`},
		{"the boot's as a service", `services.coppice.playbooks.boot-rollback = { };`, "services.coppice.playbooks.boot-rollback: it runs in the initrd"},
		{"a name that is none", `services.coppice.playbooks."My Playbook".file = "/srv/x.yaml";`, "the name of a playbook has small letters"},
		{"an unknown input", `services.coppice.playbooks.snapshot-rotation.inputs.retentoin = "14d";`,
			`services.coppice.playbooks.snapshot-rotation: the playbook has no input "retentoin", only "alertmanager",`},
		{"an unknown secret", `services.coppice.playbooks.snapshot-rotation.secrets.token = "/run/secrets/x";`, `the playbook has no input "token"`},
		{"an input that is missing", `services.coppice.playbooks.backup.inputs = lib.mkForce { };`,
			`services.coppice.playbooks.backup: the playbook needs the input "target"`},
		{"a secret for all to read", `services.coppice.playbooks.backup.inputs.notify_url = "ntfy://ntfy.sh/x";`,
			`services.coppice.playbooks.backup.inputs: "notify_url" is secret, and everybody can read the store`},
		{"an input given twice", `services.coppice.playbooks.nightly = { inputs.x = 1; secrets.x = "/run/x"; };`, `"x" is given twice`},
		{"an input that can't be one", `services.coppice.playbooks.nightly.secrets."a b" = "/run/x";`, `"a b" is no name of an input`},
		{"a secret in the store", `services.coppice.playbooks.nightly.secrets.x = "` + store + `secret";`,
			`services.coppice.playbooks.nightly.secrets: the file of "x" is in the store`},
		{"another name in the file", `services.coppice.playbooks.weekly.file = ./testdata/nightly.yaml;`,
			`services.coppice.playbooks.weekly.file: the playbook in it has another name ("nightly")`},

		{"a scripted initrd", `boot.initrd.systemd.enable = lib.mkForce false;`, "needs boot.initrd.systemd.enable = true"},
		{"another filesystem", `fileSystems."/".fsType = lib.mkForce "ext4";`, `fileSystems."/" must be a btrfs`},
		{"no subvolume", root + `[ "noatime" ];`, `fileSystems."/" must have the option "subvol=root"`},
		{"another subvolume", `services.coppice.bootRollback.root = "@";`,
			`fileSystems."/" must have the option "subvol=@", the same as services.coppice.bootRollback.root; it has subvol=root`},
		{"by its id", root + `[ "subvol=root" "subvolid=256" ];`, `fileSystems."/" has subvolid=`},
		{"a path as the filesystem", `services.coppice.bootRollback.filesystem = "/persist";`, "in the initrd nothing is mounted yet"},
		{"nix on the root", `fileSystems."/nix".options = lib.mkForce [ "subvol=root/nix" ];`, "/nix lies on a subvolume that is replaced"},
		{"nix on what nobody knows", `fileSystems."/nix".options = lib.mkForce [ "subvolid=300" ];`, "/nix lies on a subvolume that is replaced"},
		{"nix on what is reset", `services.coppice.bootRollback.reset = [ "nix" ];`, "/nix lies on a subvolume that is replaced"},
		{"boot on the root", `fileSystems."/boot" = { device = lib.mkForce "/srv/boot"; fsType = lib.mkForce "none"; options = [ "bind" ]; };`,
			"/boot lies on a subvolume that is replaced"},
		{"the loader's partition elsewhere", `boot.loader.systemd-boot.enable = true; boot.loader.efi.efiSysMountPoint = "/efi";`,
			"/efi lies on a subvolume that is replaced"},
		{"what stays does not", `services.coppice.bootRollback.persist = [ "/persist" "/keep" ];`, `persist: "/keep" lies on a subvolume that is replaced ("root", "cache", "tmp")`},
		{"what stays comes late", `fileSystems."/persist".neededForBoot = lib.mkForce false;`, `Set neededForBoot = true for fileSystems of "/persist"`},
		{"records on the root", `fileSystems."/var/lib/coppice".device = lib.mkForce "/srv/coppice";`,
			"/var/lib/coppice, where coppice has records of runs, lies on a subvolume that is replaced"},
		{"the archive in the root", `services.coppice.bootRollback.archive = "root/old";`, "the archive and the blank can't lie in what is replaced"},
		{"the blank in what is reset", `services.coppice.bootRollback.blank = "tmp/blank";`, "the archive and the blank can't lie in what is replaced"},
	}
	var changes []string
	for _, c := range cases {
		changes = append(changes, changed(c.change))
	}
	all, err := evaluate(t, changes...)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if failed := all[i].Failed; len(failed) != 1 || !strings.Contains(failed[0], c.want) {
			t.Errorf("%s: want %q, got %q", c.name, c.want, failed)
		}
	}
}

// What has the wrong type, or does not exist, does not even come so far.
func TestTypes(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{`services.coppice.playbook.backup = { };`, "The option `services.coppice.playbook' does not exist"},
		{`services.coppice.playbooks.backup.schedule = "daily";`, "The option `services.coppice.playbooks.backup.schedule' does not exist"},
		{`services.coppice.playbooks.backup.persistent = "yes";`, "`services.coppice.playbooks.backup.persistent' is not of type `boolean'"},
		{`services.coppice.playbooks.backup.secrets.notify_url = ./testdata/nightly.yaml;`, "`services.coppice.playbooks.backup.secrets.notify_url' is not of type"},
		{`services.coppice.bootRollback.fallBack = -1;`, "`services.coppice.bootRollback.fallBack' is not of type `unsigned integer, meaning >=0'"},
		{`services.coppice.bootRollback.root = "/root";`, "`services.coppice.bootRollback.root' is not of type"},
		{`services.coppice.bootRollback.confirm.unit = "sshd.service";`, "The option `services.coppice.bootRollback.confirm.unit' does not exist"},
	} {
		if _, err := evaluate(t, changed(c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\nwant %q, got %v", c.change, c.want, err)
		}
	}
}

// What is right in spite of appearances.
func TestNoMistakes(t *testing.T) {
	cases := map[string]string{
		"disabled":                       `services.coppice.enable = lib.mkForce false; boot.initrd.systemd.enable = lib.mkForce false;`,
		"no rollback, any root":          `services.coppice.bootRollback.enable = lib.mkForce false; fileSystems."/".fsType = lib.mkForce "ext4";`,
		"a mistake that is switched off": `services.coppice.playbooks.oops.enable = false;`,
		"a slash in front":               `fileSystems."/".options = lib.mkForce [ "subvol=/root" ];`,
		"bind mounts of bind mounts":     `fileSystems."/var/lib/coppice".device = lib.mkForce "/srv/state"; fileSystems."/srv/state" = { device = "/persist/state"; options = [ "rbind" ]; };`,
		"a name that only begins alike":  `fileSystems."/nix".options = lib.mkForce [ "subvol=root-nix" ];`,
		"another disk's root":            `fileSystems."/nix" = { device = lib.mkForce "/dev/sdb"; options = lib.mkForce [ "subvol=root" ]; };`,
		"the store alone":                `fileSystems."/nix/store" = { device = "/dev/sdb"; fsType = "ext4"; }; fileSystems."/nix".options = lib.mkForce [ "subvol=nix" ];`,
		"a label":                        `services.coppice.bootRollback.filesystem = "LABEL=server";`,
		"text as a file":                 `services.coppice.playbooks.weekly.file = "/srv/weekly.yaml";`,
		"hold":                           `services.coppice.hold = true;`,
	}
	var changes []string
	for _, name := range sorted(cases) {
		changes = append(changes, changed(cases[name]))
	}
	all, err := evaluate(t, changes...)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range sorted(cases) {
		if len(all[i].Failed) > 0 {
			t.Errorf("%s: %q", name, all[i].Failed)
		}
	}
}

// The hold switch is in the initrd too.
func TestHold(t *testing.T) {
	e := evaluateOne(t, changed("services.coppice.hold = true;"))
	if _, ok := e.Etc["coppice/hold"]; !ok {
		t.Error("not in /etc")
	}
	if _, ok := e.Contents["/etc/coppice/hold"]; !ok {
		t.Error("not in the initrd")
	}
}

// changed is the good configuration with something else in it.
func changed(change string) string {
	return "{ lib, ... }: { imports = [ " + server + " ]; " + change + " }"
}
