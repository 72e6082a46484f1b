package transfer

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// disk is a third filesystem, which is plugged in and out.
type disk struct {
	*loopfs.Filesystem
	t  testing.TB
	at string
}

// plug mounts it at a folder.
func (d *disk) plug(options string) {
	d.t.Helper()
	if err := unix.Mount(d.Loop[0], d.at, "btrfs", 0, options); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = unix.Unmount(d.at, unix.MNT_DETACH) })
}

func (d *disk) unplug() {
	d.t.Helper()
	if err := unix.Unmount(d.at, 0); err != nil {
		d.t.Fatal(err)
	}
}

// usb makes one with a subvolume "backup", whose mount point is a folder of the other filesystem.
func (p *pair) usb() *disk {
	p.T.Helper()
	d := &disk{loopfs.ForTest(p.T, loopfs.Options{Size: 256 << 20}), p.T, p.other.Path("usb")}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		p.T.Fatal(err)
	}
	p.Exec("btrfs", "subvolume", "create", d.Path("backup"))
	return d
}

// empty expects that nothing was written to a folder.
func (d *disk) empty() {
	d.t.Helper()
	entries, err := os.ReadDir(d.at)
	if err != nil || len(entries) > 0 {
		d.t.Errorf("%v: something was written below the disk: %v", err, entries)
	}
}

