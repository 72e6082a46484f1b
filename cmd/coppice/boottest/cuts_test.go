package boottest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	install "github.com/hbohlen/coppice/cmd/coppice/install/boot"
	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// cutter cuts the power of a machine whose initrd rolls its root back.
type cutter struct {
	t     *testing.T
	o     vmtest.Options
	state string   // the machine, waiting in its initrd before it looks for disks
	base  *os.File // its disk, as it is before
	dir   string
	mount string
	sync  bool // commit all the time
}

// TestCuts cuts the power of a machine at a random moment of the rollback in its initrd. The disk has a cache that is lost then, or
// some of it; the machine is started again with what is left, and comes to a root that is clean, with all data in the archive, once.
//
// COPPICE_TEST_CUTS is how many, COPPICE_TEST_SEED makes it the same choices.
func TestCuts(t *testing.T) {
	t.Parallel()
	need.Root(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		need.Missing(t, "btrfs", "there is no /dev/fuse")
	}
	base := vmtest.GetBase(t)
	cuts, seed := number(t, "COPPICE_TEST_CUTS", 12), number(t, "COPPICE_TEST_SEED", uint64(time.Now().UnixNano())>>10)
	c := &cutter{t: t, dir: t.TempDir(), mount: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	c.base = c.image(base.Release)
	c.o = vmtest.Options{Base: base, Disk: path(c.base), Root: root, StopOnError: true, Hold: true, Stay: true, Initrd: initrd(t, base, vmtest.Systemd)}
	m := vmtest.Boot(t, c.o)
	m.AwaitHold()
	m.Save(c.state)

	random := rand.New(rand.NewPCG(seed, 0))
	for _, c.sync = range []bool{false, true} {
		whole := c.whole()
		states := map[string]int{}
		started := time.Now()
		for range cuts / 2 {
			states[c.cut(whole, random)]++
			if t.Failed() {
				break
			}
		}
		names := []string{}
		for name, n := range states {
			names = append(names, fmt.Sprintf("%s: %d", name, n))
		}
		slices.Sort(names)
		tally.Add(t, "seed %d; commits in between: %v; a rollback is %+v; %d cuts in %v, %d states:\n%s",
			seed, c.sync, whole.Count(), cuts/2, time.Since(started).Round(time.Second), len(states), strings.Join(names, "\n"))
	}
	count(t, 1, 2*int(cuts)+2)
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// path is where others find a file that we have open.
func path(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

// image makes the disk of a machine with a few files. Its blank could start it, for all that a guard can see.
func (c *cutter) image(release string) *os.File {
	c.t.Helper()
	fs := loopfs.ForTest(c.t, loopfs.Options{Size: 512 << 20, MkfsArgs: []string{"-L", "tank"}})
	c.sh(fs.Mount, `btrfs -q subvolume create blank
		mkdir -p blank/sbin blank/usr/lib/modules/`+release+` blank/etc
		for i in $(seq 200); do echo file $i >blank/etc/$i; done
		echo init >blank/sbin/init
		btrfs -q subvolume snapshot blank root
		btrfs -q subvolume create root/inner
		echo one >root/mark
		echo inner >root/inner/mark
		for i in $(seq 200); do echo changed $i >root/etc/$i; done
		btrfs -q subvolume create persist
		echo kept >persist/mark`)
	if err := fs.Unmount(); err != nil {
		c.t.Fatal(err)
	}
	f, err := os.OpenFile(fs.Image[0], os.O_RDWR, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { f.Close() })
	return f
}

func (c *cutter) sh(dir, script string) string {
	c.t.Helper()
	s := exec.Command("sh", "-ec", script)
	s.Dir = dir
	out, err := s.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// unnamed makes a file that is gone with the test.
func (c *cutter) unnamed() *os.File {
	c.t.Helper()
	f, err := cutdisk.TempFile(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// record starts the machine on a new disk, which is recorded until the tape has so many bytes. The disk fails then, and the machine stands still.
func (c *cutter) record(limit int64, until func(*vmtest.Machine)) *os.File {
	c.t.Helper()
	image, tape := c.unnamed(), c.unnamed()
	defer image.Close()
	if err := cutdisk.Copy(image, c.base); err != nil {
		c.t.Fatal(err)
	}
	recording, err := cutdisk.Record(server(), tape, limit, image)
	if err != nil {
		c.t.Fatal(err)
	}
	defer recording.Close()
	o := c.o
	o.Disk = path(recording.Disk(0))
	m := vmtest.Restore(c.t, o, c.state)
	if c.sync {
		m.Must("sh", "-c", "while :; do sync; done >/dev/null 2>&1 &")
	}
	m.Go()
	until(m)
	m.Cut()
	return tape
}

// stopped waits until the machine stands still, for its disk has failed; or until it has rolled back. It reports which.
func stopped(t *testing.T, m *vmtest.Machine) bool {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Minute); !m.Stays(); time.Sleep(50 * time.Millisecond) {
		if m.Stopped() {
			return true
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing has happened in 10 minutes")
		}
	}
	return false
}

// rolledBack waits until the rollback has come to its end.
func rolledBack(t *testing.T, m *vmtest.Machine) {
	t.Helper()
	if stopped(t, m) {
		t.Fatal("a disk has failed")
	}
	if out := m.Must("systemctl", "show", "-p", "Result,ActiveState", install.RollbackService); !strings.Contains(out, "Result=success\n") || !strings.Contains(out, "ActiveState=active\n") {
		t.Errorf("%s: %s%s", install.RollbackService, out, m.Must("journalctl", "--no-pager", "-o", "cat"))
	}
}

// whole records a rollback without a cut.
func (c *cutter) whole() *cutdisk.Tape {
	c.t.Helper()
	tape := c.record(1<<30, func(m *vmtest.Machine) { rolledBack(c.t, m) })
	c.t.Cleanup(func() { tape.Close() })
	read, err := cutdisk.ReadTape(tape)
	if err != nil {
		c.t.Fatal(err)
	}
	return read
}

// cut cuts the power once, and returns in which state the disk was then.
func (c *cutter) cut(whole *cutdisk.Tape, random *rand.Rand) string {
	c.t.Helper()
	at := 1 + random.IntN(whole.Len())
	tape := c.record(whole.Size(at), func(m *vmtest.Machine) { stopped(c.t, m) })
	defer tape.Close()
	read, err := cutdisk.ReadTape(tape)
	if err != nil {
		c.t.Fatal(err)
	}
	replaying, err := cutdisk.Replay(server(), tape, c.dir, c.base)
	if err != nil {
		c.t.Fatal(err)
	}
	defer replaying.Close()
	cut := cutdisk.Cut{Boundary: read.Len()}
	what := "all"
	switch random.IntN(3) {
	case 0:
		cut.Boundary, what = read.FlushBefore(read.Len(), 0), "none"
	case 1:
		cut.Seed, what = 1+random.Uint64N(1<<32), "some"
	}
	if err := replaying.Cut(cut); err != nil {
		c.t.Fatal(err)
	}
	name := fmt.Sprintf("cut behind %d of %d records, at %v, with %s of the disk's cache written", at, whole.Len(), cut, what)
	state := c.stateOf(replaying.Disk(0))
	o := c.o
	o.Disk = path(replaying.Disk(0))
	m := vmtest.Restore(c.t, o, c.state)
	m.Go()
	rolledBack(c.t, m)
	console := m.Console()
	m.Cut()
	c.check(replaying.Disk(0))
	if c.t.Failed() {
		c.t.Logf("%s: %s\n%s", name, state, console)
	}
	return state
}

// look attaches a disk to this machine, and has a look at its top level.
func (c *cutter) look(disk *os.File, options string, do func(dir string)) {
	c.t.Helper()
	loop, err := loopfs.Attach(disk, "cutdisk")
	if err != nil {
		c.t.Fatal(err)
	}
	defer loop.Close()
	if err := loopfs.Mount(loop.Name(), c.mount, options); err != nil {
		c.t.Fatalf("the disk can't be mounted: %v", err)
	}
	do(c.mount)
	if err := errors.Join(unix.Unmount(c.mount, 0), loopfs.Free(loop.Name())); err != nil {
		c.t.Fatal(err)
	}
	if out, err := exec.Command("btrfs", "check", "--readonly", loop.Name()).CombinedOutput(); err != nil {
		c.t.Errorf("btrfs check: %v\n%s", err, out)
	}
}

// stateOf says in which state a cut has left the disk.
func (c *cutter) stateOf(disk *os.File) (state string) {
	c.t.Helper()
	c.look(disk, "ro,rescue=nologreplay", func(dir string) {
		state = strings.ReplaceAll(strings.TrimSpace(c.sh(dir, `
			if [ -e root/mark ]; then echo the old root; elif [ -e root/sbin/init ]; then echo a clean root; else echo no root; fi
			for a in old_roots/*; do
				if [ -e $a/mark ]; then echo the old one in the archive; elif [ -e $a ]; then echo a clean one in the archive; fi
			done
			if [ -e .coppice/boot/state.json ]; then
				if grep -q '"intent"' .coppice/boot/state.json; then echo an intent; else echo a state; fi
			fi
			ls .coppice/boot/archives 2>/dev/null | wc -l | sed 's/$/ records/'`)), "\n", ", ")
	})
	return state
}

// check expects a clean root, and all that was on the old one in the archive, once.
func (c *cutter) check(disk *os.File) {
	c.t.Helper()
	c.look(disk, "", func(dir string) {
		got := c.sh(dir, `diff -r blank root && echo clean
			cat persist/mark
			find root old_roots -name mark | while read -r f; do cat "$f"; done | sort
			grep -l changed old_roots/*/etc/* | wc -l
			grep -c '"intent"' .coppice/boot/state.json || true`)
		if want := "clean\nkept\ninner\none\n200\n0\n"; got != want {
			c.t.Errorf("on the disk is\n%sand not\n%s%s", got, want, c.sh(dir, "ls -lR .coppice old_roots | head -50; cat .coppice/boot/state.json"))
		}
	})
}
