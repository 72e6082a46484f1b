package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// beside are units that an initrd has and this machine's systemd package has not: what its generators make, and dracut's.
var beside = []install.File{
	{Path: "/etc/systemd/system/sysroot.mount", Mode: 0o644, Content: `[Unit]
Before=initrd-root-fs.target
After=local-fs-pre.target systemd-fsck-root.service
Requires=systemd-fsck-root.service
DefaultDependencies=no
[Mount]
Where=/sysroot
What=/dev/disk/by-uuid/1b1b0000-aaaa-bbbb-cccc-0123456789ab
Options=subvol=root
`},
	{Path: "/etc/systemd/system/dracut-pre-mount.service", Mode: 0o644, Content: `[Unit]
DefaultDependencies=no
Before=initrd-root-fs.target sysroot.mount systemd-fsck-root.service
After=cryptsetup.target
[Service]
Type=oneshot
ExecStart=/usr/bin/true
`},
	{Path: "/etc/systemd/system/dracut-mount.service", Mode: 0o644, Content: `[Unit]
After=initrd-root-fs.target initrd-parse-etc.service dracut-pre-mount.service
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/usr/bin/true
`},
	{Path: "/etc/systemd/system/systemd-hibernate-resume.service", Mode: 0o644, Content: `[Unit]
DefaultDependencies=no
Wants=local-fs-pre.target
Before=local-fs-pre.target
[Service]
Type=oneshot
ExecStart=/usr/bin/true
`},
}

// verify makes systemd look at units below a folder that has all of this machine's, and returns what it finds wrong.
func verify(t *testing.T, files []install.File, unit string) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		need.Missing(t, "systemd", "needs systemd-analyze")
	}
	const system = "/usr/lib/systemd/system"
	if _, err := os.Stat(system + "/initrd.target"); err != nil {
		need.Missing(t, "systemd", "needs systemd's own units: "+err.Error())
	}
	root := t.TempDir()
	for _, dir := range []string{root + "/usr/lib/systemd", root + "/usr/local/bin", root + "/usr/bin"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", "-a", system, root+system).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	put(t, root, files)
	// What units start must be there, or systemd tells so.
	out, err := exec.Command("sh", "-c", `grep -rhoE '^Exec[A-Za-z]+=[-@:+!|]*/[^ ]+' "$1" | sed 's/^[^/]*//' | sort -u`, "sh", root).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range strings.Fields(string(out) + " /usr/bin/coppice /usr/local/bin/coppice") {
		at := filepath.Join(root, program)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wrong, _ := exec.Command("systemd-analyze", "verify", "--man=no", "--root="+root, unit).CombinedOutput()
	return string(wrong)
}

// inImage are the files of an initrd with the unit in it, as dracut's module installs it.
func inImage(t *testing.T, change func(unit string) string) []install.File {
	t.Helper()
	files, err := Files(example(Dracut))
	if err != nil {
		t.Fatal(err)
	}
	image := append([]install.File{}, beside...)
	for _, f := range files {
		if strings.HasSuffix(f.Path, "/"+RollbackService) {
			image = append(image, install.File{Path: units + RollbackService, Mode: 0o644, Content: change(f.Content)},
				install.File{Path: units + "initrd.target.wants/" + RollbackService, Mode: os.ModeSymlink | 0o777, Content: "../" + RollbackService})
		}
	}
	if len(image) != len(beside)+2 {
		t.Fatal("no unit among dracut's files")
	}
	return image
}

// TestInitrdUnit: systemd finds no mistake in the unit, and no circle in the order of the initrd's units with it.
func TestInitrdUnit(t *testing.T) {
	same := func(unit string) string { return unit }
	for _, unit := range []string{RollbackService, "initrd.target"} {
		if wrong := verify(t, inImage(t, same), unit); wrong != "" {
			t.Errorf("%s:\n%s", unit, wrong)
		}
	}
	// This would be seen: repart comes after the mount of /usr.
	circle := func(unit string) string {
		return strings.Replace(unit, "[Service]", "After=systemd-repart.service\nBefore=initrd-usr-fs.target\nAfter=initrd-usr-fs.target\n[Service]", 1)
	}
	if wrong := verify(t, inImage(t, circle), "initrd.target"); !strings.Contains(wrong, "cycle") {
		t.Errorf("a circle was not found:\n%s", wrong)
	}
}

// TestWaits: the unit waits for the device that is named, or for the initrd's own idea of it, and comes before the root is mounted.
func TestWaits(t *testing.T) {
	for root, want := range map[string]string{
		"UUID=1b1b-22":        "\nWants=dev-disk-by\\x2duuid-1b1b\\x2d22.device\nAfter=dev-disk-by\\x2duuid-1b1b\\x2d22.device\nAfter=initrd-root-device.target\n",
		"/dev/mapper/crypted": "\nWants=dev-mapper-crypted.device\nAfter=dev-mapper-crypted.device\nAfter=initrd-root-device.target\n",
		"":                    "are.\nAfter=initrd-root-device.target\n",
	} {
		o := example(Mkinitcpio)
		o.Root = root
		files, err := Files(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Path, RollbackService) && !strings.Contains(f.Content, want) {
				t.Errorf("%q: no %q in\n%s", root, want, f.Content)
			}
		}
	}
}

