package upkeep

import (
	"bytes"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// An input that has come to mean another filesystem since the plan: nothing is done there.
func TestOtherFilesystem(t *testing.T) {
	one := rig.New(t, loopfs.Options{}, Actions)
	other := rig.New(t, loopfs.Options{}, Actions)
	for action, in := range map[string]rig.Inputs{"trim": nil, "scrub": nil, "defragment": {"paths": []string{""}}} {
		q := one.Request(1, action, in)
		p := one.Plan(q)
		if len(p.Changes) == 0 {
			t.Errorf("%s: nothing is planned", action)
			continue
		}
		q.Inputs = bytes.ReplaceAll(q.Inputs, []byte(one.FS.Mount), []byte(other.FS.Mount))
		result := one.Apply(q, p)
		rig.Contains(t, rig.Told(result.Diagnostics), "[drifted]", "is btrfs ", "and was ")
		if len(result.Done) > 0 {
			t.Errorf("%s: %s", action, rig.Show(result))
		}
	}
	if left := other.Exec("ls", "-A", other.FS.Mount); left != "" {
		t.Errorf("left behind: %q", left)
	}
}
