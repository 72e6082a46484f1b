package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Subvolume is what the kernel knows of one subvolume or snapshot. Times are UTC; the zero time and the zero UUID mean
// that there is none.
type Subvolume struct {
	ID       uint64
	ParentID uint64 // the subvolume it lies in, 0 for the top level
	DirID    uint64 // the inode of the directory it lies in, within the parent
	Path     string // from the top level

	UUID         UUID
	ParentUUID   UUID // of the subvolume it is a snapshot of, which may be gone
	ReceivedUUID UUID // of the sent subvolume it was received from, or a snapshot of such a one

	OTime, CTime, STime, RTime time.Time // born, changed, sent, received

	Gen                                    uint64 // transaction of the last commit of its root
	OTransID, CTransID, STransID, RTransID uint64 // transactions of the times above
	ReadOnly                               bool
	Flags                                  uint64 // as on disk: bit 0 read-only
}

// Name is the last element of the path; "" for the top level.
func (s Subvolume) Name() string {
	_, name := splitPath(s.Path)
	return name
}

func (r rootItem) subvolume(id uint64) Subvolume {
	return Subvolume{
		ID: id, UUID: r.uuid, ParentUUID: r.parentUUID, ReceivedUUID: r.receivedUUID,
		OTime: r.otime, CTime: r.ctime, STime: r.stime, RTime: r.rtime,
		Gen: r.generation, OTransID: r.otransid, CTransID: r.ctransid, STransID: r.stransid, RTransID: r.rtransid,
		ReadOnly: r.flags&rootReadOnly != 0, Flags: r.flags,
	}
}

// Info returns one live subvolume; TopLevelID is allowed. A deleted one is ErrNotFound even while the cleaner works on
// it. It costs two searches for each level of nesting.
func (f *Filesystem) Info(id uint64) (Subvolume, error) {
	const op = "look up the subvolume"
	s, err := f.root(id)
	if err != nil {
		return Subvolume{}, fail(op, quoteID(id), err)
	}
	if s.Path, err = f.pathOf(s); err != nil {
		return Subvolume{}, fail(op, quoteID(id), err)
	}
	return s, nil
}

// root reads the root item and the back reference of a live subvolume. Its path is only the name. Errors are bare.
func (f *Filesystem) root(id uint64) (Subvolume, error) {
	var root rootItem
	var ref rootRef
	found, hangs := false, false
	err := search(f.top, keyRange(treeRoot, id, keyRootItem, keyRootBackref), bufferOne, func(it item) error {
		ok := true
		switch it.kind {
		case keyRootItem:
			root, ok = decodeRootItem(it.data)
			found = ok
		case keyRootBackref:
			ref, ok = decodeRootRef(it)
			hangs = ok
		}
		if !ok {
			return errTruncated
		}
		return nil
	})
	if err != nil {
		return Subvolume{}, err
	}
	if !found || root.refs == 0 || !hangs && id != TopLevelID {
		return Subvolume{}, unix.ENOENT
	}
	s := root.subvolume(id)
	s.ParentID, s.DirID, s.Path = ref.parent, ref.dir, ref.name
	return s, nil
}

// pathOf goes up from a subvolume whose Path is only its name.
func (f *Filesystem) pathOf(s Subvolume) (string, error) {
	path := s.Path
	for depth := 0; s.ParentID != 0; depth++ {
		if depth > maxDepth {
			return "", errDepth
		}
		dir, err := f.dirPath(s.ParentID, s.DirID)
		if err != nil {
			return "", err
		}
		path = joinPath(dir, path)
		if s.ParentID == TopLevelID {
			return path, nil
		}
		if s, err = f.root(s.ParentID); err != nil {
			return "", err
		}
		path = joinPath(s.Path, path)
	}
	return path, nil
}

// maxDepth only keeps a damaged filesystem, whose references run in a circle, from hanging the program.
const maxDepth = 1 << 16

var errDepth = errors.New("the references to it do not lead to the top level")

// dirPath is the path of a directory inside its subvolume, "" for the root of the subvolume.
func (f *Filesystem) dirPath(tree, inode uint64) (string, error) {
	if inode == inodeRoot {
		return "", nil
	}
	path, err := inoLookup(f.top, tree, inode)
	switch {
	case err == unix.ENAMETOOLONG: // more than 4079 bytes
		return f.longDirPath(tree, inode)
	case err != nil:
		return "", err
	}
	return cleanPath("resolve", path)
}

// longDirPath goes up directory by directory, for paths that the kernel does not put together.
func (f *Filesystem) longDirPath(tree, inode uint64) (string, error) {
	path := ""
	for depth := 0; inode != inodeRoot; depth++ {
		var parent uint64
		var name string
		found := false
		err := search(f.top, keyRange(tree, inode, keyInodeRef, keyInodeRef), bufferOne, func(it item) error {
			if parent, name, found = decodeInodeRef(it); !found {
				return errTruncated
			}
			return nil
		})
		switch {
		case err != nil:
			return "", err
		case !found:
			return "", unix.ENOENT
		case depth > maxDepth:
			return "", errDepth
		}
		path, inode = joinPath(name, path), parent
	}
	return path, nil
}