// At three in the morning the disk is not there, and its mount point is.
func TestDiskIsNotThere(t *testing.T) {
	for _, kind := range []string{"file:", ""} {
		t.Run("to "+kind, func(t *testing.T) {
			p := newPair(t)
			p.Create("root", "new")
			p.take("root")
			d := p.usb()
			d.plug("subvol=backup")
			in := rig.Inputs{"to": kind + d.at}
			p.send(in)
			p.take("root", "new")
			q := p.next("send", p.to(in))
			planned := p.Plan(q)
			d.unplug()

			rig.Contains(t, rig.Told(p.Apply(q, planned).Diagnostics), "drifted", "the target")
			d.empty()
			for _, more := range []rig.Inputs{{}, {"full": "allow"}, {"sources": []string{"new"}}, {"full": "allow", "sources": []string{"new"}}} {
				more["to"] = in["to"]
				p.Refuses(p.next("send", p.to(more)), "/to", "the target is not there", "copies were sent there before", "neither copies nor the mark .coppice-target", "mount it; if another disk")
				more["on_absent"] = "skip"
				plan, out := p.send(more)
				rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "the target is not there", "stays held")
				if out.Present || out.Filesystem != "" {
					t.Error(rig.Show(out))
				}
			}
			d.empty()

			d.plug("subvol=backup")
			if _, out := p.send(in); len(out.Sent) != 2 {
				t.Error(rig.Show(out))
			}
			// Another disk that takes its place.
			d.unplug()
			p.Exec("btrfs", "subvolume", "create", d.Path("another"))
			d.plug("subvol=another")
			p.Refuses(p.next("send", p.to(rig.Inputs{"to": in["to"], "full": "allow"})), "the target is not there")
			if err := os.WriteFile(filepath.Join(d.at, markName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			plan := p.Plan(p.next("send", p.to(in)))
			rig.Contains(t, rig.Told(plan.Diagnostics), "was sent to this target before", "full: allow")
			p.send(rig.Inputs{"to": in["to"], "full": "allow"})
		})
	}
}

// The very first time there is nothing to go by but where the folder is.
func TestFirstTimeOnTheRootFilesystem(t *testing.T) {
	for _, kind := range []string{"file:", ""} {
		t.Run("to "+kind, func(t *testing.T) {
			p := newPair(t)
			h := p.Host
			h.Root = p.other.Mount
			p.Use(h, actions)
			p.Create("root")
			p.take("root")
			d := p.usb()
			in := rig.Inputs{"to": kind + d.at, "on_absent": "skip"}
			p.Refuses(p.next("send", p.to(in)), "/to", "as the mount point of a disk that is not there would be", "mount the disk", `"touch `+d.at+`/.coppice-target"`)
			d.empty()
			// The disk is there: no ceremony, and a mark for the next time.
			d.plug("subvol=backup")
			p.send(in)
			if _, err := os.Stat(filepath.Join(d.at, markName)); err != nil {
				t.Error(err)
			}
			d.unplug()
			// Or the folder is meant.
			in["name"] = "another"
			p.Refuses(p.next("send", p.to(in)), "/to", "mount the disk")
			if err := os.WriteFile(filepath.Join(d.at, markName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p.send(in)
			again := p.Plan(p.next("send", p.to(in)))
			rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})
		})
	}
}

// Targets of before there were marks go on, and get one.
func TestTargetWithoutMark(t *testing.T) {
	for _, kind := range []string{"file:", ""} {
		t.Run("to "+kind, func(t *testing.T) {
			p := newPair(t)
			h := p.Host
			h.Root = p.other.Mount
			p.Use(h, actions)
			p.Create("root", "new")
			p.take("root", "new")
			mark := p.other.Path("to/" + markName)
			if err := os.WriteFile(mark, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			in := rig.Inputs{"to": kind + p.other.Path("to"), "sources": []string{"root"}}
			p.send(in)
			if err := os.Remove(mark); err != nil {
				t.Fatal(err)
			}
			in["sources"] = []string{"new"} // the copies that there are, are of another source
			p.send(in)
			if _, err := os.Stat(mark); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the fstab says counts, whatever is in the folder below.
func TestNothingIsMountedThere(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	h := p.Host
	h.Fstab = filepath.Join(t.TempDir(), "fstab")
	p.Use(h, actions)
	d := p.usb()
	for _, path := range []string{"server", markName} {
		if err := os.Mkdir(filepath.Join(d.at, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(d.at, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Fstab, []byte("# comment\nUUID=1 / btrfs defaults 0 0\nnone none swap sw\n/dev/none /nowhere\\040at\\040all btrfs noauto\n"+
		"LABEL=usb "+d.at+"/ btrfs noauto,nofail 0 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{d.at, d.at + "/server", "file:" + d.at, "file:" + d.at + "/server", "file:" + link + "/server"} {
		p.Refuses(p.next("send", p.to(rig.Inputs{"to": to})), "/to", "the target is not there", "nothing is mounted at \""+d.at+"\"", "mount "+d.at)
	}
	replies := (&pair{Rig: &rig.Rig{T: t, Host: h}, other: p.other}).ask(line(t, request{Open: &openRequest{Version: wireVersion, Path: d.at}}))
	rig.Contains(t, rig.Told(replies[0].Failed), "nothing is mounted at")
	if !replies[0].Absent {
		t.Error("it counts as there")
	}
	p.Exec("mkdir", d.Path("backup/server"))
	d.plug("subvol=backup")
	p.send(rig.Inputs{"to": "file:" + d.at + "/server"})
}

// A disk that is taken away between two copies: the second one is not written below it.
func TestDiskIsTakenAway(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.big("root/big", 3)
	p.take("root")
	p.take("root")
	d := p.usb()
	d.plug("subvol=backup")
	in := rig.Inputs{"to": "file:" + d.at}
	result := p.midway(t.Context(), in, func() {
		if err := unix.Unmount(d.at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if !sdk.HasErrors(result.Diagnostics) {
		t.Error("no error")
	}
	d.empty()
	d.plug("subvol=backup")
	p.send(in)
	p.Run(p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": d.at, "into": "to"}))
	p.sameContents()
}

func TestQuoteShell(t *testing.T) {
	for given, want := range map[string]string{"/mnt/usb": "/mnt/usb", "/a b": "'/a b'", "/it's": `'/it'\''s'`, "/$(x)": "'/$(x)'"} {
		if got := quoteShell(given); got != want {
			t.Errorf("%s: %s", given, got)
		}
	}
	if on, err := (volume.Host{}).Unmounted("/"); on != "" || err != nil {
		t.Error(on, err)
	}
}
