package trust

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestOpen walks through everything by which somebody else could get a file of his own read.
func TestOpen(t *testing.T) {
	need.Root(t) // to give files away
	const other = 4242
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string) // dir/a/b/file is there
		file  string
		own   []int
		want  string // in the error; "": trusted
	}{
		{name: "as it should be"},
		{name: "belongs to another", spoil: func(t *testing.T, dir string) { chown(t, dir+"/a/b/file", other, 0) }, want: "belongs to uid 4242"},
		{name: "belongs to an owner", spoil: func(t *testing.T, dir string) { chown(t, dir+"/a/b/file", other, 0) }, own: []int{other}},
		{name: "everybody can write", spoil: func(t *testing.T, dir string) { chmod(t, dir+"/a/b/file", 0o646) }, want: "is writable by everybody (mode 0646)"},
		{name: "a group can write", spoil: func(t *testing.T, dir string) {
			chown(t, dir+"/a/b/file", 0, 7)
			chmod(t, dir+"/a/b/file", 0o664)
		}, want: "is writable by the group 7"},
		{name: "root's group can write", spoil: func(t *testing.T, dir string) { chmod(t, dir+"/a/b/file", 0o664) }},
		{name: "an owner's own group can write", spoil: func(t *testing.T, dir string) {
			chown(t, dir+"/a/b/file", other, other)
			chmod(t, dir+"/a/b/file", 0o664)
		}, own: []int{other}},
		{name: "a folder of another", spoil: func(t *testing.T, dir string) { chown(t, dir+"/a", other, 0) }, want: "/a belongs to uid 4242"},
		{name: "a folder for everybody", spoil: func(t *testing.T, dir string) { chmod(t, dir+"/a", 0o777) }, want: "/a is writable by everybody"},
		{name: "a folder like /tmp", spoil: func(t *testing.T, dir string) { chmod(t, dir+"/a", 0o777|os.ModeSticky) }},
		{name: "a link of root's", spoil: func(t *testing.T, dir string) { link(t, "b/file", dir+"/a/link") }, file: "a/link"},
		{name: "a link of another's", spoil: func(t *testing.T, dir string) {
			link(t, "b/file", dir+"/a/link")
			if err := os.Lchown(dir+"/a/link", other, 0); err != nil {
				t.Fatal(err)
			}
		}, file: "a/link", want: "it belongs to uid 4242"},
		{name: "a link through a folder for everybody", spoil: func(t *testing.T, dir string) {
			mkdir(t, dir+"/open", 0o777)
			link(t, "../a/b/file", dir+"/open/inner")
			link(t, dir+"/open/inner", dir+"/a/link")
		}, file: "a/link", want: "/open is writable by everybody"},
		{name: "a folder that is a link", spoil: func(t *testing.T, dir string) { link(t, "a/b", dir+"/short") }, file: "short/file"},
		{name: "a folder", file: "a/b", want: "is not a regular file"},
		{name: "a link to itself", spoil: func(t *testing.T, dir string) { link(t, "loop", dir+"/loop") }, file: "loop", want: "too many levels"},
		{name: "a way back", file: "a/b/../../a/b/file"},
		{name: "not there", file: "a/c", want: "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			mkdir(t, dir+"/a", 0o755)
			mkdir(t, dir+"/a/b", 0o755)
			if err := os.WriteFile(dir+"/a/b/file", []byte("text"), 0o644); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, dir)
			}
			if c.file == "" {
				c.file = "a/b/file"
			}
			f, err := Open(filepath.Clean(dir)+"/"+c.file, c.own...)
			if err == nil {
				defer f.Close()
			}
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
				if data, err := io.ReadAll(f); err != nil || string(data) != "text" {
					t.Errorf("%q, %v", data, err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			var refused *Error
			if strings.Contains(c.want, "writable") && !errors.As(err, &refused) {
				t.Errorf("%T", err)
			}
		})
	}
}

func chown(t *testing.T, file string, uid, gid int) {
	t.Helper()
	if err := os.Chown(file, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, at string) {
	t.Helper()
	if err := os.Symlink(target, at); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(dir, mode); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, mode)
}
