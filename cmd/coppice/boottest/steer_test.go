package boottest

import (
	"path/filepath"
	"strings"
	"testing"

	install "github.com/hbohlen/coppice/cmd/coppice/install/boot"
	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/plugins/btrfs/boot"
)

// machine is one that is booted again and again, mostly by being restored in its initrd.
type machine struct {
	t     testing.TB
	o     vmtest.Options
	state string
	*vmtest.Machine
	on, restored int
}

// newMachine makes a machine that waits in its initrd, and saves it.
func newMachine(t testing.TB, b vmtest.Base, disk string) *machine {
	t.Helper()
	r := &machine{t: t, state: filepath.Join(t.TempDir(), "state")}
	r.o = vmtest.Options{Base: b, Disk: disk, Root: root, Hold: true, Initrd: initrd(t, b, vmtest.Systemd)}
	r.Machine = vmtest.Boot(t, r.o)
	r.AwaitHold()
	r.Save(r.state)
	r.on++
	t.Cleanup(func() { count(t, r.on, r.restored) })
	return r
}

// boot boots it. Its power was cut before, or it was shut down.
func (r *machine) boot() {
	r.t.Helper()
	r.Machine = vmtest.Restore(r.t, r.o, r.state)
	r.restored++
	r.Go()
	arrive(r.t, r.Machine)
}

// switchOn boots it from the very beginning, with these parameters.
func (r *machine) switchOn(root, more string) {
	r.t.Helper()
	o := r.o
	o.Root, o.Append, o.Hold = root, more, false
	r.Machine = vmtest.Boot(r.t, o)
	r.on++
	arrive(r.t, r.Machine)
}

// cut cuts the power when all is on disk.
func (r *machine) cut() {
	r.t.Helper()
	r.Must("sync")
	r.Cut()
}

// has expects a mark on the root; "": none.
func (r *machine) has(when, mark string) {
	r.t.Helper()
	if out, _ := r.Run("cat", "/mark"); strings.TrimSuffix(out, "\n") != mark && !(mark == "" && strings.Contains(out, "No such file")) {
		r.t.Errorf("%s: the root has the mark %q, and not %q", when, out, mark)
	}
}

// expect expects what the last boot came to in which rollback was on, and what the next will.
func (r *machine) expect(when, last, next string) boot.StatusOutput {
	r.t.Helper()
	s := status(r.t, r.Machine)
	if s.LastResult != last || s.Next != next {
		r.t.Errorf("%s: the last boot came to %q, and the next will to %q, expected %q and %q: %+v", when, s.LastResult, s.Next, last, next, s)
	}
	return s
}

// says expects words of coppice in the journal. It is on the root, so that it begins with this boot, in the initrd, or with one that left
// the root as it is.
func (r *machine) says(when, words string) {
	r.t.Helper()
	if log := r.Must("journalctl", "--no-pager", "-o", "cat", "--identifier=coppice"); !strings.Contains(log, words) {
		r.t.Errorf("%s: the journal does not say %q:\n%s", when, words, log)
	}
}

func (r *machine) mark(text string) {
	r.t.Helper()
	r.Write("/mark", text)
}

// TestSteer boots a machine that is confirmed, and that is not; that is asked for this and that; and one whose guards trip.
func TestSteer(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	r := newMachine(t, base, newDisk(t, base))
	cleanup := []string{program, "run", "boot-cleanup", "-i", "clock=rtc", "-i", "retention=1ms", "-i", "keep_at_least=0"}

	r.boot()
	first := r.expect("first", "rolled-back", "rolled-back")
	r.mark("good")
	r.Must(cleanup...)
	if n := len(status(t, r.Machine).Archives); n != 1 {
		t.Errorf("before the boot was confirmed, boot-cleanup has left %d archives of 1", n)
	}
	r.Up()
	r.Must("systemctl", "start", install.ConfirmService)
	until(t, r.Machine, "sh", "-c", program+` boot status --json | grep -q '"confirmed":true'`)
	r.Must(cleanup...)
	if s := status(t, r.Machine); !s.Confirmed || len(s.Archives) != 0 || top(r.Machine, "ls old_roots") != "" {
		t.Errorf("after the boot was confirmed, boot-cleanup has left %+v", s)
	}
	r.cut()

	for _, mark := range []string{"bad 1", "bad 2", "bad 3"} {
		r.boot()
		r.has(mark, "")
		r.mark(mark)
		r.cut()
	}
	r.boot()
	r.has("fallen back", "good")
	if s := r.expect("fallen back", "fell-back", "skipped"); s.Off == "" || s.UUID == first.UUID || len(s.Archives) != 4 {
		t.Errorf("fallen back: %+v", s)
	}
	r.mark("good, and used since")
	r.cut()
	r.boot()
	r.has("still off", "good, and used since")
	r.expect("still off", "fell-back", "skipped")
	r.Must(program, "boot", "confirm", "--yes", "--wait")
	r.expect("on again", "fell-back", "rolled-back")
	r.cut()
	r.boot()
	r.has("on again", "")
	bad := archive(t, r, "bad 2")

	r.mark("skipped")
	r.Must(program, "boot", "skip-next", "--yes")
	r.cut()
	r.boot()
	r.has("skip-next", "skipped")
	r.expect("skip-next", "skipped", "rolled-back")
	r.says("skip-next", "this boot was asked to be skipped")

	r.Must(program, "boot", "use", bad, "--once", "--yes")
	r.cut()
	r.boot()
	r.has("use", "bad 2")
	r.expect("use", "used-once", "rolled-back")
	r.cut()
	r.boot()
	r.has("after use", "")
	r.expect("after use", "rolled-back", "rolled-back")

	r.mark("guarded")
	r.cut()
	r.switchOn(root, "coppice.rollback=0")
	r.has("coppice.rollback=0", "guarded")
	top(r.Machine, "mv blank hidden")
	r.cut()
	r.boot()
	r.has("no blank", "guarded")
	r.says("no blank", `the root stays as it is: there is no subvolume "blank"`)
	top(r.Machine, "mv hidden blank; btrfs -q subvolume snapshot root other; echo other >other/mark")
	r.cut()
	r.switchOn(strings.Replace(root, "subvol=root", "subvol=other", 1), "")
	r.has("another root", "other")
	r.says("another root", `mounts the subvolume "other" as the root, not "root"`)
	if out := top(r.Machine, "cat root/mark"); out != "guarded" {
		t.Errorf("another root: the root has the mark %q", out)
	}
	r.cut()
	r.boot()
	r.has("at last", "")
	r.Up()
	r.PowerOff()
}

// archive finds the archive with a mark.
func archive(t testing.TB, r *machine, mark string) string {
	t.Helper()
	return filepath.Base(filepath.Dir(strings.TrimSpace(top(r.Machine, "grep -lx '"+mark+"' old_roots/*/mark"))))
}
