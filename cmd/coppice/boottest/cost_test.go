package boottest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// TestCost measures what a rollback adds to a boot: for a root as it is installed and no archive, and for one with a million files, with
// subvolumes in it, and 30 archives. It asserts nothing, and runs if COPPICE_TEST_COST is how often: the medians are of so many boots.
func TestCost(t *testing.T) {
	times := int(number(t, "COPPICE_TEST_COST", 0))
	if times == 0 {
		return // it would only take time: there is nothing that could fail
	}
	base := vmtest.GetBase(t)
	small := newDisk(t, base)
	large := largeDisk(t, base)
	o := vmtest.Options{Base: base, Root: root, Initrd: initrd(t, base, vmtest.Systemd)}
	for _, disk := range []struct{ name, file string }{{"a small root, no archives", small}, {"a million files, 10 nested subvolumes, 30 archives", large}} {
		spent := map[string][]time.Duration{}
		for range times {
			for _, with := range []string{"off", "on"} { // by turns: what else the host does is the same for both
				o.Disk, o.Append = layer(t, disk.file), ""
				if with == "off" {
					o.Append = "coppice.rollback=0"
				}
				m := vmtest.Boot(t, o)
				arrive(t, m)
				stamp := func(name string) time.Duration {
					us, err := strconv.Atoi(strings.TrimSpace(m.Must("systemctl", "show", "--value", "-p", name+"TimestampMonotonic")))
					if err != nil {
						t.Fatal(err)
					}
					return time.Duration(us) * time.Microsecond
				}
				spent["initrd, rollback "+with] = append(spent["initrd, rollback "+with], stamp("Userspace")-stamp("InitRD"))
				if s := status(t, m); with == "on" && (s.LastBoot != s.Boot || s.LastResult != "rolled-back") || with == "off" && s.LastBoot == s.Boot {
					t.Errorf("rollback %s: %+v", with, s)
				}
				if with == "on" {
					log := m.Must("journalctl", "--no-pager", "-b", "-o", "cat", "--identifier=coppice", "-g", "boot-rollback: succeeded")
					fields := strings.Fields(log)
					took, err := time.ParseDuration(fields[len(fields)-1])
					if err != nil {
						t.Fatalf("%v: %s", err, log)
					}
					spent["the run itself"] = append(spent["the run itself"], took)
				}
				m.Cut()
			}
		}
		load, _ := os.ReadFile("/proc/loadavg")
		for _, name := range []string{"initrd, rollback off", "initrd, rollback on", "the run itself"} {
			all := spent[name]
			slices.Sort(all)
			t.Logf("%s: %s: median %v of %d (%v to %v); load %s", disk.name, name, all[len(all)/2].Round(10*time.Millisecond), len(all),
				all[0].Round(10*time.Millisecond), all[len(all)-1].Round(10*time.Millisecond), strings.Join(strings.Fields(string(load))[:3], " "))
		}
	}
}

// largeDisk makes a disk of a machine that was rolled back 30 times, and whose root has a million files and 10 subvolumes in it now.
func largeDisk(t *testing.T, b vmtest.Base) string {
	t.Helper()
	r := newMachine(t, b, newDisk(t, b))
	for range 30 {
		r.Machine = vmtest.Restore(t, r.o, r.state)
		r.restored++
		r.Go()
		r.Await("root")
		r.cut()
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "large")
	sh := func(command string, args ...string) {
		t.Helper()
		if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", command, args, err, out)
		}
	}
	sh("qemu-img", "convert", "-O", "raw", r.o.Disk, image)
	sh("truncate", "-s", "8G", image)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	loop, err := loopfs.Attach(f, image)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	at := filepath.Join(dir, "at")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	sh("mount", "-t", "btrfs", loop.Name(), at)
	sh("btrfs", "-q", "filesystem", "resize", "max", at)
	for n := range 10 {
		sh("btrfs", "-q", "subvolume", "create", fmt.Sprintf("%s/root/srv/nested%d", at, n))
	}
	started := time.Now()
	for d := range 1000 {
		folder := fmt.Sprintf("%s/root/srv/files/%d", at, d)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for n := range 1000 {
			if err := os.WriteFile(fmt.Sprintf("%s/%d", folder, n), []byte("file"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("1,000,000 files were written in %v", time.Since(started).Round(time.Second))
	sh("umount", at)
	disk := filepath.Join(dir, "large.qcow2")
	sh("qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", disk)
	if err := loopfs.Forget(loop.Name()); err != nil {
		t.Fatal(err)
	}
	return disk
}
