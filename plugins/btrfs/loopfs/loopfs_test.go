package loopfs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func TestLifeOfAFilesystem(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"-L", "a label"}, MountOptions: "noatime,compress=zstd"})
	m := mountAt(t, f.Mount)
	if m == nil || m.FSType != "btrfs" || !strings.Contains(m.Options, "noatime") {
		t.Fatalf("mounted with %+v", m)
	}
	if v, _ := m.SuperOption("compress"); !strings.HasPrefix(v, "zstd") {
		t.Errorf("options of the filesystem are %s", m.SuperOptions)
	}
	if err := os.WriteFile(f.Path("kept"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	loop := f.Loop[0]
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
	if image := backing(loop); image == f.Image[0] {
		t.Errorf("%s is still attached", loop)
	}
	if err := f.MountAgain("ro"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path("kept")); err != nil {
		t.Error(err)
	}
	if m := mountAt(t, f.Mount); m == nil || !m.ReadOnly() {
		t.Errorf("mounted with %+v", m)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", f.Dir, err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closing a second time: %v", err)
	}
}

func TestSeveralDevices(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20, Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}})
	if len(f.Loop) != 2 || len(f.Image) != 2 || mountAt(t, f.Mount) == nil {
		t.Fatalf("%+v", f)
	}
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := f.MountAgain(""); err != nil {
		t.Fatal(err)
	}
}

// A tree in which something is still mounted must survive.
func TestCloseNeverRemovesAMountedTree(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	precious := f.Path("precious")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(precious)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Close()
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("closing while a file is open: expected EBUSY, found %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
	held.Close()
}

// Who has just let go may not be gone yet.
func TestUnmountWaitsForAnOpenFile(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	held, err := os.Open(f.Mount)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(f.Mount, 0); !errors.Is(err, unix.EBUSY) {
		t.Fatalf("expected EBUSY, found %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { held.Close() })
	if err := loopfs.Unmount(f.Mount); err != nil {
		t.Error(err)
	}
	if m := mountAt(t, f.Mount); m != nil {
		t.Errorf("still mounted: %+v", m)
	}
}

func TestCloseUnmountsWhatIsMountedInside(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	inner := f.Path("inner dir")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := unix.Mount(f.Mount, inner, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if m := mountAt(t, inner); m != nil {
		t.Errorf("still mounted: %+v", m)
	}
}

// A namespace that was made meanwhile has a copy of the mount, and with it the filesystem goes on writing to the image.
func TestUnmountWaitsForOtherNamespaces(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	elsewhere := exec.Command("cat")
	elsewhere.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	end, err := elsewhere.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := elsewhere.Start(); err != nil {
		t.Fatal(err)
	}
	const content = "written, and known to no disk yet"
	if err := os.WriteFile(f.Path("file"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	unmounted := make(chan error)
	go func() { unmounted <- f.Unmount() }()
	for mountAt(t, f.Mount) != nil {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-unmounted:
		t.Errorf("not waited for: %v", err)
		return
	case <-time.After(200 * time.Millisecond):
	}
	end.Close()
	if err := errors.Join(elsewhere.Wait(), <-unmounted); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Damage(0, []byte(content), 0); n == 0 || err != nil {
		t.Errorf("the image has it in %d places, %v", n, err)
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := loopfs.New(loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"--no-such-option"}, Dir: dir})
	var missing *loopfs.MissingError
	if errors.As(err, &missing) {
		need.Missing(t, missing.What, err.Error())
	}
	if err == nil || !strings.Contains(err.Error(), "mkfs.btrfs") {
		t.Errorf("expected an error of mkfs.btrfs, found %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMissingProgramIsNamed(t *testing.T) {
	need.Root(t)
	t.Setenv("PATH", t.TempDir())
	_, err := loopfs.New(loopfs.Options{})
	var missing *loopfs.MissingError
	if !errors.As(err, &missing) || missing.What != "btrfs" || !strings.Contains(err.Error(), "btrfs-progs") {
		t.Errorf("found %v", err)
	}
}

type recorder struct {
	loopfs.T
	skipped, failed bool
}

type stop struct{}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; panic(stop{}) }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(stop{}) }

func TestRequireTurnsSkipsIntoFailures(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	run := func(require string) (r recorder) {
		t.Setenv("COPPICE_REQUIRE", require)
		defer func() {
			if _, ok := recover().(stop); !ok {
				t.Errorf("with COPPICE_REQUIRE=%s the test went on", require)
			}
		}()
		loopfs.ForTest(&r, loopfs.Options{})
		return r
	}
	if r := run("other"); r.failed {
		t.Error("failed though nothing is required")
	}
	for _, require := range []string{"root,btrfs", "btrfs,root"} {
		if r := run(require); r.skipped {
			t.Errorf("skipped with COPPICE_REQUIRE=%s", require)
		}
	}
}

// After SIGKILL only the mount is left; once it is unmounted the loop device is gone too.
func TestKilledProcessLeavesNoLoopDevice(t *testing.T) {
	if dir := os.Getenv("LOOPFS_TEST_KILL"); dir != "" {
		f, err := loopfs.New(loopfs.Options{Size: 256 << 20, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "made"), []byte(f.Mount+"\n"+f.Loop[0]+"\n"+f.Image[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	probe := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20}) // skips where it is impossible
	_ = probe
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLeavesNoLoopDevice$")
	cmd.Env = append(os.Environ(), "LOOPFS_TEST_KILL="+dir)
	out, _ := cmd.CombinedOutput()
	made, err := os.ReadFile(filepath.Join(dir, "made"))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	parts := strings.Split(string(made), "\n")
	if backing(parts[1]) != parts[2] {
		t.Errorf("%s is not attached while it is mounted", parts[1])
	}
	if err := loopfs.Unmount(parts[0]); err != nil {
		t.Fatal(err)
	}
	// A process that has just copied this namespace may keep the mount for a moment.
	for deadline := time.Now().Add(5 * time.Minute); backing(parts[1]) == parts[2]; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still attached", parts[1])
		}
	}
}

// backing is the image behind a loop device, "" if there is none.
func backing(loop string) string {
	b, _ := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
	return strings.TrimSpace(string(b))
}

func mountAt(t *testing.T, point string) *mountinfo.Mount {
	t.Helper()
	all, err := mountinfo.Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.MountPoint == point {
			return &m
		}
	}
	return nil
}
