package kernel

import (
	"cmp"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is an open directory of the filesystem. It stays the same directory when it is renamed. Paths given to its methods
// start at it and can't leave it. All methods may be called concurrently, Close excepted.
type Dir struct {
	file *os.File
	path string
}

// EntryType says what a name in a directory stands for.
type EntryType uint8

const (
	EntryOther     EntryType = iota // a device node, socket or pipe
	EntryFile                       // a regular file
	EntryDir                        // a plain directory
	EntrySubvolume                  // the root of a subvolume
	EntryStub                       // in a snapshot: the empty place of a subvolume that was nested in the source
	EntrySymlink
)

func (t EntryType) String() string {
	switch t {
	case EntryFile:
		return "file"
	case EntryDir:
		return "directory"
	case EntrySubvolume:
		return "subvolume"
	case EntryStub:
		return "place of a nested subvolume"
	case EntrySymlink:
		return "symbolic link"
	}
	return "special file"
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Type EntryType
}

// OpenDir opens a directory, "" being the top level. The caller closes it.
func (f *Filesystem) OpenDir(path string) (*Dir, error) { return f.topDir().OpenDir(path) }

// topDir is the top level as a Dir, which is not to be closed.
func (f *Filesystem) topDir() *Dir { return &Dir{file: f.top} }

// OpenDir opens a directory below d, "" being another handle of d itself. The caller closes it.
func (d *Dir) OpenDir(path string) (*Dir, error) {
	const op = "open directory"
	clean, err := cleanPath(op, path)
	if err != nil {
		return nil, err
	}
	shown := joinPath(d.path, clean)
	file, err := openDirBeneath(op, d.file, clean, shown)
	if err != nil {
		return nil, err
	}
	return &Dir{file: file, path: shown}, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error { return d.file.Close() }

// Path is where the directory was when it was opened, from the top level.
func (d *Dir) Path() string { return d.path }

// Fd returns the descriptor, which stays the Dir's own and is valid until Close.
func (d *Dir) Fd() uintptr { return d.file.Fd() }

// ReadEntries returns all entries, sorted by the bytes of their names. Those that vanish meanwhile are left out.
func (d *Dir) ReadEntries() ([]Entry, error) {
	const op = "read directory"
	again, err := openBeneath(d.file, "", unix.O_RDONLY|unix.O_DIRECTORY, 0) // for a position of its own
	if err != nil {
		return nil, fail(op, quote(d.path), err)
	}
	defer again.Close()
	found, err := again.ReadDir(-1)
	if err != nil {
		return nil, fail(op, quote(d.path), err)
	}
	entries := make([]Entry, 0, len(found))
	for _, e := range found {
		t := entryType(e.Type())
		if t == EntryDir {
			// Only the inode tells a subvolume from a directory; what readdir says is its ID, not the inode.
			st, err := lstatAt(again, e.Name())
			if err == unix.ENOENT {
				continue
			}
			if err != nil {
				return nil, fail(op, quote(joinPath(d.path, e.Name())), err)
			}
			t = statType(st)
		}
		entries = append(entries, Entry{Name: e.Name(), Type: t})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

func entryType(mode fs.FileMode) EntryType {
	switch mode.Type() {
	case 0:
		return EntryFile
	case fs.ModeDir:
		return EntryDir
	case fs.ModeSymlink:
		return EntrySymlink
	}
	return EntryOther
}

func statType(st unix.Stat_t) EntryType {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return EntryFile
	case unix.S_IFLNK:
		return EntrySymlink
	case unix.S_IFDIR:
		switch st.Ino {
		case inodeRoot:
			return EntrySubvolume
		case inodeStub:
			return EntryStub
		}
		return EntryDir
	}
	return EntryOther
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