func TestConfirmUnits(t *testing.T) {
	files, err := Files(example(InitramfsTools))
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{ConfirmService, ConfirmTimer, "timers.target"} {
		if wrong := verify(t, files, unit); wrong != "" {
			t.Errorf("%s:\n%s", unit, wrong)
		}
	}
}

func TestPersistUnits(t *testing.T) {
	o := example(InitramfsTools)
	o.Persist = Persist{On: "/persist", Paths: []string{"/var/lib/tailscale", "/etc/ssh", "/etc/machine-id"}}
	files, err := Files(o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f.Path, ".mount") && !f.IsLink() {
			names = append(names, filepath.Base(f.Path))
		}
	}
	if got := strings.Join(names, " "); got != `etc-machine\x2did.mount etc-ssh.mount var-lib-tailscale.mount` {
		t.Errorf("got %s", got)
	}
	// Where /persist comes from, as fstab has it.
	files = append(files, install.File{Path: units + "persist.mount", Mode: 0o644, Content: "[Mount]\nWhat=/dev/vda\nWhere=/persist\nOptions=subvol=persist\n"})
	for _, unit := range append(names, "local-fs.target") {
		if wrong := verify(t, files, unit); wrong != "" {
			t.Errorf("%s:\n%s", unit, wrong)
		}
	}
	for name, bad := range map[string]Persist{
		"relative":  {"/persist", []string{"etc/ssh"}},
		"root":      {"/persist", []string{"/"}},
		"space":     {"/persist", []string{"/my files"}},
		"specifier": {"/persist", []string{"/x%n"}},
		"line":      {"/persist", []string{"/x\nExec=y"}},
		"dots":      {"/persist", []string{"/etc/../x"}},
		"itself":    {"/persist", []string{"/persist"}},
		"inside":    {"/persist", []string{"/persist/etc"}},
		"around":    {"/var/persist", []string{"/var"}},
		"twice":     {"/persist", []string{"/etc/ssh", "/etc/ssh"}},
		"on":        {"persist", []string{"/etc/ssh"}},
		"on root":   {"/", []string{"/etc/ssh"}},
	} {
		o.Persist = bad
		if _, err := Files(o); err == nil {
			t.Errorf("%s: %+v is taken", name, bad)
		}
	}
}

// TestApt: apt understands what it is told.
func TestApt(t *testing.T) {
	if _, err := exec.LookPath("apt-config"); err != nil {
		t.Log("there is no apt here, which only Debian's own has to understand it")
		return
	}
	o := example(InitramfsTools)
	o.Apt = true
	files, err := Files(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, files)
	c := exec.Command("apt-config", "dump", "--format", "%F=%v%n", "DPkg::Post-Invoke")
	c.Env = append(os.Environ(), "APT_CONFIG="+dir+"/etc/apt/apt.conf.d/90coppice-rebase")
	out, err := c.CombinedOutput()
	if want := "if [ -x /usr/local/bin/coppice ]; then /usr/local/bin/coppice boot rebase --offer || true; fi"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}
