package layout

import (
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// target is a subvolume, directory or file as it will be before the step.
type target struct {
	path  string
	found bool
	kind  kernel.EntryType // of what is found
	inode uint64           // 0 for what is not made yet
	sub   *subvolume.Known // it, when it is a subvolume, but not for the top level
	storage
	empty      bool
	mode       uint32
	uid, gid   uint32
	sealed     *subvolume.Known // the read-only subvolume that it lies in
	unreadable error            // it is there and can't be looked at

	swapFiles []kernel.SwapFile
}

// storage is how data is stored.
type storage struct {
	compression string // as kernel.Node has it
	noCow       bool
}

// observeTarget looks at a path, and lays what earlier steps will have done over it.
func observeTarget(f *kernel.Filesystem, v *subvolume.View, path string) (target, error) {
	t := target{path: path}
	if around, is := v.Sealed(path); is {
		t.sealed = &around
	}
	s, isSubvolume := v.At(path)
	if isSubvolume {
		t.sub = &s
		if s.Planned && s.ParentUUID.IsZero() { // it will be made empty
			t.found, t.kind, t.empty = true, kernel.EntrySubvolume, !holds(v, path)
			err := t.inherit(f, s)
			return t, err
		}
	}
	now, exists := v.OnDisk(path)
	if !exists {
		return t, nil
	}
	node, err := f.OpenNode(now)
	if errors.Is(err, kernel.ErrNotFound) {
		return t, nil
	}
	if err != nil {
		t.found, t.unreadable = true, err
		return t, nil
	}
	defer node.Close()
	if node.Kind() == kernel.EntrySubvolume && !isSubvolume && path != "" { // an earlier step deletes it
		return t, nil
	}
	t.found, t.kind, t.inode = true, node.Kind(), node.Inode()
	t.mode = node.Mode()
	t.uid, t.gid = node.Owner()
	if t.empty, err = node.Empty(); err == nil && t.kind != kernel.EntryFile && v.Overlaid() {
		t.empty, err = emptied(f, v, path, now)
	}
	if err != nil {
		return t, volume.Explain("/path", err)
	}
	if t.storage, err = storageOf(node); err != nil {
		return t, volume.Explain("/path", err)
	}
	if isSubvolume {
		t.storage = t.storage.with(s.Shape)
	} else {
		t.storage = t.storage.with(v.FileShape(shownPath(path)))
	}
	return t, nil
}

// holds reports whether a subvolume will be directly in a folder.
func holds(v *subvolume.View, path string) bool {
	for _, s := range v.All() {
		if volume.ParentOf(s.Path) == path {
			return true
		}
	}
	return false
}

// emptied reports whether nothing will be in a folder that is somewhere now: subvolumes in it can come and go.
func emptied(f *kernel.Filesystem, v *subvolume.View, path, now string) (bool, error) {
	if holds(v, path) {
		return false, nil
	}
	around, _ := v.Around(path)
	dir, err := f.OpenDir(now)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	for _, e := range entries {
		if e.Type != kernel.EntrySubvolume || around.Planned { // of a snapshot: a folder stands for it
			return false, err
		}
	}
	return true, err
}

// inherit finds the storage of an empty subvolume that is not made yet. Copy on write it has whatever the folder says.
func (t *target) inherit(f *kernel.Filesystem, s subvolume.Known) error {
	t.storage = storage{compression: kernel.CompressionDefault}
	if s.Shape.Compression == "" {
		node, err := f.OpenNode(s.CompressionOf)
		if err != nil {
			return volume.Explain("/path", err)
		}
		defer node.Close()
		around, err := node.Compression()
		if err != nil {
			return volume.Explain("/path", err)
		}
		t.compression = kernel.InheritedCompression(around)
	}
	t.storage = t.storage.with(s.Shape)
	return nil
}

func storageOf(node *kernel.Node) (s storage, err error) {
	if s.compression, err = node.Compression(); err != nil {
		return s, err
	}
	s.noCow, err = node.NoCow()
	return s, err
}

// with lays what is said in a Shape over it.
func (s storage) with(over subvolume.Shape) storage {
	if over.Compression != "" {
		s.compression = over.Compression
	}
	if over.NoCow != nil {
		s.noCow = *over.NoCow
	}
	return s
}
