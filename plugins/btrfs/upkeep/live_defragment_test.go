package upkeep

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// fragmented writes a file every second block of which was written later.
func (r *testRig) fragmented(path string, blocks int) {
	r.T.Helper()
	r.Write(path, "")
	file, err := os.OpenFile(r.FS.Path(path), os.O_WRONLY, 0)
	must(r.T, err)
	defer file.Close()
	for _, first := range []int{0, 1} {
		for i := first; i < blocks; i += 2 {
			_, err := file.WriteAt([]byte(strings.Repeat(fmt.Sprintf("%04d", i), 1024)), int64(i)*4096)
			must(r.T, err)
		}
		must(r.T, file.Sync())
	}
}

func TestDefragment(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.Create("data", "data/nested", "sealed")
	for _, p := range []string{"data/a", "data/sub dir/b\nname", "data/nested/c", "data/shared"} {
		r.fragmented(p, 200)
	}
	r.Write("data/tiny", "x")
	r.Exec("ln", "-s", "a", r.FS.Path("data/link"))
	r.Exec("cp", "--reflink=always", r.FS.Path("data/shared"), r.FS.Path("copy"))
	r.Exec("sync", "-f", r.FS.Mount)
	content := string(mustRead(t, r.FS.Path("data/a")))

	q := r.request("defragment", rig.Inputs{"paths": []string{"data"}})
	plan := r.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"run data"})
	result := r.Apply(q, plan)
	out := rig.Outputs[DefragmentOutput](t, result.Outputs)
	rig.Same(t, "diagnostics", rig.Told(result.Diagnostics), "")
	if out.Files != 4 || out.Defragmented != 2 || out.Shared != 1 || out.Nested != 1 || out.ExtentsBefore < 300 || out.ExtentsAfter > 20 || out.Bytes != 2*200*4096 {
		t.Errorf("%s", rig.Show(out))
	}
	if string(mustRead(t, r.FS.Path("data/a"))) != content {
		t.Error("the content has changed")
	}
	// Again: nothing lies in small pieces any more.
	q = r.request("defragment", rig.Inputs{"paths": []string{"data", "data/nested"}})
	result = r.Apply(q, r.Plan(q))
	if out = rig.Outputs[DefragmentOutput](t, result.Outputs); out.ExtentsBefore-out.ExtentsAfter < 100 || len(result.Done) != 2 {
		t.Errorf("%s", rig.Show(result))
	}
	// A snapshot shares all.
	r.Btrfs("subvolume", "snapshot", "-r", r.FS.Path("data"), r.FS.Path("snapshot"))
	used := r.usage().DataUsed
	q = r.request("defragment", rig.Inputs{"paths": []string{"data"}, "compression": "zstd"})
	if out = rig.Outputs[DefragmentOutput](t, r.Apply(q, r.Plan(q)).Outputs); out.Defragmented != 0 || out.Shared != 3 {
		t.Errorf("%s", rig.Show(out))
	}
	q = r.request("defragment", rig.Inputs{"paths": []string{"data/a", "data/shared"}, "shared": "copy", "compression": "zstd"})
	if out = rig.Outputs[DefragmentOutput](t, r.Apply(q, r.Plan(q)).Outputs); out.Defragmented != 2 {
		t.Errorf("%s", rig.Show(out))
	}
	r.Exec("sync", "-f", r.FS.Mount)
	if now := r.usage().DataUsed; now <= used {
		t.Errorf("used %d before, %d after copying what is shared", used, now)
	}

	r.Btrfs("property", "set", "-ts", r.FS.Path("sealed"), "ro", "true")
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"data", "sealed"}}), "/paths/1", "read-only")
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"snapshot/a"}}), "/paths/0", `lies in the subvolume "snapshot"`)
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"missing"}}), "/paths/0", "does not exist")
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"data/link"}}), "/paths/0", "symbolic link")
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"../x"}}), "/paths/0")
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{}}), "/paths")
	r.remount("ro", nil)
	r.Refuses(r.request("defragment", rig.Inputs{"paths": []string{"data"}}), "is read-only: nothing on it can be defragmented")
}

func TestDefragmentStopsAndSwap(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	for i := range 3 {
		r.fragmented(fmt.Sprint("file", i), 100)
	}
	q := r.request("defragment", rig.Inputs{"paths": []string{""}})
	plan := r.Plan(q)
	result := r.applyUntil(q, plan, func(e sdk.Event) bool { _, ok := e.(sdk.Progress); return ok })
	rig.Same(t, "stopped", reasons(result.Diagnostics), []string{"error cancelled"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if result, err := r.Plugin.Apply(ctx, q, plan, func(sdk.Event) {}); err != nil || len(result.Done) != 0 {
		t.Errorf("%s, %v", rig.Show(result), err)
	}

	path := r.FS.Path("swap")
	r.Exec("touch", path)
	r.Exec("chattr", "+C", path)
	r.Exec("dd", "if=/dev/zero", "of="+path, "bs=1M", "count=8")
	r.Exec("chmod", "600", path)
	r.Exec("mkswap", path)
	if out, err := exec.Command("swapon", path).CombinedOutput(); err != nil {
		need.Missing(t, "swap", fmt.Sprintf("no swap file can be used here: %s", out))
	}
	defer r.Exec("swapoff", path)
	q = r.request("defragment", rig.Inputs{"paths": []string{""}, "compression": "zstd"})
	result = r.Apply(q, r.Plan(q))
	if out := rig.Outputs[DefragmentOutput](t, result.Outputs); sdk.HasErrors(result.Diagnostics) || out.Busy != 1 {
		t.Errorf("%s", rig.Show(result))
	}
}
