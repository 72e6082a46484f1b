package recovery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
)

// Looking only where btrfs has written finds just what looking everywhere finds, whatever was done to the files.
func TestDiffFindsAll(t *testing.T) {
	r := newRig(t)
	r.Create("root")
	random := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		return r.FS.Path(fmt.Sprintf("root/d%d/e%d/f%d", random.IntN(4), random.IntN(4), random.IntN(4)))
	}
	folder := func() string { return filepath.Dir(name()) }
	change := func() {
		switch at := name(); random.IntN(9) { // many of them fail, which is as good
		case 0, 1, 2:
			_ = os.MkdirAll(filepath.Dir(at), 0o755)
			_ = os.WriteFile(at, make([]byte, random.IntN(9000)), 0o600)
		case 3:
			_ = os.Remove(at)
		case 4:
			_ = os.Rename(at, name())
		case 5:
			_ = os.Rename(folder(), folder()+fmt.Sprint(random.IntN(3)))
		case 6:
			_ = os.Link(at, name())
		case 7:
			_ = os.Chmod(at, os.FileMode(0o600+random.IntN(3)))
		case 8:
			_ = os.RemoveAll(folder())
		}
	}
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := 0
	for round := range 12 {
		for range 60 {
			change()
		}
		r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("root"), r.FS.Path(fmt.Sprintf("s%d", round)))
		for range random.IntN(12) {
			change()
		}
		from, _, err := f.AtPath(fmt.Sprintf("s%d", round))
		if err != nil {
			t.Fatal(err)
		}
		to, _, err := f.AtPath("root")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		changed, err := f.Changed(to.ID, from.OTransID)
		if err != nil {
			t.Fatal(err)
		}
		compare := func(into func(uint64) bool) []string {
			before, errBefore := os.Open(r.FS.Path(from.Path))
			after, errAfter := os.Open(r.FS.Path("root"))
			if errBefore != nil || errAfter != nil {
				t.Fatal(errBefore, errAfter)
			}
			defer before.Close()
			defer after.Close()
			var all []string
			err := tree.Comparison{Related: true, Into: into}.Compare(t.Context(), before, after, func(d tree.Difference) error {
				all = append(all, fmt.Sprintf("%s %s %d %d", d.What, d.Path, d.Before.Size, d.After.Size))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		all := compare(nil)
		rig.Same(t, fmt.Sprintf("round %d", round), compare(func(inode uint64) bool { return changed[inode] }), all)
		found += len(all)
	}
	if found < 20 {
		t.Errorf("only %d differences in all", found)
	}
}
