package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// fill leaves no space, not even for a small file.
func (p *pair) fill(dir string) {
	p.T.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		p.T.Fatal(err)
	}
	n := 0
	for size := 4 << 20; size >= 512; {
		n++
		err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), make([]byte, size), 0o600)
		switch {
		case errors.Is(err, unix.ENOSPC):
			size /= 2
			unix.Sync()
		case err != nil:
			p.T.Fatal(err)
		}
		if n > 20_000 {
			p.T.Fatal("it does not become full")
		}
	}
}

// A disk that is too full for a hold is backed up all the same, all of it, and whatever both sides need stays held.
func TestSourceIsFull(t *testing.T) {
	p := &pair{Rig: rig.New(t, loopfs.Options{Size: 64 << 20, MkfsArgs: []string{"--mixed"}}, actions), other: loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})}
	if err := os.Mkdir(p.other.Path("to"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.Create("root", "home")
	p.take("root", "home")
	p.send(nil)
	held := func(of string) string { return p.Exec("sh", "-c", "cd "+of+"/.coppice/holds && grep -rH who . | sort") }
	source, target := held(p.FS.Mount), held(p.other.Mount)
	p.take("root", "home")
	p.take("root", "home")
	full := p.FS.Path("full")
	p.fill(full)
	q := p.next("send", p.to(nil))
	plan := p.Plan(q)
	result := p.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "the snapshots of \"home\" are sent, but", "the snapshots of \"root\" are sent, but", "too full to hold the newest", "free some space")
	if out := rig.Outputs[SendOutput](t, result.Outputs); len(out.Sent) != 4 || len(result.Done) != 4 {
		t.Errorf("%d sent, %d done", len(out.Sent), len(result.Done))
	}
	p.sameContents()
	rig.Same(t, "holds of the source", held(p.FS.Mount), source)
	rig.Same(t, "holds of the target", held(p.other.Mount), target)

	if err := os.RemoveAll(full); err != nil {
		t.Fatal(err)
	}
	plan, _ = p.send(nil)
	for _, c := range plan.Changes {
		if c.Kind != sdk.Update {
			t.Errorf("%s", rig.Show(c))
		}
	}
	if len(plan.Changes) != 4 {
		t.Errorf("%s", rig.Show(plan.Changes))
	}
	rig.Same(t, "changes of a second run", rig.Names(p.Plan(p.next("send", p.to(nil))).Changes), []string{})
}
