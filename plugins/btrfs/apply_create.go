package btrfs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

func applyCreate(ctx context.Context, h host, c *sdk.Call, in CreateInput, private createPrivate) (CreateOutput, error) {
	out := CreateOutput{Path: private.Path, UUID: private.UUID}
	if !private.Create {
		return out, nil
	}
	f, err := open(ctx, in.Target)
	if err != nil {
		return out, err
	}
	defer f.Close()
	unlock, err := lockNames(ctx, h, f)
	if err != nil {
		return out, err
	}
	defer unlock()
	made, err := f.CreateSubvolume(private.Path)
	if errors.Is(err, kernel.ErrExists) {
		return existing(f, out)
	}
	if err != nil {
		return out, explain("/subvolume", err)
	}
	out.UUID = sdk.UUID(made.UUID.String())
	if err := syncFolder(f, parentOf(private.Path)); err != nil {
		return out, refuse("", "the subvolume %q was made, but may be lost in a power cut: %v", private.Path, err)
	}
	c.Done(0)
	return out, nil
}

// existing is the result of a plan that has been applied already.
func existing(f *kernel.Filesystem, out CreateOutput) (CreateOutput, error) {
	all, err := f.List()
	if err != nil {
		return out, explain("", err)
	}
	for _, s := range all {
		if s.Path == out.Path {
			out.UUID = sdk.UUID(s.UUID.String())
			return out, nil
		}
	}
	return out, drifted("%q is something else than a subvolume now", out.Path)
}

// syncFolder makes the names in a folder durable. For a new subvolume it makes the kernel commit.
func syncFolder(f *kernel.Filesystem, path string) error {
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
