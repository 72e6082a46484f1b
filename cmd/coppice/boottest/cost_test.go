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

// BenchmarkBoot measures what a rollback adds to a boot: for a root as it is installed and no archive, and for one with a million files, with
// subvolumes in it, and 30 archives. Each time both machines are booted without and with a rollback, by turns, so that what else the host
// does is the same for all four. Told are medians: of the time from the kernel's end to that of the initrd, of what a rollback has added to
// it in a turn, and of the run as it tells it itself. The log has each turn.
func BenchmarkBoot(b *testing.B) {
	base := vmtest.GetBase(b)
	o := vmtest.Options{Base: base, Root: root, Initrd: initrd(b, base, vmtest.Systemd)}
	disks := []struct{ name, file string }{{"small", newDisk(b, base)}, {"large", largeDisk(b, base)}}
	all := map[string][]time.Duration{}
	for b.Loop() {
		for _, disk := range disks {
			o.Disk, o.Append = layer(b, disk.file), "coppice.rollback=0"
			without, _ := bootOnce(b, o)
			o.Disk, o.Append = layer(b, disk.file), ""
			with, run := bootOnce(b, o)
			b.Logf("%s: the initrd without a rollback %v, with one %v, the run %v", disk.name, without, with, run)
			for what, took := range map[string]time.Duration{"without": without, "with": with, "added": with - without, "run": run} {
				unit := disk.name + "-ms-" + what
				all[unit] = append(all[unit], took)
			}
		}
	}
	for unit, turns := range all {
		slices.Sort(turns)
		b.ReportMetric(float64(turns[len(turns)/2].Milliseconds()), unit)
	}
	b.ReportMetric(0, "ns/op")
}

// bootOnce boots a machine, and cuts its power. run is 0 if nothing was rolled back.
func bootOnce(b *testing.B, o vmtest.Options) (initrd, run time.Duration) {
	b.Helper()
	m := vmtest.Boot(b, o)
	arrive(b, m)
	defer m.Cut()
	stamp := func(name string) time.Duration {
		us, err := strconv.Atoi(strings.TrimSpace(m.Must("systemctl", "show", "--value", "-p", name+"TimestampMonotonic")))
		if err != nil {
			b.Fatal(err)
		}
		return time.Duration(us) * time.Microsecond
	}
	initrd = stamp("Userspace") - stamp("InitRD")
	s, off := status(b, m), o.Append != ""
	if off == (s.LastBoot == s.Boot) || !off && s.LastResult != "rolled-back" {
		b.Fatalf("with %q: %+v", o.Append, s)
	}
	if off {
		return initrd, 0
	}
	log := m.Must("journalctl", "--no-pager", "-b", "-o", "cat", "--identifier=coppice", "-g", "boot-rollback: succeeded")
	fields := strings.Fields(log)
	run, err := time.ParseDuration(fields[len(fields)-1])
	if err != nil {
		b.Fatalf("%v: %s", err, log)
	}
	return initrd, run
}

// largeDisk makes a disk of a machine that was rolled back 30 times, and whose root has a million files and 10 subvolumes in it now.
func largeDisk(t testing.TB, b vmtest.Base) string {
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
	if err := loopfs.Free(loop.Name()); err != nil {
		t.Fatal(err)
	}
	return disk
}
