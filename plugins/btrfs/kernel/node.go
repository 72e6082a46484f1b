package kernel

import (
	"errors"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Node is an open file or directory, the root of a subvolume included, whose properties can be read and set. It stays the
// same one when it is renamed. What its methods set is on disk after Sync.
type Node struct {
	file *os.File
	path string
	kind EntryType
	stat unix.Stat_t // when it was opened
}

// OpenNode opens a regular file, a directory or a subvolume; "" is the top level. Anything else is ErrInvalid, a symbolic
// link ErrSymlink. The caller closes it.
func (f *Filesystem) OpenNode(path string) (*Node, error) {
	const op = "open"
	parent, name, err := f.topDir().parent(op, path)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	st, err := lstatAt(parent, name)
	if err != nil {
		return nil, fail(op, quote(path), err)
	}
	switch kind := statType(st); kind {
	case EntrySymlink:
		return nil, &Error{Op: op, Subject: quote(path), Kind: ErrSymlink, Fact: "it is a symbolic link, and none is followed", Err: unix.ELOOP}
	case EntryFile, EntryDir, EntrySubvolume: // opening anything else could do something
	default:
		return nil, refuse(op, quote(path), ErrInvalid, "it is a %v", kind)
	}
	file, err := openBeneath(parent, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME, 0)
	if err != nil {
		return nil, fail(op, quote(path), err)
	}
	n := &Node{file: file, path: path}
	if err := unix.Fstat(int(file.Fd()), &n.stat); err != nil {
		return nil, errors.Join(fail(op, quote(path), err), file.Close())
	}
	n.kind = statType(n.stat)
	return n, nil
}

// Close lets go of it.
func (n *Node) Close() error { return n.file.Close() }

// Path is where it was when it was opened, from the top level.
func (n *Node) Path() string { return n.path }

// Kind is EntryFile, EntryDir or EntrySubvolume.
func (n *Node) Kind() EntryType { return n.kind }

// Inode is its number within its subvolume.
func (n *Node) Inode() uint64 { return n.stat.Ino }

// Mode is its permissions, when it was opened.
func (n *Node) Mode() uint32 { return n.stat.Mode & 0o7777 }

// Owner is its user and group, when it was opened.
func (n *Node) Owner() (uid, gid uint32) { return n.stat.Uid, n.stat.Gid }

// Subvolume is the one that it is, or lies in. Its Path is only the name.
func (n *Node) Subvolume() (Subvolume, error) {
	s, err := infoOf(n.file)
	if err != nil {
		return s, fail("look up the subvolume of", quote(n.path), err)
	}
	return s, nil
}

// Empty reports whether a file has no bytes, or a directory no entries.
func (n *Node) Empty() (bool, error) {
	const op = "look into"
	if n.kind == EntryFile {
		st, err := n.file.Stat()
		if err != nil {
			return false, fail(op, quote(n.path), err)
		}
		return st.Size() == 0, nil
	}
	again, err := openBeneath(n.file, "", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME, 0) // for a position of its own
	if err != nil {
		return false, fail(op, quote(n.path), err)
	}
	defer again.Close()
	names, err := again.Readdirnames(1)
	if err != nil && err != io.EOF {
		return false, fail(op, quote(n.path), err)
	}
	return len(names) == 0, nil
}

// The compressions that a node can have; see Compression.
const (
	CompressionDefault = "default"
	CompressionNone    = "none"
)

// CompressionKinds are those that compress, as the kernel calls them (fs/btrfs/props.c).
var CompressionKinds = []string{"zlib", "lzo", "zstd"}

// InheritedCompression is what a new subvolume has where the subvolume around it has this one: the kernel hands down only what
// compresses (fs/btrfs/props.c, prop_compression_extract).
func InheritedCompression(around string) string {
	if around == CompressionNone {
		return CompressionDefault
	}
	return around
}

const compressionProperty = "btrfs.compression"

// Compression is what the property says: CompressionDefault when there is none, so that the mount option decides;
// CompressionNone when nothing is to be compressed; or one of CompressionKinds. Of a directory it is what new files in it
// get. A level that somebody has written behind it is left out: the kernel does not look at it.
func (n *Node) Compression() (string, error) {
	const op = "read the compression of"
	value := make([]byte, 64)
	size, err := again(func() (int, error) { return unix.Fgetxattr(int(n.file.Fd()), compressionProperty, value) })
	runtime.KeepAlive(n)
	switch {
	case err == unix.ENODATA:
		flags, err := n.flags()
		if err != nil {
			return "", fail(op, quote(n.path), err)
		}
		if flags&inodeNoCompress != 0 { // chattr +m
			return CompressionNone, nil
		}
		return CompressionDefault, nil
	case err != nil:
		return "", fail(op, quote(n.path), err)
	}
	return compressionOf(string(value[:size])), nil
}

// compressionOf reads a value as the kernel does, which compares only the beginning.
func compressionOf(value string) string {
	for _, kind := range CompressionKinds {
		if len(value) >= len(kind) && value[:len(kind)] == kind {
			return kind
		}
	}
	if value == "no" || value == "none" {
		return CompressionNone
	}
	return value
}

// SetCompression sets the property to what Compression returns. On one without copy on write it is ErrInvalid, but for
// CompressionDefault. Existing data stays as it is.
func (n *Node) SetCompression(value string) error {
	const op = "set the compression of"
	if value == CompressionDefault {
		value = ""
	}
	_, err := again(func() (struct{}, error) {
		return struct{}{}, unix.Fsetxattr(int(n.file.Fd()), compressionProperty, []byte(value), 0)
	})
	runtime.KeepAlive(n)
	switch {
	case value == "" && err == unix.ENODATA:
		err = nil
	case err == unix.EINVAL:
		return &Error{Op: op, Subject: quote(n.path), Kind: ErrInvalid, Fact: "it is without copy on write, or the kernel does not know this compression", Err: err}
	case err == unix.EPERM: // an active swap file, or chattr +i
		return &Error{Op: op, Subject: quote(n.path), Kind: ErrInUse, Fact: "it is immutable", Err: err}
	}
	if err != nil {
		return fail(op, quote(n.path), err)
	}
	if value != "" {
		return nil
	}
	flags, err := n.flags()
	if err == nil && flags&inodeNoCompress != 0 { // set by chattr, without the property
		err = n.setFlags(flags &^ inodeNoCompress)
	}
	if err != nil {
		return fail(op, quote(n.path), err)
	}
	return nil
}

// Flags of inodes, linux/fs.h.
const (
	inodeNoCompress = 0x00000400 // FS_NOCOMP_FL
	inodeNoCow      = 0x00800000 // FS_NOCOW_FL
)

// flags are those of FS_IOC_GETFLAGS, which has an int whatever its number says.
func (n *Node) flags() (uint32, error) {
	var flags uint32
	err := ioctlAgain(n.file, unix.FS_IOC_GETFLAGS, unsafe.Pointer(&flags))
	return flags, err
}

func (n *Node) setFlags(flags uint32) error {
	return ioctlAgain(n.file, unix.FS_IOC_SETFLAGS, unsafe.Pointer(&flags))
}

// NoCow reports whether a file's data is overwritten in place; of a directory, whether that of new files in it is.
func (n *Node) NoCow() (bool, error) {
	flags, err := n.flags()
	if err != nil {
		return false, fail("read the flags of", quote(n.path), err)
	}
	return flags&inodeNoCow != 0, nil
}

// SetNoCow switches copy on write off or on (chattr +C). Of a file with data the kernel ignores it without a word: that is
// ErrNotEmpty. So is what has a compression, as ErrInvalid. Files that are in a directory already stay as they are.
func (n *Node) SetNoCow(on bool) error {
	const op = "set the copy on write of"
	flags, err := n.flags()
	if err != nil {
		return fail(op, quote(n.path), err)
	}
	wanted := flags &^ inodeNoCow
	if on {
		wanted |= inodeNoCow
	}
	if wanted == flags {
		return nil
	}
	switch err := n.setFlags(wanted); {
	case err == unix.EINVAL:
		return &Error{Op: op, Subject: quote(n.path), Kind: ErrInvalid, Fact: "it has a compression", Err: err}
	case err != nil:
		return fail(op, quote(n.path), err)
	}
	now, err := n.flags()
	if err != nil {
		return fail(op, quote(n.path), err)
	}
	if now&inodeNoCow != wanted&inodeNoCow {
		return refuse(op, quote(n.path), ErrNotEmpty, "the kernel has ignored it: there is data in the file")
	}
	return nil
}

// SetMode sets the permissions.
func (n *Node) SetMode(mode uint32) error {
	err := unix.Fchmod(int(n.file.Fd()), mode)
	runtime.KeepAlive(n)
	if err != nil {
		return fail("set the mode of", quote(n.path), err)
	}
	return nil
}

// SetOwner sets user and group; -1 leaves that one as it is.
func (n *Node) SetOwner(uid, gid int) error {
	err := unix.Fchown(int(n.file.Fd()), uid, gid)
	runtime.KeepAlive(n)
	if err != nil {
		return fail("set the owner of", quote(n.path), err)
	}
	return nil
}

// Sync writes it to disk.
func (n *Node) Sync() error {
	if err := n.file.Sync(); err != nil {
		return fail("write to disk", quote(n.path), err)
	}
	return nil
}

// SetReadOnly makes a subvolume read-only or writable, after making sure that it has the UUID that the caller decided upon:
// another one there is ErrChanged. ErrInUse while it is being sent. It is on disk when SetReadOnly returns nil.
//
// The kernel lets two things happen that do harm: one with an active swap file in it is made read-only, and that file can
// then not be swapped off (ask SwapFiles before); and a received one that is made writable still says what it was received
// from.
func (f *Filesystem) SetReadOnly(path string, id UUID, readOnly bool) error {
	const op = "set the read-only flag of"
	if id.IsZero() {
		return refuse(op, quote(path), ErrInvalid, "the zero UUID identifies none")
	}
	dir, err := f.openSubvolume(op, path, 0, id)
	if err != nil {
		return err
	}
	defer dir.Close()
	var flags uint64
	if err := ioctlAgain(dir, iocGetFlags, unsafe.Pointer(&flags)); err != nil {
		return fail(op, quote(path), err)
	}
	wanted := flags &^ subvolReadOnly
	if readOnly {
		wanted |= subvolReadOnly
	}
	if wanted == flags {
		return nil
	}
	switch err := ioctlAgain(dir, iocSetFlags, unsafe.Pointer(&wanted)); {
	case err == unix.EPERM: // not a missing capability: Open needs a greater one
		return &Error{Op: op, Subject: quote(path), Kind: ErrInUse, Fact: "it is being sent", Err: err}
	case err != nil:
		return fail(op, quote(path), err)
	}
	return nil
}
