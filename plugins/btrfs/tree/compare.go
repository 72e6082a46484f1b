package tree

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// What is different about a path.
type What string

// The differences.
const (
	Added      What = "added"
	Removed    What = "removed"
	Changed    What = "changed"    // another kind, or another size, time or target
	Attributes What = "attributes" // permissions, owner or extended attributes only
)

// Difference is one path that is not the same in two trees.
type Difference struct {
	Path          string // below the two directories
	What          What
	Before, After Node  // zero where there is none
	Inside        Total // of a folder that was added or removed: itself and all in it
}

// Comparison says how to compare.
type Comparison struct {
	// Related: a thing that both trees have is the same inode in both, as in a snapshot and what it is of. Then a node that
	// is the same inode with the same change time is the same without any doubt.
	Related bool
	// Into tells the directories of the second tree below which something may be different; nil: all. Related only.
	Into func(inode uint64) bool
	// Exact: also compare the content of files and the extended attributes, of everything that is not the same inode with
	// the same change time.
	Exact bool
}

// Compare passes every difference between two open directories, in the order of the paths; an error of each ends it.
func (c Comparison) Compare(ctx context.Context, before, after *os.File, each func(Difference) error) error {
	return c.folders(ctx, before, after, "", each)
}

func (c Comparison) folders(ctx context.Context, before, after *os.File, path string, each func(Difference) error) error {
	old, err := names(before)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", path, err)
	}
	now, err := names(after)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", path, err)
	}
	for len(old) > 0 || len(now) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case len(now) == 0 || len(old) > 0 && old[0] < now[0]:
			err = c.one(ctx, before, old[0], join(path, old[0]), Removed, each)
			old = old[1:]
		case len(old) == 0 || now[0] < old[0]:
			err = c.one(ctx, after, now[0], join(path, now[0]), Added, each)
			now = now[1:]
		default:
			err = c.both(ctx, before, after, old[0], join(path, old[0]), each)
			old, now = old[1:], now[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// one passes what only one of the trees has.
func (c Comparison) one(ctx context.Context, dir *os.File, name, path string, what What, each func(Difference) error) error {
	n, found, err := Stat(dir, name)
	if err != nil || !found {
		return err
	}
	d := Difference{Path: path, What: what}
	if n.Kind == Folder {
		if d.Inside, err = Count(ctx, dir, name); err != nil {
			return err
		}
	}
	if what == Added {
		d.After = n
	} else {
		d.Before = n
	}
	return each(d)
}

// both compares what both trees have.
func (c Comparison) both(ctx context.Context, before, after *os.File, name, path string, each func(Difference) error) error {
	a, foundA, err := Stat(before, name)
	if err != nil {
		return err
	}
	b, foundB, err := Stat(after, name)
	if err != nil {
		return err
	}
	if !foundA || !foundB { // gone meanwhile
		return nil
	}
	what, err := c.Differ(ctx, before, name, a, after, name, b)
	if err != nil {
		return fmt.Errorf("cannot compare %q: %w", path, err)
	}
	if what == Changed && (a.Kind == Folder) != (b.Kind == Folder) {
		if err := c.one(ctx, before, name, path, Removed, each); err != nil {
			return err
		}
		return c.one(ctx, after, name, path, Added, each)
	}
	if what != "" {
		if err := each(Difference{Path: path, What: what, Before: a, After: b}); err != nil {
			return err
		}
	}
	if a.Kind != Folder || b.Kind != Folder || c.same(a, b) && c.Into != nil && !c.Into(b.Inode) {
		return nil
	}
	innerA, err := openDir(before, name)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer innerA.Close()
	innerB, err := openDir(after, name)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer innerB.Close()
	return c.folders(ctx, innerA, innerB, path, each)
}

// same reports whether the nodes are one inode of related trees.
func (c Comparison) same(a, b Node) bool { return c.Related && a.Kind == b.Kind && a.Inode == b.Inode }

// Differ compares two nodes, each at a name in a directory; "" if they are the same, whatever is in them.
func (c Comparison) Differ(ctx context.Context, before *os.File, nameA string, a Node, after *os.File, nameB string, b Node) (What, error) {
	if (c.same(a, b) || c.Exact && a.Kind == b.Kind && a.Inode == b.Inode) && a.Changed.Equal(b.Changed) && a.Size == b.Size {
		return "", nil
	}
	if a.Kind != b.Kind || a.Device != b.Device && a.Kind == Device {
		return Changed, nil
	}
	switch a.Kind {
	case File:
		if a.Size != b.Size || !a.Modified.Equal(b.Modified) {
			return Changed, nil
		}
	case Link:
		targetA, err := target(before, nameA)
		if err != nil {
			return "", err
		}
		targetB, err := target(after, nameB)
		if err != nil {
			return "", err
		}
		if targetA != targetB {
			return Changed, nil
		}
	}
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID {
		return Attributes, nil
	}
	if c.Exact {
		return c.exact(ctx, before, nameA, after, nameB, a.Kind)
	}
	// A folder's change time is that of its entries too, which are compared anyway.
	if c.same(a, b) && a.Kind != Folder && a.Kind != Nested {
		return Attributes, nil
	}
	return "", nil
}

// target reads a symbolic link.
func target(dir *os.File, name string) (string, error) {
	for size := 256; ; size *= 4 {
		buffer := make([]byte, size)
		n, err := unix.Readlinkat(int(dir.Fd()), name, buffer)
		runtime.KeepAlive(dir)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buffer[:n]), nil
		}
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
