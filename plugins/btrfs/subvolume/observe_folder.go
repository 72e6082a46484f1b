package subvolume

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// observeFolders reads the content of folders, without the subvolumes that are listed anyway.
func (m *machine) observeFolders(f *kernel.Filesystem, paths ...string) {
	if m.folders == nil {
		m.folders = map[string]listing{}
	}
	for _, p := range paths {
		if _, known := m.folders[p]; !known {
			m.folders[p] = m.readFolder(f, p)
		}
	}
}

// readFolder looks only at what is not known to be a subvolume: looking at a subvolume makes the kernel read its root
// from the disk, which takes long with a thousand of them.
func (m *machine) readFolder(f *kernel.Filesystem, path string) listing {
	now, is := m.onDisk(path)
	if !is {
		return listing{}
	}
	dir, err := f.OpenDir(now)
	if errors.Is(err, kernel.ErrNotFound) {
		return listing{}
	}
	if err != nil {
		return listing{found: true, err: err}
	}
	defer dir.Close()
	l := listing{found: true}
	names, err := os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return listing{found: true, err: fmt.Errorf("cannot read directory %q: %w", path, err)}
	}
	for _, n := range names {
		if _, known := m.at(path + "/" + n.Name()); known {
			continue
		}
		kind, found, err := dir.Stat(n.Name())
		if err != nil {
			return listing{found: true, err: err}
		}
		if !found || kind == kernel.EntrySubvolume { // made or deleted meanwhile
			continue
		}
		l.entries = append(l.entries, kernel.Entry{Name: n.Name(), Type: kind})
		if kind == kernel.EntryDir && !l.snapper && snapperName(n.Name()) {
			l.snapper, err = dir.Exists(n.Name() + "/" + snapperInfo)
			if err != nil {
				return listing{found: true, err: err}
			}
		}
	}
	sort.Slice(l.entries, func(i, j int) bool { return l.entries[i].Name < l.entries[j].Name })
	return l
}
