// Package tree counts, compares, copies and removes trees of files below an open directory.
//
// It goes from directory to directory by open descriptors and single names, so that no symbolic link is ever followed,
// whoever renames what meanwhile. It never enters another subvolume: one that lies in a tree, or the empty place that a
// nested one has left in a snapshot, counts as an empty folder of kind Nested. It decides nothing and knows no snapshots.
//
// Words:
//
//   - Node: what a name in a directory stands for, with its attributes.
//   - Total: how much there is of each kind in a tree.
package tree

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says what a node is.
type Kind string

// The kinds.
const (
	File   Kind = "file"
	Folder Kind = "folder"
	Link   Kind = "link"   // a symbolic one
	Device Kind = "device" // a device node, or a named pipe
	Socket Kind = "socket"
	Nested Kind = "nested" // another subvolume, or the place of one
)

// Inodes of directories that are not of the tree, linux/btrfs_tree.h: the root of a subvolume, and the empty place of a
// nested one in a snapshot.
const (
	inodeRoot = 256 // BTRFS_FIRST_FREE_OBJECTID
	inodeStub = 2   // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
)

// Node is what lstat(2) says of a name.
type Node struct {
	Kind     Kind
	Inode    uint64
	Size     int64  // in bytes; of a file only
	Mode     uint32 // permissions, with set-id and sticky bits
	UID, GID uint32
	Links    uint64
	Device   uint64    // number of a device node
	Modified time.Time // mtime
	Changed  time.Time // ctime: of content or attributes, set by nobody but the kernel

	accessed unix.Timespec
	modified unix.Timespec
	format   uint32 // S_IFMT
}

func nodeOf(st unix.Stat_t) Node {
	n := Node{
		Inode: st.Ino, Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, Links: uint64(st.Nlink), Device: uint64(st.Rdev),
		Modified: time.Unix(st.Mtim.Unix()).UTC(), Changed: time.Unix(st.Ctim.Unix()).UTC(),
		accessed: st.Atim, modified: st.Mtim, format: st.Mode & unix.S_IFMT,
	}
	switch n.format {
	case unix.S_IFREG:
		n.Kind, n.Size = File, st.Size
	case unix.S_IFDIR:
		n.Kind = Folder
		if st.Ino == inodeRoot || st.Ino == inodeStub {
			n.Kind = Nested
		}
	case unix.S_IFLNK:
		n.Kind = Link
	case unix.S_IFSOCK:
		n.Kind = Socket
	default:
		n.Kind = Device
	}
	return n
}

// Stat looks at a name in a directory; found is false if there is nothing.
func Stat(dir *os.File, name string) (n Node, found bool, err error) {
	var st unix.Stat_t
	err = again(func() error { return unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	runtime.KeepAlive(dir)
	switch err {
	case nil:
		return nodeOf(st), true, nil
	case unix.ENOENT:
		return Node{}, false, nil
	}
	return Node{}, false, fmt.Errorf("cannot look at %q: %w", name, err)
}

// openDir opens a directory by its one name in another; ELOOP or ENOTDIR if it is a link.
func openDir(dir *os.File, name string) (*os.File, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

func openAt(dir *os.File, name string, flags int, mode uint32) (*os.File, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	runtime.KeepAlive(dir)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// names lists a directory, sorted.
func names(dir *os.File) ([]string, error) {
	own, err := openDir(dir, ".") // for a position of its own
	if err != nil {
		return nil, err
	}
	defer own.Close()
	all, err := own.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	return all, nil
}

// again repeats a system call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// Total is how much there is in a tree, its top included.
type Total struct {
	Files, Folders, Links, Devices, Sockets, Nested int
	Bytes                                           int64 // of files, those with several names once
}

// Count counts what is at a name in a directory.
func Count(ctx context.Context, dir *os.File, name string) (Total, error) {
	c := counter{seen: map[uint64]bool{}}
	err := c.node(ctx, dir, name, name)
	return c.total, err
}

type counter struct {
	total Total
	seen  map[uint64]bool // files with several names
}

func (c *counter) node(ctx context.Context, dir *os.File, name, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, found, err := Stat(dir, name)
	if err != nil || !found { // gone meanwhile
		return err
	}
	c.total.add(n, n.Links > 1 && c.seen[n.Inode])
	if n.Kind == File && n.Links > 1 {
		c.seen[n.Inode] = true
	}
	if n.Kind != Folder {
		return nil
	}
	inner, err := openDir(dir, name)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer inner.Close()
	all, err := names(inner)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", path, err)
	}
	for _, child := range all {
		if err := c.node(ctx, inner, child, path+"/"+child); err != nil {
			return err
		}
	}
	return nil
}

// add counts a node; known says that its data was counted.
func (t *Total) add(n Node, known bool) {
	switch n.Kind {
	case File:
		t.Files++
		if !known {
			t.Bytes += n.Size
		}
	case Folder:
		t.Folders++
	case Link:
		t.Links++
	case Device:
		t.Devices++
	case Socket:
		t.Sockets++
	case Nested:
		t.Nested++
	}
}
