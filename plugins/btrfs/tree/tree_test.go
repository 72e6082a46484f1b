package tree

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// forest is a folder with one of everything in it.
const forest = `set -e
mkdir -p "$1/a b/deep/er" "$1/empty" "$1/ä"
cd "$1"
echo one >"a b/one"; ln "a b/one" "a b/deep/second name"; ln "a b/one" other
dd if=/dev/urandom of=big bs=64K count=40 status=none
truncate -s 8M sparse; echo x | dd of=sparse bs=1 seek=4000000 conv=notrunc status=none
printf x >"$(printf 'new\nline')"; ln -s "a b/one" link; ln -s /nowhere dangling; mkfifo pipe; mknod null c 1 3
chmod 4711 big; chown 12:34 sparse; chown -h 5:6 link; chmod 1777 empty; chmod 000 "ä"
touch -d 2001-02-03T04:05:06.123456789Z big; touch -hd 2002-02-03T04:05:06Z link; touch -d 1999-01-01T00:00:00Z "a b/deep"
touch nocow; chattr +C nocow; echo data >nocow
`

func sh(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, err := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func set(t *testing.T, path, name, value string) {
	t.Helper()
	if err := unix.Lsetxattr(path, name, []byte(value), 0); err != nil {
		t.Fatalf("cannot set %s of %s: %v", name, path, err)
	}
}

// acl is user::rwx, user:1000:rw-, group::r-x, mask::rwx, other::---, as linux/posix_acl_xattr.h has it.
const acl = "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x06\x00\xe8\x03\x00\x00" + "\x04\x00\x05\x00\xff\xff\xff\xff" +
	"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// listing is everything that a tree consists of, as other programs see it.
func listing(t *testing.T, dir string) string {
	extended := ""
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names, listErr := extendedNames(path)
		for _, name := range names {
			value, err := extendedValue(path, name)
			extended += fmt.Sprintf("%s %s=%q %v\n", strings.TrimPrefix(path, dir), name, value, err)
		}
		return errors.Join(err, listErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return extended + sh(t, `cd "$1" && find . -printf '%P|%y|%m|%U:%G|%s|%l|%n|%T@\n' | sed 's/|d|\(.*\)|[0-9]*|\(.*\)|\(.*\)|\(.*\)$/|d|\1|\4/' | sort
lsattr -R . 2>/dev/null | grep -- '-C-' ; find . -type f -exec sha256sum {} + | sort -k2`, dir)
}

func TestCopy(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	sh(t, forest, fs.Path("src"))
	if err := os.Mkdir(fs.Path("into"), 0o755); err != nil {
		t.Fatal(err)
	}
	set(t, fs.Path("src/big"), "user.note", "hello")
	set(t, fs.Path("src/empty"), "trusted.x", "y")
	set(t, fs.Path("src/a b/deep"), "system.posix_acl_default", acl)
	set(t, fs.Path("src/a b/one"), "system.posix_acl_access", acl)
	sh(t, `touch -d 2001-02-03T04:05:06.123456789Z "$1/big"`, fs.Path("src"))
	// What a folder would have its children inherit does not count.
	set(t, fs.Path("into"), "system.posix_acl_default", acl)
	sh(t, `chattr +C "$1"`, fs.Path("into"))
	top, into := open(t, fs.Mount), open(t, fs.Path("into"))
	var told []string
	c := Copier{Warn: func(format string, args ...any) { told = append(told, format) }}
	if err := c.Copy(t.Context(), top, "src", into, "copy"); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("told: %q", told)
	}
	if a, b := listing(t, fs.Path("src")), listing(t, fs.Path("into/copy")); a != b {
		t.Errorf("original:\n%s\ncopy:\n%s", a, b)
	}
	if same, err := Same(t.Context(), top, "src", into, "copy"); !same || err != nil {
		t.Errorf("same: %v, %v", same, err)
	}
	total, err := Count(t.Context(), top, "src")
	if err != nil || total.Files != 7 || total.Folders != 6 || total.Links != 2 || total.Devices != 2 || total != c.done {
		t.Errorf("counted %+v, copied %+v: %v", total, c.done, err)
	}
	if err := c.Copy(t.Context(), top, "src/big", into, "copy"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("over what exists: %v", err)
	}

	// To another filesystem it is copied only when that is allowed.
	other := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	out := open(t, other.Mount)
	if err := c.Copy(t.Context(), top, "src", out, "copy"); !errors.Is(err, unix.EXDEV) {
		t.Errorf("to another filesystem: %v", err)
	}
	if err := Remove(out, "copy"); err != nil {
		t.Error(err)
	}
	c.MayCopy = true
	if err := c.Copy(t.Context(), top, "src", out, "copy"); err != nil {
		t.Fatal(err)
	}
	if a, b := listing(t, fs.Path("src")), listing(t, other.Path("copy")); a != b {
		t.Errorf("original:\n%s\ncopy:\n%s", a, b)
	}
	if blocks := strings.Fields(sh(t, `stat -c %b "$1"`, other.Path("copy/sparse")))[0]; len(blocks) > 4 {
		t.Errorf("the sparse file has %s blocks", blocks)
	}

	ctx, cancel := context.WithCancel(t.Context())
	c.Report = func(done Total) {
		if done.Files == 3 {
			cancel()
		}
	}
	if err := c.Copy(ctx, top, "src", out, "part"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, name := range []string{"part", "copy"} {
		if err := Remove(out, name); err != nil {
			t.Error(err)
		}
	}
	if left, err := filepath.Glob(other.Path("*")); len(left) > 0 || err != nil {
		t.Errorf("left: %q, %v", left, err)
	}
}

// What nested subvolumes and sockets are in a tree.
func TestNested(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	sh(t, `cd "$1"; btrfs -q subvolume create sub; btrfs -q subvolume create sub/in; echo x >sub/in/x; mkdir sub/dir`, fs.Mount)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fs.Path("sub/dir/sock")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sh(t, `cd "$1"; btrfs -q subvolume snapshot sub snap; mkdir to; mkdir sub/dir/more; btrfs -q subvolume create sub/dir/more/low`, fs.Mount)
	var told []string
	c := Copier{Warn: func(format string, args ...any) { told = append(told, format) }}
	snap, to := open(t, fs.Path("snap")), open(t, fs.Path("to"))
	for _, name := range []string{"in", "dir"} {
		if err := c.Copy(t.Context(), snap, name, to, name); err != nil {
			t.Error(err)
		}
	}
	if len(told) != 2 {
		t.Errorf("told: %q", told)
	}
	if err := Remove(open(t, fs.Path("sub")), "dir"); err == nil || !strings.Contains(err.Error(), "is a subvolume") {
		t.Errorf("removed: %v", err)
	}
	if err := Remove(open(t, fs.Mount), "to"); err != nil {
		t.Error(err)
	}
}

func TestCompare(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	sh(t, `cd "$1"; btrfs -q subvolume create s; `, fs.Mount)
	sh(t, forest, fs.Path("s/tree"))
	sh(t, `cd "$1"; btrfs -q subvolume snapshot -r s old; cd s/tree
rm pipe; rm -r "a b/deep"; echo more >>other; chmod 600 sparse; ln -sfn elsewhere link; mkdir -p new/dir; echo 12345 >new/dir/file
rm dangling; mkdir dangling; mv empty renamed; sync`, fs.Mount)
	set(t, fs.Path("s/tree/big"), "user.note", "changed")
	for _, related := range []bool{true, false} {
		got := map[string]bool{}
		err := Comparison{Related: related}.Compare(t.Context(), open(t, fs.Path("old")), open(t, fs.Path("s")), func(d Difference) error {
			got[string(d.What)+" "+d.Path] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		expected := []string{"changed tree/a b/one", "removed tree/a b/deep", "removed tree/dangling", "added tree/dangling", "removed tree/empty",
			"changed tree/link", "added tree/new", "changed tree/other", "removed tree/pipe", "added tree/renamed", "attributes tree/sparse"}
		if related { // extended attributes are seen by the change time only
			expected = append(expected, "attributes tree/big")
		}
		for _, e := range expected {
			if !got[e] {
				t.Errorf("related %v: not found: %s", related, e)
			}
			delete(got, e)
		}
		if len(got) > 0 {
			t.Errorf("related %v: besides: %v", related, got)
		}
	}
}
