package recovery

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

type testRig struct{ *rig.Rig }

func newRig(t testing.TB) *testRig {
	t.Helper()
	return &testRig{rig.New(t, loopfs.Options{}, actions)}
}

func actions(h volume.Host) []sdk.Action { return slices.Concat(subvolume.Actions(h), Actions(h)) }

// snapshot takes one of each source and returns their paths.
func (r *testRig) snapshot(n int, sources ...string) []string {
	r.T.Helper()
	_, result := r.Run(r.Request(n, "snapshot", rig.Inputs{"sources": sources}))
	var paths []string
	for _, s := range rig.Outputs[subvolume.SnapshotOutput](r.T, result.Outputs).Snapshots {
		paths = append(paths, s.Path)
	}
	return paths
}

func (r *testRig) read(path string) string {
	r.T.Helper()
	data, err := os.ReadFile(r.FS.Path(path))
	if err != nil {
		r.T.Error(err)
	}
	return string(data)
}

// entries lists a folder.
func (r *testRig) entries(path string) []string {
	r.T.Helper()
	found, err := os.ReadDir(r.FS.Path(path))
	if err != nil {
		r.T.Fatal(err)
	}
	all := []string{}
	for _, e := range found {
		all = append(all, e.Name())
	}
	return all
}

func (r *testRig) find(in rig.Inputs) FindOutput {
	r.T.Helper()
	return rig.Outputs[FindOutput](r.T, r.Plan(r.Request(90, "find", in)).Outputs)
}

func (r *testRig) diff(in rig.Inputs) (DiffOutput, []string) {
	r.T.Helper()
	out := rig.Outputs[DiffOutput](r.T, r.Plan(r.Request(91, "diff", in)).Outputs)
	lines := []string{}
	for _, d := range out.Differences {
		lines = append(lines, d.What+" "+d.Path)
	}
	return out, lines
}

func (r *testRig) sh(script string) {
	r.T.Helper()
	r.Exec("sh", "-ec", "cd "+r.FS.Mount+"\n"+script)
}

func real(t testing.TB, path string) string {
	t.Helper()
	p, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func joined(all ...string) string { return strings.Join(all, "\n") }
