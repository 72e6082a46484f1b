package kernel

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// List returns every live subvolume but the top level, with all fields, sorted by ID: one pass over the tree of roots,
// and one lookup for each directory that subvolumes lie in. Those made, deleted or moved meanwhile are in it as before
// or as after; all others are in it for certain.
func (f *Filesystem) List() ([]Subvolume, error) {
	all, err := f.list()
	if err != nil {
		return nil, fail("list the subvolumes of filesystem", f.uuid.String(), err)
	}
	return all, nil
}

func (f *Filesystem) list() ([]Subvolume, error) {
	all, err := f.allRoots()
	if err != nil {
		return nil, err
	}
	l := lister{f: f, roots: all, paths: make(map[uint64]string, len(all)+1), dirs: map[directory]string{}}
	l.paths[TopLevelID] = ""
	for i := range all {
		s := &all[i]
		path, err := l.path(s.ID, 0)
		if err == unix.ENOENT {
			// Deleted or moved meanwhile: what holds now?
			var now Subvolume
			if now, err = f.root(s.ID); err == nil {
				path, err = f.pathOf(now)
			}
			if err == unix.ENOENT {
				s.Path, s.ParentID = "", 0 // gone: what lies in it has to be looked at anew as well
				continue
			}
			*s = now
		}
		if err != nil {
			return nil, err
		}
		s.Path, l.paths[s.ID] = path, path
	}
	return slices.DeleteFunc(all, func(s Subvolume) bool { return s.Path == "" }), nil
}

// allRoots reads the tree of roots, whose items come in the order of IDs, the reference of each behind its root. Paths
// are only names. One whose reference was missed, because it was moved, has ParentID 0.
func (f *Filesystem) allRoots() ([]Subvolume, error) {
	var all []Subvolume
	k := searchKey{
		treeID: treeRoot, minObjectID: firstFreeObject, maxObjectID: lastFreeObject,
		minType: keyRootItem, maxType: keyRootBackref, maxOffset: ^uint64(0),
	}
	err := search(f.top, k, bufferMany, func(it item) error {
		switch it.kind {
		case keyRootItem:
			root, ok := decodeRootItem(it.data)
			if !ok {
				return errTruncated
			}
			if root.refs > 0 {
				if len(all) == cap(all) {
					all = slices.Grow(all, max(64, len(all))) // double: they are large
				}
				all = append(all, root.subvolume(it.object))
			}
		case keyRootBackref:
			ref, ok := decodeRootRef(it)
			if !ok {
				return errTruncated
			}
			if last := len(all) - 1; last >= 0 && all[last].ID == it.object {
				all[last].ParentID, all[last].DirID, all[last].Path = ref.parent, ref.dir, ref.name
			}
		}
		return nil
	})
	return all, err
}

type directory struct{ tree, inode uint64 }

// lister puts paths together, each part of them once.
type lister struct {
	f     *Filesystem
	roots []Subvolume // sorted by ID; the Path of one that is not in paths is its name
	paths map[uint64]string
	dirs  map[directory]string
}

func (l *lister) path(id uint64, depth int) (string, error) {
	if path, ok := l.paths[id]; ok {
		return path, nil
	}
	i, found := slices.BinarySearchFunc(l.roots, id, func(s Subvolume, id uint64) int { return cmp.Compare(s.ID, id) })
	if !found || l.roots[i].ParentID == 0 {
		return "", unix.ENOENT
	}
	if depth > maxDepth {
		return "", errDepth
	}
	s := &l.roots[i]
	parent, err := l.path(s.ParentID, depth+1)
	if err != nil {
		return "", err
	}
	where := directory{s.ParentID, s.DirID}
	dir, ok := l.dirs[where]
	if !ok {
		if dir, err = l.f.dirPath(where.tree, where.inode); err != nil {
			return "", err
		}
		l.dirs[where] = dir
	}
	path := joinPath(joinPath(parent, dir), s.Path)
	l.paths[id] = path
	return path, nil
}
