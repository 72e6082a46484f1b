package upkeep

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// crowd fills the filesystem with data, then with metadata, until nothing goes any more; then some of the data goes.
func (r *testRig) crowd() {
	r.T.Helper()
	for i := 0; ; i++ {
		file, err := os.Create(r.FS.Path(fmt.Sprint("data", i)))
		if err != nil {
			break
		}
		err = unix.Fallocate(int(file.Fd()), 0, 0, 4<<20)
		file.Close()
		if err != nil {
			break
		}
	}
	r.Exec("sync", "-f", r.FS.Mount)
	inline := []byte(strings.Repeat("x", 2000))
	for i := 0; ; i++ {
		if err := os.WriteFile(r.FS.Path(fmt.Sprint("metadata", i)), inline, 0o600); err != nil {
			break
		}
	}
	for i := 0; i < 200; i += 3 {
		_ = os.Remove(r.FS.Path(fmt.Sprint("data", i)))
	}
	r.Exec("sync", "-f", r.FS.Mount)
	r.Exec("sync", "-f", r.FS.Mount)
}

// Data and metadata are full. Whether the kernel finds room to move a chunk is its own affair: if not, that is what is said; and the
// filesystem, and the record of what happened, are as good as before.
func TestBalanceOfAFullFilesystem(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"-L", "full"}})
	r.crowd()
	before := r.usage()
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.9, "usage": []int{30, 90}})
	plan := r.Plan(q)
	t.Logf("%s: %s", plan.Summary, rig.Show(plan.Changes))
	result := r.Apply(q, plan)
	told := rig.Told(result.Diagnostics)
	t.Log(told)
	if sdk.HasErrors(result.Diagnostics) && !strings.Contains(told, "has no room to move even one chunk out of the way") {
		t.Error(told)
	}
	if out := rig.Outputs[BalanceOutput](t, result.Outputs); out.Unallocated < before.Unallocated {
		t.Errorf("%s\nbefore: %s", rig.Show(out), rig.Show(before))
	}
	q = r.request("scrub", nil)
	if result := r.Apply(q, r.Plan(q)); sdk.HasErrors(result.Diagnostics) && !strings.Contains(rig.Told(result.Diagnostics), "no space left on device") {
		t.Errorf("scrub: %s", rig.Told(result.Diagnostics))
	}
}
