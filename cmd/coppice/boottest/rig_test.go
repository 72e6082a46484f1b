package boottest

import (
	"encoding/json"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	install "github.com/hbohlen/coppice/cmd/coppice/install/boot"
	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

const (
	program = "/usr/bin/coppice"
	configs = "/etc/coppice"
	inputs  = "blank: blank\n" // of boot-rollback
	device  = "LABEL=tank"
	// root are the kernel's parameters of a machine whose root is rolled back.
	root = "root=" + device + " rootfstype=btrfs rootflags=subvol=root"
)

// count tells who reads the log how many machines were switched on, and how many restored in their initrd.
func count(t testing.TB, on, restored int) {
	t.Helper()
	tally.Add(t, "%d boots from power on, and %d of a machine that was saved in its initrd, before it had found a disk", on, restored)
}

// coppice is the program, a file of the host's.
func coppice(t testing.TB) string {
	t.Helper()
	return vmtest.Build(t, "github.com/hbohlen/coppice/cmd/coppice")
}

// installed are the files that coppice installs for a generator of initrds, those for the image with coppice and its inputs.
func installed(t testing.TB, g install.Generator) []vmtest.File {
	t.Helper()
	files, err := install.Files(install.Options{Initrd: g, Program: program, Configs: configs, Root: device, ConfirmAfter: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	all := []vmtest.File{{Path: program, From: coppice(t)}, {Path: configs + "/inputs/boot-rollback.yaml", Content: inputs}}
	for _, f := range files {
		file := vmtest.File{Path: f.Path, Content: f.Content, Executable: f.Mode&0o100 != 0}
		if f.Mode&fs.ModeSymlink != 0 {
			file = vmtest.File{Path: f.Path, Link: f.Content}
		}
		all = append(all, file)
	}
	return all
}

// initrd is an initrd of the kind, with coppice in it as it is installed.
func initrd(t testing.TB, b vmtest.Base, kind vmtest.Kind, more ...vmtest.File) string {
	t.Helper()
	if kind != vmtest.Systemd {
		return vmtest.Overlay(t, vmtest.GetInitrd(t, b, kind, installed(t, install.Generator(kind))...), more...)
	}
	// The unit of dracut's, as a module of NixOS' has it too.
	const units = "/usr/lib/systemd/system/"
	for _, f := range installed(t, install.Dracut) {
		switch filepath.Base(f.Path) {
		case install.RollbackService:
			more = append(more, vmtest.File{Path: units + install.RollbackService, Content: f.Content},
				vmtest.File{Path: units + "initrd.target.wants/" + install.RollbackService, Link: "../" + install.RollbackService})
		case "coppice", "boot-rollback.yaml":
			more = append(more, f)
		}
	}
	return vmtest.Overlay(t, vmtest.GetInitrd(t, b, kind), more...)
}

// prepared is the disk of a machine on which coppice was installed: with a blank, and the subvolume persist.
var prepared struct {
	sync.Mutex
	disk string
}

// newDisk makes a disk of a machine whose next boot will be rolled back for the first time.
func newDisk(t testing.TB, b vmtest.Base) string {
	t.Helper()
	prepared.Lock()
	defer prepared.Unlock()
	if prepared.disk == "" {
		prepare(t, b)
	}
	return layer(t, prepared.disk)
}

// layer makes a disk that is as another one, which is not written to any more.
func layer(t testing.TB, below string) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", disk).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a disk: %v\n%s", err, out)
	}
	return disk
}

// prepare does what an administrator does, on a machine that runs.
func prepare(t testing.TB, b vmtest.Base) {
	t.Helper()
	disk := filepath.Join(work, "prepared.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", b.Disk, "-F", "raw", disk).CombinedOutput(); err != nil {
		t.Fatalf("cannot make a disk: %v\n%s", err, out)
	}
	m := vmtest.Start(t, vmtest.Options{Base: b, Disk: disk, Payload: map[string]string{"coppice": coppice(t)}})
	m.Must("sh", "-ec", `install -m 755 /run/coppice-test/coppice `+program+`
		mount -o subvolid=5 /dev/vda /mnt
		btrfs -q subvolume create /mnt/persist
		umount /mnt
		mkdir /persist
		echo "LABEL=tank /persist btrfs subvol=persist 0 0" >>/etc/fstab`)
	for _, f := range installed(t, install.Dracut) {
		switch {
		case f.Link != "":
			m.Must("sh", "-ec", `mkdir -p "$(dirname "$1")"; ln -s "$2" "$1"`, "sh", f.Path, f.Link)
		case f.From == "":
			m.Write(f.Path, f.Content)
		}
	}
	m.Must(program, "boot", "rebase", "--yes")
	m.PowerOff()
	prepared.disk = disk
	count(t, 1, 0)
}

// status is what coppice says about the boots.
func status(t testing.TB, m *vmtest.Machine) boot.StatusOutput {
	t.Helper()
	var document struct{ Boot boot.StatusOutput }
	out := m.Must(program, "boot", "status", "--json")
	if err := json.Unmarshal([]byte(out), &document); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return document.Boot
}

// until runs a command in the machine until it succeeds.
func until(t testing.TB, m *vmtest.Machine, argv ...string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		out, code := m.Run(argv...)
		if code == 0 {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still exit code %d\n%s", strings.Join(argv, " "), code, out)
		}
	}
}

// arrive waits until the machine has mounted what it mounts.
func arrive(t testing.TB, m *vmtest.Machine) {
	t.Helper()
	m.Await("root")
	m.Must("systemctl", "start", "local-fs.target") // it is being started, and this waits for it
}

// top executes a script at the filesystem's top level.
func top(m *vmtest.Machine, script string) string {
	return m.Must("sh", "-ec", "mountpoint -q /mnt || mount -o subvolid=5 /dev/vda /mnt; cd /mnt\n"+script)
}

// reboot shuts the machine down as for a reboot. The next one is started by the caller.
func reboot(m *vmtest.Machine) {
	m.Run("systemctl", "reboot", "--no-block") // the answer may come no more
	m.AwaitEnd()
}
