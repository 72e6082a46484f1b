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
	roots, err := f.allRoots()
	if err != nil {
		return nil, err
	}
	l := lister{f: f, roots: roots, paths: map[uint64]string{TopLevelID: ""}, dirs: map[directory]string{}}
	all := make([]Subvolume, 0, len(roots))
	for _, s := range roots {
		s := *s
		if s.Path, err = l.path(s.ID, 0); err == unix.ENOENT {
			// Deleted or moved meanwhile: what holds now?
			if s, err = f.root(s.ID); err == nil {
				s.Path, err = f.pathOf(s)
			}
			if err == unix.ENOENT {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Subvolume) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// allRoots reads the tree of roots. Paths are only names. One whose reference was missed, because it was moved, has
// ParentID 0.
func (f *Filesystem) allRoots() (map[uint64]*Subvolume, error) {
	roots := map[uint64]*Subvolume{}
	refs := map[uint64]rootRef{}
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
				s := root.subvolume(it.object)
				roots[it.object] = &s
			}
		case keyRootBackref:
			ref, ok := decodeRootRef(it)
			if !ok {
				return errTruncated
			}
			refs[it.object] = ref
		}
		return nil
	})
	for id, ref := range refs {
		if s := roots[id]; s != nil {
			s.ParentID, s.DirID, s.Path = ref.parent, ref.dir, ref.name
		}
	}
	return roots, err
}

type directory struct{ tree, inode uint64 }

// lister puts paths together, each part of them once.
type lister struct {
	f     *Filesystem
	roots map[uint64]*Subvolume
	paths map[uint64]string
	dirs  map[directory]string
}

func (l *lister) path(id uint64, depth int) (string, error) {
	if path, ok := l.paths[id]; ok {
		return path, nil
	}
	s := l.roots[id]
	switch {
	case s == nil || s.ParentID == 0:
		return "", unix.ENOENT
	case depth > maxDepth:
		return "", errDepth
	}
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
