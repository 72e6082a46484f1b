package boottest

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest"
	"github.com/hbohlen/coppice/docs/page"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// howTo is the page that is followed, word by word.
const howTo = "../../../docs/how-to/put-yesterdays-root-back.md"

// commands are those that stand in these sections of the page, as one script.
func commands(t testing.TB, sections ...string) string {
	t.Helper()
	p, err := page.Read(howTo)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := p.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, section := range sections {
		found := false
		for _, b := range blocks {
			if b.Section != section {
				continue
			}
			switch b.Language {
			case "sh":
				script.WriteString(p.Text(b))
			case "console":
				all, err := p.Commands(b)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range all {
					script.WriteString(c.Text + "\n")
				}
			default:
				continue
			}
			found = true
		}
		if !found {
			t.Fatalf("%s has no commands under %q", howTo, section)
		}
	}
	return script.String()
}

// follow executes what the page says, and tells how long it took.
func follow(t testing.TB, m *vmtest.Machine, sections ...string) time.Duration {
	t.Helper()
	started := time.Now()
	out, code := m.Run("bash", "-exc", commands(t, sections...))
	t.Logf("%s\n%s", strings.Join(sections, ", "), out)
	if code != 0 {
		t.Fatalf("%s: exit code %d", howTo, code)
	}
	return time.Since(started)
}

// mended is the part of the page that mends, wherever it is executed.
var mended = []string{"Choose", "Look, then do it"}

// TestDrill breaks the root of a server which has snapshots of yesterday, so that it boots no more, and puts yesterday's back with the commands
// of the page: while the server still runs, and in a rescue system when it does not.
func TestDrill(t *testing.T) {
	t.Parallel()
	base := vmtest.GetBase(t)
	disk := vmtest.NewDisk(t, base)
	o := vmtest.Options{Base: base, Disk: disk, Payload: map[string]string{"coppice": coppice(t)}, Clock: time.Date(2031, 3, 3, 8, 0, 0, 0, time.UTC)}
	m := vmtest.Start(t, o)
	m.Must("sh", "-ec", `install -m 755 /run/coppice-test/coppice `+program+`
		btrfs filesystem label / server
		mkdir /mnt/server
		echo "LABEL=server /mnt/server btrfs subvolid=5 0 0" >>/etc/fstab
		mount -o subvolid=5 /dev/vda /mnt/server
		echo yesterday >/etc/mark
		for hour in 14 20; do
			date -s "2031-03-03 $hour:00"
			coppice run snapshot-rotation -i filesystem=/mnt/server -i subvolumes=root -i clock=rtc
		done
		date -s "2031-03-04 03:00"
		echo today >/etc/mark
		rm /usr/lib/systemd/systemd
		sync`)
	state := filepath.Join(t.TempDir(), "state")
	m.Save(state)
	o.Clock = time.Date(2031, 3, 4, 3, 0, 0, 0, time.UTC)

	t.Run("while it runs", func(t *testing.T) {
		o := o
		o.Disk = layer(t, disk)
		m := vmtest.Restore(t, o, state)
		took := follow(t, m, mended...)
		off := time.Now()
		m.Run("bash", "-c", commands(t, "Reboot")) // the answer may come no more
		m.AwaitEnd()
		again(t, o, took, off)
	})
	t.Run("when it does not boot", func(t *testing.T) {
		o := o
		o.Disk = layer(t, disk)
		m := vmtest.Boot(t, o)
		m.AwaitConsole(regexp.MustCompile("cannot start systemd"))
		m.Cut()

		rescue := o
		rescue.Disk, rescue.Disks, rescue.Payload = rescueDisk(t, base), []string{o.Disk}, nil
		m = vmtest.Boot(t, rescue)
		m.Await("root")
		until(t, m, "test", "-e", "/dev/disk/by-label/server")
		took := follow(t, m, append([]string{"When it does not boot any more"}, mended...)...)
		off := time.Now()
		m.Run("bash", "-c", commands(t, "Out of the rescue system"))
		m.AwaitEnd()
		again(t, o, took, off)
	})
}

// again boots the server again. Before, what the page says took so long, and it was rebooted then.
func again(t *testing.T, o vmtest.Options, took time.Duration, off time.Time) {
	t.Helper()
	m := vmtest.Start(t, o)
	tally.Add(t, "%.0f s from the first command to the reboot; %.0f s more until the machine ran again", took.Seconds(), time.Since(off).Seconds())
	if out := m.Must("sh", "-c", "cat /etc/mark /mnt/server/old_roots/*/etc/mark; findmnt -no FSROOT /; coppice runs | grep -c restore-root"); out != "yesterday\ntoday\n/root\n1\n" {
		t.Errorf("the machine has\n%s", out)
	}
	m.Cut()
}

// rescueDisk is that of a rescue system: another filesystem than the server's.
func rescueDisk(t testing.TB, b vmtest.Base) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "rescue.img")
	for _, c := range [][]string{{"cp", "--sparse=always", b.Disk, disk}, {"btrfstune", "-m", disk}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
	return disk
}
