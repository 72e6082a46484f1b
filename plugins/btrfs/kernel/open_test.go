package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

func TestOpenByEveryName(t *testing.T) {
	loop, f := made(t, loopfs.Options{MkfsArgs: []string{"-L", "my label"}, MountOptions: "subvol=/"})
	create(t, f, "sub")
	mkdir(t, f, "sub/dir")
	must(t, os.WriteFile(loop.Path("file"), nil, 0o600))
	must(t, unix.Mkfifo(loop.Path("sub", "dir", "pipe"), 0o600))
	must(t, os.Symlink(loop.Mount, filepath.Join(loop.Dir, "link")))
	printed := btrfs(t, "filesystem", "show", loop.Mount)
	if !strings.Contains(printed, "uuid: "+f.UUID().String()) {
		t.Errorf("the UUID is %v, btrfs prints %s", f.UUID(), printed)
	}
	label, err := f.Label()
	if err != nil || label != "my label" {
		t.Errorf("the label is %q, %v", label, err)
	}
	if f.Device() != loop.Loop[0] {
		t.Errorf("the device is %s, expected %s", f.Device(), loop.Loop[0])
	}
	for _, ref := range []string{
		loop.Path("sub"), loop.Path("sub", "dir"), loop.Path("file"), loop.Path("sub", "dir", "pipe"), loop.Loop[0],
		"UUID=" + f.UUID().String(), "UUID=" + strings.ToUpper(f.UUID().String()), "LABEL=my label", filepath.Join(loop.Dir, "link"),
	} {
		t.Run(ref, func(t *testing.T) {
			g := open(t, ref)
			if g.UUID() != f.UUID() {
				t.Errorf("expected %v, found %v", f.UUID(), g.UUID())
			}
			if at, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d/sub/dir", g.Fd())); err != nil || !at.IsDir() {
				t.Errorf("not the top level: %v", err)
			}
		})
	}
}

func TestOpenWhatIsNotThere(t *testing.T) {
	loop, f := made(t, loopfs.Options{MkfsArgs: []string{"-L", "here"}})
	ctx := t.Context()
	plain := t.TempDir()
	cases := []struct {
		ref  string
		want error
		says string
	}{
		{plain, kernel.ErrNotBtrfs, "mounted on"},
		{"/proc/self", kernel.ErrNotBtrfs, "proc"},
		{filepath.Join(plain, "none"), kernel.ErrNotFound, "none"},
		{"UUID=00000000-0000-0000-0000-000000000001", kernel.ErrNotFound, f.UUID().String()},
		{"UUID=nonsense", kernel.ErrInvalid, "8-4-4-4-12"},
		{"LABEL=elsewhere", kernel.ErrNotFound, "here"},
		{"LABEL=", kernel.ErrInvalid, "empty"},
	}
	for _, c := range cases {
		_, err := kernel.Open(ctx, c.ref)
		wantErr(t, c.ref, err, c.want)
		if err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: expected %q in %q", c.ref, c.says, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err := kernel.Open(cancelled, loop.Mount)
	wantErr(t, "cancelled", err, context.Canceled)
}

func TestOpenAmbiguousLabel(t *testing.T) {
	made(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"-L", "coppice-twin"}})
	made(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"-L", "coppice-twin"}})
	_, err := kernel.Open(t.Context(), "LABEL=coppice-twin")
	wantErr(t, "two filesystems", err, kernel.ErrAmbiguous)
}

func TestReadOnlySuperblockStaysReadOnly(t *testing.T) {
	loop := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	must(t, os.Mkdir(loop.Path("dir"), 0o755))
	must(t, loop.Unmount())
	must(t, loop.MountAgain("ro"))
	for _, ref := range []string{loop.Mount, loop.Loop[0]} {
		f := open(t, ref)
		if !superReadOnly(t, loop.Mount) {
			t.Fatal("Open made the superblock writable")
		}
		if ro, err := f.ReadOnly(); err != nil || !ro {
			t.Errorf("ReadOnly is %v, %v", ro, err)
		}
		if _, err := f.List(); err != nil {
			t.Error(err)
		}
		_, err := f.CreateSubvolume("new")
		wantErr(t, "create", err, kernel.ErrReadOnly, unix.EROFS)
		_, err = f.Snapshot(kernel.SnapshotSpec{SourceID: kernel.TopLevelID, Name: "new"})
		wantErr(t, "snapshot", err, kernel.ErrReadOnly)
		wantErr(t, "write", f.WriteFileAtomic("dir/new", nil, 0o600), kernel.ErrReadOnly)
		_, err = f.MkdirAll("dir/new", 0o700)
		wantErr(t, "mkdir", err, kernel.ErrReadOnly)
	}
	// The state is that of the moment: whoever has it open sees it become writable.
	f := open(t, loop.Mount)
	must(t, unix.Mount("", loop.Mount, "", unix.MS_REMOUNT, ""))
	if ro, err := f.ReadOnly(); err != nil || ro {
		t.Errorf("ReadOnly is %v, %v after a remount", ro, err)
	}
	create(t, f, "new")
}

