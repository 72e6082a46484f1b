// Package volume is what every action of the btrfs plugin starts from: the filesystem that its inputs name, opened; the locks
// on it; what the machine says about its clock and its hold switches; coppice's own folder on the filesystem; paths as
// inputs give them; and errors in the user's words. It knows no action.
package volume

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// Target is the filesystem that an action works on.
type Target struct {
	Filesystem sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it. It must be mounted."`
}

// ResourceType is the type of resource that the actions touch. Its scope is the filesystem's UUID.
const ResourceType = "btrfs.subvolume"

// FilesystemType is the type of what a filesystem has once: its quotas, its default subvolume. Its scope is the UUID too.
const FilesystemType = "btrfs.filesystem"

// Open opens the filesystem that an action works on. The caller closes it.
func Open(ctx context.Context, t Target) (*kernel.Filesystem, error) {
	f, err := kernel.Open(ctx, string(t.Filesystem))
	if err != nil {
		return nil, ExplainOpen(err)
	}
	return f, nil
}

// OpenPlanned opens the filesystem that a plan was made for, known by its UUID: an input may name another one by now. The caller
// closes it.
func OpenPlanned(ctx context.Context, t Target, uuid string) (*kernel.Filesystem, error) {
	f, err := Open(ctx, t)
	if err != nil {
		return nil, err
	}
	if f.UUID().String() != uuid {
		f.Close()
		return nil, Drifted("%s is btrfs %v now, and was %s", t.Filesystem, f.UUID(), uuid)
	}
	return f, nil
}

// OpenLocked is OpenPlanned, and takes the lock on names. The caller calls release, which closes the filesystem too.
func OpenLocked(ctx context.Context, h Host, t Target, uuid string) (f *kernel.Filesystem, release func(), err error) {
	if f, err = OpenPlanned(ctx, t, uuid); err != nil {
		return nil, nil, err
	}
	unlock, err := LockNames(ctx, h, f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, func() { unlock(); f.Close() }, nil
}

// SyncFolder makes the names in a folder durable. For a new subvolume it makes the kernel commit.
func SyncFolder(f *kernel.Filesystem, path string) error {
	dir, err := f.OpenDir(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Fsync(int(dir.Fd())); err != nil {
		return fmt.Errorf("cannot write directory %q to disk: %w", path, err)
	}
	return nil
}
