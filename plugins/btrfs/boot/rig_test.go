package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// testRig is a filesystem, and a machine that boots.
type testRig struct {
	*rig.Rig
	m machine
	n int // of the run
}

func newRig(t testing.TB, o loopfs.Options) *testRig {
	t.Helper()
	r := &testRig{}
	root := t.TempDir()
	r.Rig = rig.New(t, o, actionsOn(root))
	r.m = machine{Host: r.Host, root: root}
	r.put("proc/sys/kernel/osrelease", "6.18.0")
	r.boot(1)
	return r
}

// actionsOn are the actions on a machine whose files lie in a folder.
func actionsOn(root string) func(volume.Host) []sdk.Action {
	return func(h volume.Host) []sdk.Action {
		return append(actions(machine{Host: h, root: root}), subvolume.Actions(h)...)
	}
}

// put makes a file of the machine.
func (r *testRig) put(path, content string) {
	r.T.Helper()
	full := r.m.file(path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		r.T.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		r.T.Fatal(err)
	}
}

// cmdline is the kernel's command line of the boots from now on.
func (r *testRig) cmdline(line string) {
	r.T.Helper()
	if err := os.WriteFile(r.m.Cmdline, []byte(line+"\n"), 0o600); err != nil {
		r.T.Fatal(err)
	}
}

// boot starts boot n.
func (r *testRig) boot(n int) {
	r.T.Helper()
	r.put("proc/sys/kernel/random/boot_id", fmt.Sprintf("%08d-0000-4000-8000-000000000000\n", n))
}

// request is the call of a new run.
func (r *testRig) request(action string, in rig.Inputs) sdk.Request {
	r.T.Helper()
	r.n++
	return r.Request(r.n, action, in)
}

// rollback rolls back in boot n.
func (r *testRig) rollback(n int, in rig.Inputs) RollbackOutput {
	r.T.Helper()
	r.boot(n)
	_, result := r.Run(r.request("rollback", in))
	return rig.Outputs[RollbackOutput](r.T, result.Outputs)
}

// refuses expects a rollback in boot n not to be planned, for these reasons.
func (r *testRig) refuses(n int, in rig.Inputs, want ...string) {
	r.T.Helper()
	r.boot(n)
	r.Refuses(r.request("rollback", in), want...)
}

func (r *testRig) read(path string) string {
	r.T.Helper()
	data, err := os.ReadFile(r.FS.Path(path))
	if err != nil {
		r.T.Error(err)
	}
	return string(data)
}

func (r *testRig) there(path string) bool {
	_, err := os.Lstat(r.FS.Path(path))
	return err == nil
}

// marks finds the content of the file "mark" in the root and in all archives.
func (r *testRig) marks() []string {
	r.T.Helper()
	all := []string{}
	found, err := filepath.Glob(r.FS.Path("old_roots/*/mark"))
	if err != nil {
		r.T.Fatal(err)
	}
	for _, path := range append(found, r.FS.Path("root/mark"), r.FS.Path("cache/mark")) {
		if data, err := os.ReadFile(path); err == nil {
			all = append(all, string(data))
		}
	}
	sort.Strings(all)
	return all
}

// archives are the names in the archive.
func (r *testRig) archives() []string {
	r.T.Helper()
	found, err := os.ReadDir(r.FS.Path("old_roots"))
	if err != nil && !os.IsNotExist(err) {
		r.T.Fatal(err)
	}
	all := []string{}
	for _, e := range found {
		all = append(all, e.Name())
	}
	return all
}

func (r *testRig) sh(script string) {
	r.T.Helper()
	r.Exec("sh", "-ec", "cd "+r.FS.Mount+"\n"+script)
}

func (r *testRig) sync() { r.Btrfs("filesystem", "sync", r.FS.Mount) }

// sh2 is a script that needs no filesystem.
func (r *testRig) sh2(script string) {
	r.T.Helper()
	r.Exec("sh", "-ec", script)
}

// attach makes a block device of an image that is not mounted. The caller detaches it.
func (r *testRig) attach(image string) (device string, detach func()) {
	r.T.Helper()
	device = strings.TrimSpace(r.Exec("losetup", "--find", "--show", image))
	return device, func() { r.Exec("losetup", "--detach", device) }
}
