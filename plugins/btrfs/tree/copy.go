package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Copier copies trees. Everything that belongs to a file comes with it: owner, permissions, times, extended attributes
// and ACLs, holes, several names of one file, and whether it is copied on write and compressed. Device nodes and named
// pipes are made anew. Left out are sockets, which mean nothing without the program behind them, the content of nested subvolumes,
// and the flags "immutable" and "append-only"; Warn tells of them.
type Copier struct {
	// MayCopy allows to copy data where it can't be shared with the original: on another filesystem.
	MayCopy bool
	// Report is told how much is done, often; nil: nobody is.
	Report func(Total)
	// Warn is told what could not come along.
	Warn func(format string, args ...any)

	done  Total
	top   *os.File          // the copy, while it is a folder
	links map[uint64]string // the copies of files with several names, below top
}

// Copy copies what is at a name in a directory to another name in another one, where nothing may be (EEXIST). Until it is
// complete nobody but root can look into it. After an error a part of it may be left: see Remove. It does not sync.
func (c *Copier) Copy(ctx context.Context, from *os.File, name string, to *os.File, as string) error {
	c.done, c.top, c.links = Total{}, nil, map[uint64]string{}
	return c.node(ctx, place{from, name, to, as, ""})
}

// place is one node to copy. path is below the top of the copy, "" for itself.
type place struct {
	from *os.File
	name string
	to   *os.File
	as   string
	path string
}

func (p place) shown() string {
	if p.path == "" {
		return p.name
	}
	return p.path
}

func (c *Copier) node(ctx context.Context, p place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, found, err := Stat(p.from, p.name)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("cannot copy %q: it is gone", p.shown())
	}
	first, several := c.links[n.Inode]
	switch {
	case n.Kind == Socket:
		c.Warn("%q is a socket and was left out", p.shown())
		return nil
	case several && n.Kind != Folder && n.Kind != Nested:
		err = unix.Linkat(int(c.top.Fd()), first, int(p.to.Fd()), p.as, 0)
		runtime.KeepAlive(p.to)
	case n.Kind == Folder || n.Kind == Nested:
		err = c.folder(ctx, p, n)
	case n.Kind == File:
		err = c.file(ctx, p, n)
	case n.Kind == Link:
		err = c.link(p, n)
	default:
		if err = unix.Mknodat(int(p.to.Fd()), p.as, n.format|0o600, int(n.Device)); err == nil {
			err = c.attributes(p, n)
		}
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, new(*failure)):
		return err
	case err != nil:
		return &failure{p.shown(), err}
	}
	if n.Links > 1 && n.Kind != Folder && c.top != nil {
		c.links[n.Inode] = p.path
	}
	c.done.add(n, several)
	if c.Report != nil {
		c.Report(c.done)
	}
	return nil
}

// failure is an error that says where it happened.
type failure struct {
	path string
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("cannot copy %q: %v", f.path, f.err) }
func (f *failure) Unwrap() error { return f.err }

func (c *Copier) folder(ctx context.Context, p place, n Node) error {
	if err := unix.Mkdirat(int(p.to.Fd()), p.as, 0o700); err != nil {
		return err
	}
	made, err := openDir(p.to, p.as)
	if err != nil {
		return err
	}
	defer made.Close()
	if c.top == nil {
		c.top = made
		defer func() { c.top = nil }()
	}
	if n.Kind == Nested {
		c.Warn("%q was a subvolume of its own, which no snapshot has in it: an empty folder stands for it", p.shown())
		return c.attributes(p, n)
	}
	inner, err := openDir(p.from, p.name)
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := c.flags(p, inner, made); err != nil {
		return err
	}
	all, err := names(inner)
	if err != nil {
		return err
	}
	for _, child := range all {
		if err := c.node(ctx, place{inner, child, made, child, join(p.path, child)}); err != nil {
			return err
		}
	}
	return c.attributes(p, n) // last: its times, and what its ACL would have children inherit
}

func (c *Copier) link(p place, n Node) error {
	to, err := target(p.from, p.name)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(to, int(p.to.Fd()), p.as); err != nil {
		return err
	}
	return c.attributes(p, n)
}

func (c *Copier) file(ctx context.Context, p place, n Node) error {
	in, err := openAt(p.from, p.name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openAt(p.to, p.as, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := c.flags(p, in, out); err != nil {
		return err
	}
	err = again(func() error { return unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) })
	runtime.KeepAlive(in)
	if err != nil {
		if !c.MayCopy || !(errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL)) {
			return err
		}
		if err := copyData(ctx, in, out, n.Size); err != nil {
			return err
		}
	}
	if err := c.attributes(p, n); err != nil {
		return err
	}
	return out.Close()
}

// copyData copies what is no hole.
func copyData(ctx context.Context, in, out *os.File, size int64) error {
	if err := out.Truncate(size); err != nil {
		return err
	}
	const piece = 4 << 20
	for at := int64(0); at < size; {
		start, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO { // nothing but a hole follows
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(in.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for at = start; at < end; at += piece {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(piece, end-at)
			if _, err := io.Copy(io.NewOffsetWriter(out, at), io.NewSectionReader(in, at, n)); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// Remove removes what is at a name in a directory and all below it; nothing there is no error. Another subvolume below it
// stays, and is an error.
func Remove(dir *os.File, name string) error {
	n, found, err := Stat(dir, name)
	if err != nil || !found {
		return err
	}
	flags := 0
	switch {
	case n.Kind == Nested && n.Inode == inodeRoot:
		return fmt.Errorf("cannot remove %q: it is a subvolume", name)
	case n.Kind == Folder:
		inner, err := openDir(dir, name)
		if err != nil {
			return fmt.Errorf("cannot open %q: %w", name, err)
		}
		defer inner.Close()
		all, err := names(inner)
		if err != nil {
			return fmt.Errorf("cannot read %q: %w", name, err)
		}
		for _, child := range all {
			if err := Remove(inner, child); err != nil {
				return err
			}
		}
		flags = unix.AT_REMOVEDIR
	case n.Kind == Nested:
		flags = unix.AT_REMOVEDIR
	}
	if err := again(func() error { return unix.Unlinkat(int(dir.Fd()), name, flags) }); err != nil && err != unix.ENOENT {
		return fmt.Errorf("cannot remove %q: %w", name, err)
	}
	runtime.KeepAlive(dir)
	return nil
}