// Only the mount is read-only: the superblock is not, and what is opened can be written to.
func TestReadOnlyBindMountOfWritableFilesystem(t *testing.T) {
	loop := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	point := filepath.Join(loop.Dir, "bind")
	bind(t, loop.Mount, point)
	must(t, unix.Mount("", point, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	f := open(t, point)
	if ro, err := f.ReadOnly(); err != nil || ro {
		t.Errorf("ReadOnly is %v, %v", ro, err)
	}
	create(t, f, "new")
	if superReadOnly(t, loop.Mount) {
		t.Error("the superblock became read-only")
	}
}

func TestOpenWithoutPrivilege(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends, and with it its lack of rights
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData // version 3 takes two
		if err := unix.Capset(&header, &none[0]); err != nil {
			errs <- err
			errs <- err
			return
		}
		_, err := kernel.Open(t.Context(), loop.Mount)
		errs <- err
		_, err = f.List()
		errs <- err
	}()
	wantErr(t, "Open", <-errs, kernel.ErrNotPermitted, unix.EPERM)
	wantErr(t, "List", <-errs, kernel.ErrNotPermitted, unix.EPERM)
}

func TestOpenDevice(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	create(t, f, "sub")
	must(t, f.Close())
	g, err := kernel.OpenDevice(t.Context(), loop.Loop[0], true)
	must(t, err)
	if ro, err := g.ReadOnly(); err != nil || ro {
		t.Errorf("a mounted filesystem: ReadOnly is %v, %v", ro, err)
	}
	must(t, g.Close())
	must(t, unix.Unmount(loop.Mount, 0))
	_, err = kernel.Open(t.Context(), loop.Loop[0])
	wantErr(t, "an unmounted filesystem", err, kernel.ErrNotMounted, kernel.ErrNotFound)
	for _, readOnly := range []bool{true, false} {
		g, err := kernel.OpenDevice(t.Context(), loop.Loop[0], readOnly)
		must(t, err)
		if ro, err := g.ReadOnly(); err != nil || ro != readOnly {
			t.Errorf("ReadOnly is %v, %v, expected %v", ro, err, readOnly)
		}
		if s, err := g.List(); err != nil || len(s) != 1 {
			t.Errorf("%v, %v", s, err)
		}
		must(t, g.Close())
	}
	// Nothing is left mounted: the device can be had for itself alone.
	fd, err := unix.Open(loop.Loop[0], unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("the device is still in use: %v", err)
	}
	unix.Close(fd)
	image, err := os.OpenFile(loop.Loop[0], os.O_RDWR, 0)
	must(t, err)
	_, err = image.WriteAt(make([]byte, 4096), 64<<10)
	must(t, errors.Join(err, image.Sync(), image.Close()))
	_, err = kernel.Open(t.Context(), loop.Loop[0])
	wantErr(t, "a device without superblock", err, kernel.ErrNotBtrfs)
}

func TestOpenTwoDevices(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20, Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}})
	for _, device := range loop.Loop {
		if g := open(t, device); g.UUID() != f.UUID() {
			t.Errorf("%s is of %v", device, g.UUID())
		}
	}
	devices, err := f.Devices()
	must(t, err)
	if len(devices) != 2 || devices[0].Path != loop.Loop[0] || devices[1].Path != loop.Loop[1] || devices[0].Size != 256<<20 || devices[0].UUID.IsZero() {
		t.Errorf("%+v", devices)
	}
	for _, d := range devices {
		if e, err := f.DeviceErrors(d.ID); err != nil || e != (kernel.DeviceErrors{}) {
			t.Errorf("device %d: %+v, %v", d.ID, e, err)
		}
	}
	_, err = f.DeviceErrors(99)
	wantErr(t, "no such device", err)
}

func TestSubvolumeAt(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	outer := create(t, f, "outer ü")
	mkdir(t, f, "outer ü/dir")
	inner := create(t, f, "outer ü/dir/inner")
	must(t, os.WriteFile(loop.Path("outer ü/dir/inner/file"), nil, 0o600))
	must(t, os.Symlink(loop.Path("outer ü"), loop.Path("link")))
	elsewhere := filepath.Join(loop.Dir, "elsewhere")
	bind(t, loop.Path("outer ü/dir"), elsewhere)
	cases := []struct {
		path string
		id   uint64
		at   string
		root bool
	}{
		{loop.Mount, kernel.TopLevelID, "", true},
		{loop.Path("outer ü"), outer.ID, "outer ü", true},
		{loop.Path("link"), outer.ID, "outer ü", true},
		{loop.Path("outer ü/dir"), outer.ID, "outer ü", false},
		{elsewhere, outer.ID, "outer ü", false},
		{elsewhere + "/inner", inner.ID, "outer ü/dir/inner", true},
		{elsewhere + "/inner/file", inner.ID, "outer ü/dir/inner", false},
	}
	for _, c := range cases {
		s, root, err := f.SubvolumeAt(c.path)
		if err != nil || s.ID != c.id || s.Path != c.at || root != c.root {
			t.Errorf("%s: found ID %d, %q, root %v, %v", c.path, s.ID, s.Path, root, err)
		}
	}
	other, _ := made(t, loopfs.Options{Size: 256 << 20})
	_, _, err := f.SubvolumeAt(other.Mount)
	wantErr(t, "another btrfs", err, kernel.ErrOtherFilesystem)
	_, _, err = f.SubvolumeAt("/proc")
	wantErr(t, "proc", err, kernel.ErrNotBtrfs)
	_, _, err = f.SubvolumeAt(loop.Path("none"))
	wantErr(t, "nothing", err, kernel.ErrNotFound)
}
