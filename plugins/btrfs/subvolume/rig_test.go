package subvolume

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// testRig is a rig with this package's actions.
type testRig struct{ *rig.Rig }

func newRig(t testing.TB, o loopfs.Options) *testRig {
	t.Helper()
	return &testRig{rig.New(t, o, Actions)}
}

func (r *testRig) snapshot(n int, sources ...string) SnapshotOutput {
	r.T.Helper()
	_, result := r.Run(r.Request(n, "snapshot", rig.Inputs{"sources": sources}))
	return rig.Outputs[SnapshotOutput](r.T, result.Outputs)
}

// snapshots takes one of each source in each of n runs.
func (r *testRig) snapshots(n int, sources ...string) {
	r.T.Helper()
	for i := range n {
		r.snapshot(i, sources...)
	}
}

// all lists the subvolumes that btrfs.list lists; btrfs itself must list the same.
func (r *testRig) all() []string {
	r.T.Helper()
	out := rig.Outputs[ListOutput](r.T, r.Plan(r.Request(0, "list", nil)).Outputs)
	printed := r.Btrfs("subvolume", "list", r.FS.Mount)
	paths := []string{}
	newlines := 0
	for _, s := range out.Subvolumes {
		paths = append(paths, s.Path)
		newlines += strings.Count(s.Path, "\n")
		if !strings.Contains(printed, fmt.Sprintf("ID %d ", s.ID)) || !strings.Contains(printed, " path "+s.Path+"\n") {
			r.T.Errorf("btrfs does not list %q", s.Path)
		}
	}
	if n := strings.Count(printed, "\n"); n != len(paths)+newlines {
		r.T.Errorf("btrfs lists %d lines, not %d", n, len(paths)+newlines)
	}
	return paths
}

func (r *testRig) records() []string {
	r.T.Helper()
	found, err := filepath.Glob(r.FS.Path(recordsFolder, "*"))
	if err != nil {
		r.T.Fatal(err)
	}
	return found
}
