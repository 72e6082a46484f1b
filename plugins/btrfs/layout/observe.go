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
	sub   *subvolume.Seen  // it, when it is a subvolume, but not for the top level
	storage
	empty      bool
	mode       uint32
	uid, gid   uint32
	sealed     *subvolume.Seen // the read-only subvolume that it lies in
	unreadable error           // it is there and can't be looked at

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
			t.found, t.kind, t.empty = true, kernel.EntrySubvolume, true
			inherited, err := inherit(f, v, path)
			t.compression = inherited
			t.storage = t.storage.with(s.Shape)
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
	if t.empty, err = node.Empty(); err != nil {
		return t, volume.Explain("/path", err)
	}
	if t.storage, err = storageOf(node); err != nil {
		return t, volume.Explain("/path", err)
	}
	if isSubvolume {
		t.storage = t.storage.with(s.Shape)
	} else {
		t.storage = t.storage.with(v.FileShape(path))
	}
	return t, nil
}

// inherit is the compression of a subvolume that is yet to be made at a path: the kernel gives it that of the subvolume around
// it, and copy on write whatever the folder says.
func inherit(f *kernel.Filesystem, v *subvolume.View, path string) (string, error) {
	around, _ := v.Around(volume.ParentOf(path)) // or the top level, whose path is ""
	t, err := observeTarget(f, v, around.Path)
	if err == nil {
		err = t.unreadable
	}
	if err != nil || !t.found {
		return kernel.CompressionDefault, err
	}
	return t.compression, nil
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
