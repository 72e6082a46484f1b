package transfer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func actions(h volume.Host) []sdk.Action {
	return slices.Concat(subvolume.Actions(h), Actions(h))
}

// pair is a filesystem with snapshots and another one for their copies.
type pair struct {
	*rig.Rig
	other *loopfs.Filesystem
	run   int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{Rig: rig.New(t, loopfs.Options{}, actions), other: loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})}
	if err := os.Mkdir(p.other.Path("to"), 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// next is a call of a new run.
func (p *pair) next(action string, in rig.Inputs, prior ...sdk.Change) sdk.Request {
	p.T.Helper()
	p.run++
	return p.Request(p.run, action, in, prior...)
}

// take snapshots sources, after each of them has got a new file and lost an old one.
func (p *pair) take(sources ...string) {
	p.T.Helper()
	for _, s := range sources {
		p.Write(s+"/new", p.content(p.run))
		p.Write(filepath.Join(s, "dir", "file"+string(rune('a'+p.run%26))), p.content(p.run*7))
		os.Remove(p.FS.Path(filepath.Join(s, "dir", "file"+string(rune('a'+(p.run+3)%26)))))
	}
	p.Run(p.next("snapshot", rig.Inputs{"sources": sources}))
}

func (p *pair) content(n int) string {
	data := make([]byte, 1000+n*37)
	for i := range data {
		data[i] = byte(i*n + i>>8)
	}
	return string(data)
}

// send runs btrfs.send to the folder "to" of the other filesystem, unless the inputs say something else.
func (p *pair) send(in rig.Inputs) (*sdk.Plan, SendOutput) {
	p.T.Helper()
	plan, result := p.Run(p.next("send", p.to(in)))
	return plan, rig.Outputs[SendOutput](p.T, result.Outputs)
}

func (p *pair) to(in rig.Inputs) rig.Inputs {
	all := rig.Inputs{"to": p.other.Path("to"), "name": "test"}
	for k, v := range in {
		all[k] = v
	}
	return all
}

// contents are the digests of the snapshots below a folder of a filesystem by their paths in it.
func contents(t testing.TB, fs *loopfs.Filesystem, folder string) map[string]digest {
	t.Helper()
	f, err := kernel.Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]digest{}
	for _, s := range all {
		if volume.Inside(folder, s.Path) {
			if found[s.Path[len(folder)+1:]], err = digestOf(context.Background(), f, s.Path, s.UUID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return found
}

// sameContents expects the copies to be the snapshots, all of them or, by their count, the newest.
func (p *pair) sameContents() {
	p.T.Helper()
	rig.Same(p.T, "contents", contents(p.T, p.other, "to"), contents(p.T, p.FS, "snapshots"))
}

// leftovers are what a transfer that was cut off has left on the other filesystem.
func leftovers(t testing.TB, fs *loopfs.Filesystem) []string {
	t.Helper()
	left := []string{}
	for _, pattern := range []string{"to/*/.coppice-tmp-*", volume.StateFolder + "/receiving/*", volume.StateFolder + "/.coppice-tmp-*"} {
		found, err := filepath.Glob(fs.Path(pattern))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	return left
}

// remnant makes what a transfer that was killed leaves.
func (p *pair) remnant(folder, temp string) {
	p.T.Helper()
	f, err := kernel.Open(context.Background(), p.other.Mount)
	if err != nil {
		p.T.Fatal(err)
	}
	defer f.Close()
	lock, err := volume.MakeClaim(f, claimsFolder, "left.json", claim{Folder: folder, Temp: temp})
	if err != nil {
		p.T.Fatal(err)
	}
	lock.Close()
	p.Exec("btrfs", "subvolume", "create", p.other.Path(folder+"/"+temp))
}

// newest is the path of the newest snapshot of a source.
func (p *pair) newest(source string) string {
	p.T.Helper()
	entries, err := os.ReadDir(p.FS.Path("snapshots/" + source))
	if err != nil || len(entries) == 0 {
		p.T.Fatal(err)
	}
	return "snapshots/" + source + "/" + entries[len(entries)-1].Name()
}
