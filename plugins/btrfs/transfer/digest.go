package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// digest stands for everything in a snapshot that a copy has to have too: names, types, modes, owners, times of modification,
// extended attributes, targets of links, which names are of one file, device numbers, and all data. The time of the root
// directory is left out: a stream makes new files there first and renames them, and sets the time back only where it differs
// from the parent's.
type digest struct {
	Entries int64  `json:"entries"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

func (d digest) String() string {
	return fmt.Sprintf("%d entries, %d bytes, SHA-256 %.12s…", d.Entries, d.Bytes, d.SHA256)
}

// digestOf reads a whole snapshot.
func digestOf(ctx context.Context, f *kernel.Filesystem, path string, id kernel.UUID) (digest, error) {
	root, err := f.OpenSubvolume(path, id)
	if err != nil {
		return digest{}, err
	}
	defer root.Close()
	w := walker{ctx: ctx, sum: sha256.New(), links: map[uint64]int64{}, buffer: make([]byte, 256<<10)}
	if err := w.entry(root, "."); err != nil {
		return digest{}, fmt.Errorf("cannot read all of the snapshot %q: %w", path, err)
	}
	w.result.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	return w.result, nil
}

type walker struct {
	ctx    context.Context
	sum    hash.Hash
	links  map[uint64]int64 // of an inode with several names, the number of the first one
	buffer []byte
	result digest
}

// text adds a string so that no two different sequences of them are the same.
func (w *walker) text(s string) {
	w.numbers(int64(len(s)))
	io.WriteString(w.sum, s)
}

func (w *walker) numbers(all ...int64) {
	var b []byte
	for _, n := range all {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	w.sum.Write(b)
}

// entry adds one name of a directory and what is below it.
func (w *walker) entry(dir *os.File, name string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.result.Entries++
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	w.text(name)
	kind := st.Mode & unix.S_IFMT
	w.numbers(int64(st.Mode), int64(st.Uid), int64(st.Gid))
	if name != "." {
		w.numbers(int64(st.Mtim.Sec), int64(st.Mtim.Nsec))
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		first, seen := w.links[st.Ino]
		if !seen {
			first = w.result.Entries
			w.links[st.Ino] = first
		}
		w.numbers(first)
		if seen {
			return nil
		}
	}
	if err := w.attributes(dir, name); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	var err error
	switch kind {
	case unix.S_IFDIR:
		err = w.directory(dir, name)
	case unix.S_IFREG:
		w.numbers(st.Size)
		err = w.file(dir, name)
	case unix.S_IFLNK:
		var n int
		if n, err = unix.Readlinkat(int(dir.Fd()), name, w.buffer[:unix.PathMax]); err == nil {
			w.text(string(w.buffer[:n]))
		}
	case unix.S_IFBLK, unix.S_IFCHR:
		w.numbers(int64(st.Rdev))
	}
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

func (w *walker) directory(dir *os.File, name string) error {
	d, err := openIn(dir, name, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	// The place of a nested subvolume is an empty directory in a snapshot, and in a copy there is none.
	names = slices.DeleteFunc(names, func(n string) bool {
		var st unix.Stat_t
		return unix.Fstatat(int(d.Fd()), n, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Ino == stubInode
	})
	slices.Sort(names)
	w.numbers(int64(len(names)))
	for _, n := range names {
		if err := w.entry(d, n); err != nil {
			return err
		}
	}
	return nil
}

// stubInode is the place of a subvolume in a snapshot of the one it lies in, BTRFS_EMPTY_SUBVOL_DIR_OBJECTID of linux/btrfs_tree.h.
const stubInode = 2

func (w *walker) file(dir *os.File, name string) error {
	f, err := openIn(dir, name, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(w.buffer)
		w.sum.Write(w.buffer[:n])
		w.result.Bytes += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// attributes adds the extended attributes. There is no *at(2) for them on most kernels: /proc gives the descriptor a path.
func (w *walker) attributes(dir *os.File, name string) error {
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
	list := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Llistxattr(path, list)
	if err == unix.ENOTSUP {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list its attributes: %w", err)
	}
	names := strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	w.numbers(int64(len(names)))
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	for _, a := range names {
		n, err := unix.Lgetxattr(path, a, value)
		if err != nil {
			return fmt.Errorf("cannot read its attribute %q: %w", a, err)
		}
		w.text(a)
		w.text(string(value[:n]))
	}
	return nil
}

func openIn(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
