package layout

import (
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// odd are names that a careless program stumbles over.
var odd = []string{"with space", "line\nbreak", "grün 日本", "-rf", "quo'te\"s", "back\\slash", "$(touch x)", "tab\there"}

// testRig is a rig with the actions of this package, and those of package subvolume.
type testRig struct{ *rig.Rig }

func newRig(t testing.TB, o loopfs.Options) *testRig {
	t.Helper()
	return &testRig{rig.New(t, o, allActions)}
}

func allActions(h volume.Host) []sdk.Action {
	return slices.Concat(subvolume.Actions(h), Actions(h))
}

// plans plans, with what earlier steps have planned.
func (r *testRig) plans(action string, in rig.Inputs, prior ...sdk.Change) *sdk.Plan {
	r.T.Helper()
	return r.Plan(r.Request(1, action, in, prior...))
}

// converges runs an action, and expects the same plan to be empty then, and Apply of the old one to do nothing.
func (r *testRig) converges(action string, in rig.Inputs) (*sdk.Plan, *sdk.Result) {
	r.T.Helper()
	q := r.Request(1, action, in)
	p, result := r.Run(q)
	if len(result.Done) != len(p.Changes) {
		r.T.Fatalf("%s: %d of %d changes were made", action, len(result.Done), len(p.Changes))
	}
	if again := r.Apply(q, p); len(again.Done) != 0 || sdk.HasErrors(again.Diagnostics) {
		r.T.Errorf("%s does something when its plan is applied again: %v %s", action, again.Done, rig.Told(again.Diagnostics))
	}
	if second := r.plans(action, in); len(second.Changes) != 0 {
		r.T.Errorf("%s does something in a second run: %s", action, rig.Show(second.Changes))
	}
	return p, result
}

func (r *testRig) refused(action string, in rig.Inputs, want ...string) {
	r.T.Helper()
	r.Refuses(r.Request(1, action, in), want...)
}

// listed are the paths that btrfs.list lists.
func (r *testRig) listed(prior ...sdk.Change) []string {
	r.T.Helper()
	paths := []string{}
	for _, s := range rig.Outputs[subvolume.ListOutput](r.T, r.plans("list", nil, prior...).Outputs).Subvolumes {
		paths = append(paths, s.Path)
	}
	return paths
}

// property is what btrfs says of a property; "": nothing.
func (r *testRig) property(path, name string) string {
	r.T.Helper()
	_, value, _ := strings.Cut(strings.TrimSpace(r.Btrfs("property", "get", r.FS.Path(path), name)), "=")
	return value
}

// flags are what lsattr says of one file or directory.
func (r *testRig) flags(path string) string {
	r.T.Helper()
	flags, _, _ := strings.Cut(r.Exec("lsattr", "-d", r.FS.Path(path)), " ")
	return flags
}
