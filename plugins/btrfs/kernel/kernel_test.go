package kernel_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// oddNames are names that are legal and that programs get wrong.
var oddNames = []string{
	"plain", "with space", " leading", "trailing ", "new\nline", "-leading dash", "--help", "ümläut 木", "tab\there",
	`back\slash`, `\040`, "quote\"'", "$HOME", "*", ".hidden", "...", "bad\xff\xfeutf8", "a,b", "subvolid=5", "x (deleted)",
}

// made is a filesystem of the test, and the same opened by the package.
func made(t *testing.T, o loopfs.Options) (*loopfs.Filesystem, *kernel.Filesystem) {
	t.Helper()
	if o.Size == 0 {
		o.Size = 512 << 20
	}
	loop := loopfs.ForTest(t, o)
	return loop, open(t, loop.Mount)
}

func open(t *testing.T, ref string) *kernel.Filesystem {
	t.Helper()
	f, err := kernel.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// btrfs runs the oracle.
func btrfs(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("btrfs")
	if err != nil {
		need.Missing(t, "btrfs", "btrfs is not installed (Debian package btrfs-progs)")
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("btrfs %q: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, f *kernel.Filesystem, path string) kernel.Subvolume {
	t.Helper()
	s, err := f.CreateSubvolume(path)
	must(t, err)
	return s
}

func mkdir(t *testing.T, f *kernel.Filesystem, path string) {
	t.Helper()
	_, err := f.MkdirAll(path, 0o755)
	must(t, err)
}

// wantErr checks what an error is, and that it is an Error that says something.
func wantErr(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: expected an error that is %q", what, want)
		return
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: expected an error that is %q, found %v", what, w, err)
		}
	}
	var e *kernel.Error
	if !errors.As(err, &e) || e.Op == "" {
		t.Errorf("%s: %v is not an *Error", what, err)
	}
}

func bind(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o755))
	must(t, unix.Mount(from, to, "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(to, unix.MNT_DETACH) })
}

func superReadOnly(t *testing.T, point string) bool {
	t.Helper()
	all, err := mountinfo.Self()
	must(t, err)
	real, err := filepath.EvalSymlinks(point)
	must(t, err)
	for _, m := range all {
		if m.MountPoint == real {
			return m.ReadOnly()
		}
	}
	t.Fatalf("%s is not mounted", point)
	return false
}
