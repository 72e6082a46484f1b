package ages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// run returns the standard output of a program that must succeed, in UTC.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		need.Missing(t, "btrfs", err.Error())
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &stderr)
	}
	return string(out)
}

func mount(t testing.TB, f *loopfs.Filesystem, options string) {
	t.Helper()
	if err := f.MountAgain(options); err != nil {
		t.Fatal(err)
	}
}

func unmount(t testing.TB, f *loopfs.Filesystem) {
	t.Helper()
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, image, want string) {
	t.Helper()
	err := ages.Set(image, nil)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Set returned %v, expected %q", err, want)
	}
}

func TestMountedIsRefused(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	other := filepath.Join(f.Dir, "other name")
	if err := os.Link(f.Image[0], other); err != nil {
		t.Fatal(err)
	}
	want := "it is mounted on \"" + f.Mount + "\" through " + filepath.Base(f.Loop[0])
	refused(t, f.Image[0], want)
	refused(t, other, want)

	// Mounted, but without a path: a file keeps it open.
	held, err := os.Open(f.Mount)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Unmount(f.Mount, unix.MNT_DETACH)
	if err == nil {
		refused(t, f.Image[0], "where this process cannot see it")
	}
	held.Close()
	if err != nil {
		t.Fatal(err)
	}

	// Attached only. The kernel ends the mount behind our back, so this may take a moment.
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err = ages.Set(f.Image[0], nil); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/sys/block/" + filepath.Base(f.Loop[0]) + "/loop/backing_file"); err != nil {
		t.Errorf("the image was not attached: %v", err)
	}
}

// A copy of a mounted image that has a log tree, as after a crash.
func TestCrashedIsRefused(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	file, err := os.Create(f.Path("file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Syncfs(int(file.Fd())); err != nil { // else the fsync of a new file may become a commit
		t.Fatal(err)
	}
	if _, err := file.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(f.Dir, "crashed")
	run(t, "cp", "--sparse=always", f.Image[0], crashed)
	refused(t, crashed, "it was not unmounted cleanly")
}

func TestOtherFormatsAreRefused(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"--csum", "xxhash"}})
	unmount(t, f)
	refused(t, f.Image[0], "only crc32c is known here")
	f = loopfs.ForTest(t, loopfs.Options{Size: 256 << 20, Devices: 2})
	unmount(t, f)
	refused(t, f.Image[1], "it is one of 2 devices")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, empty, "it has no btrfs superblock")
}

func BenchmarkSet1000(b *testing.B) {
	f := loopfs.ForTest(b, loopfs.Options{})
	names := populate(b, f, 1000)
	created, _ := spread(b, show(b, f, names), names, time.Unix(1_700_000_000, 0))
	unmount(b, f)
	for b.Loop() {
		for uuid, at := range created { // so that there is something to write
			created[uuid] = at.Add(time.Second)
		}
		if err := ages.Set(f.Image[0], created); err != nil {
			b.Fatal(err)
		}
	}
}