// ByUUID returns the live subvolume with that UUID: through the UUID tree, or in filesystems without one by looking at
// all of them. ErrInvalid for the zero UUID.
func (f *Filesystem) ByUUID(id UUID) (Subvolume, error) {
	const op = "look up the subvolume with UUID"
	if id.IsZero() {
		return Subvolume{}, refuse(op, id.String(), ErrInvalid, "the zero UUID stands for none")
	}
	ids, err := f.idsOf(id)
	if err == unix.ENOENT { // no UUID tree: last mounted by a kernel before 3.12
		all, err := f.List()
		if err != nil {
			return Subvolume{}, err
		}
		for _, s := range all {
			if s.UUID == id {
				return s, nil
			}
		}
		return Subvolume{}, refuse(op, id.String(), ErrNotFound, "filesystem %v has none", f.uuid)
	}
	if err != nil {
		return Subvolume{}, fail(op, id.String(), err)
	}
	for _, n := range ids {
		s, err := f.Info(n)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return Subvolume{}, err
		}
		if s.UUID == id {
			return s, nil
		}
	}
	return Subvolume{}, refuse(op, id.String(), ErrNotFound, "filesystem %v has none", f.uuid)
}

// idsOf asks the UUID tree, whose keys are the two halves of the UUID.
func (f *Filesystem) idsOf(id UUID) ([]uint64, error) {
	var ids []uint64
	k := keyRange(treeUUID, le64(id[:], 0), keyUUIDSubvol, keyUUIDSubvol)
	k.minOffset, k.maxOffset = le64(id[:], 8), le64(id[:], 8)
	err := search(f.top, k, bufferOne, func(it item) error {
		for b := it.data; len(b) >= 8; b = b[8:] {
			ids = append(ids, le64(b, 0))
		}
		return nil
	})
	return ids, err
}

// Default returns the ID of the subvolume that is mounted when none is asked for; TopLevelID unless it was set.
func (f *Filesystem) Default() (uint64, error) {
	id := uint64(TopLevelID)
	// The kernel has no request to read it: it is the entry "default" of a directory in the tree of roots.
	err := search(f.top, keyRange(treeRoot, objectRootTreeDir, keyDirItem, keyDirItem), bufferOne, func(it item) error {
		if found, ok := decodeDirItem(it.data, "default"); ok {
			id = found
		}
		return nil
	})
	if err != nil {
		return 0, fail("read the default subvolume of filesystem", f.uuid.String(), err)
	}
	return id, nil
}

// infoOf asks an open file or directory for the subvolume it is in; the Path is only the name. It needs no privilege.
func infoOf(f *os.File) (Subvolume, error) {
	a := new(subvolInfoArgs)
	if err := ioctlAgain(f, iocSubvolInfo, unsafe.Pointer(a)); err != nil {
		return Subvolume{}, err
	}
	return Subvolume{
		ID: a.treeID, ParentID: a.parentID, DirID: a.dirID, Path: text(a.name[:]),
		UUID: a.uuid, ParentUUID: a.parentUUID, ReceivedUUID: a.receivedUUID,
		OTime: a.otime.time(), CTime: a.ctime.time(), STime: a.stime.time(), RTime: a.rtime.time(),
		Gen: a.generation, OTransID: a.otransid, CTransID: a.ctransid, STransID: a.stransid, RTransID: a.rtransid,
		ReadOnly: a.flags&rootReadOnly != 0, Flags: a.flags,
	}, nil
}

// SubvolumeAt returns the subvolume that a path of the running system is in, and whether the path is its root directory.
// Symbolic links are followed, as for every other program. ErrOtherFilesystem if the path is on another filesystem than
// f, ErrNotBtrfs if it is on none at all.
func (f *Filesystem) SubvolumeAt(path string) (s Subvolume, isRoot bool, err error) {
	const op = "find the subvolume of"
	at, err := openLive(path)
	var block blockDevice
	if errors.As(err, &block) {
		return Subvolume{}, false, refuse(op, quote(path), ErrInvalid, "it is a block device")
	}
	if err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	defer at.Close()
	if err := mustBeBtrfs(op, path, at); err != nil {
		return Subvolume{}, false, err
	}
	info, err := fsInfo(at)
	if err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	if UUID(info.fsid) != f.uuid {
		return Subvolume{}, false, refuse(op, quote(path), ErrOtherFilesystem, "it is on filesystem %v, not on %v", UUID(info.fsid), f.uuid)
	}
	id, err := treeOf(at)
	if err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	st, err := at.Stat()
	if err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	if s, err = f.Info(id); err != nil {
		return Subvolume{}, false, fmt.Errorf("%s is in a subvolume that is gone: %w", quote(path), err)
	}
	return s, st.IsDir() && inodeOf(st) == inodeRoot, nil
}

// AtPath returns the subvolume whose root is at a path from the top level; found is false when there is nothing, or
// something else. It looks at this path only, which is much cheaper than List.
func (f *Filesystem) AtPath(path string) (s Subvolume, found bool, err error) {
	const op = "look at"
	dir, err := openBeneath(f.top, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return Subvolume{}, false, nil
	case err != nil:
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	defer dir.Close()
	st, err := dir.Stat()
	if err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	if inodeOf(st) != inodeRoot {
		return Subvolume{}, false, nil
	}
	if s, err = infoOf(dir); err != nil {
		return Subvolume{}, false, fail(op, quote(path), err)
	}
	s.Path = path
	return s, true, nil
}
