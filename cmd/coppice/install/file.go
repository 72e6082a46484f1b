// Package install puts files on a machine, or into an image of one, and takes them away again: units, inputs, what an
// initrd needs. What it does is compared with what is there first, so that it can be shown; it remembers what it has
// written, and what somebody has changed since stays as it is unless that is asked for.
//
// It knows nothing of what the files are for; whoever makes their content does so in pure functions. It starts no program:
// who must be told of new units is told by the caller.
//
// Words: a Part is what is installed and uninstalled as one, such as the units of a playbook. A Target is where to.
package install

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// File is a file that is to be on a machine.
type File struct {
	Path    string      // absolute, as on the machine, without "." and ".."
	Mode    fs.FileMode // its permissions; fs.ModeSymlink makes it a symbolic link to Content
	Content string
}

// IsLink reports whether the file is a symbolic link.
func (f File) IsLink() bool { return f.Mode&fs.ModeSymlink != 0 }

// Link is a symbolic link.
func Link(path, target string) File {
	return File{Path: path, Mode: fs.ModeSymlink | 0o777, Content: target}
}

// same reports whether there is nothing to do. A link has no permissions of its own.
func (f File) same(other File) bool {
	if f.IsLink() || other.IsLink() {
		return f.IsLink() == other.IsLink() && f.Content == other.Content
	}
	return f.Mode == other.Mode && f.Content == other.Content
}

// check finds what no caller may ask for.
func (f File) check() error {
	switch {
	case !strings.HasPrefix(f.Path, "/") || path.Clean(f.Path) != f.Path || f.Path == "/":
		return fmt.Errorf("%q is no plain absolute path", f.Path)
	case strings.ContainsRune(f.Path, 0):
		return fmt.Errorf("%q has a zero byte in it", f.Path)
	case f.IsLink():
		return nil
	case f.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("%s would be %v, which is neither a file nor a link", f.Path, f.Mode)
	}
	return nil
}

// Part is what is installed and uninstalled as one.
type Part struct {
	Name  string // "boot", "playbook snapshot-rotation"
	Files []File // several parts may have the same file; it goes with the last of them
}
