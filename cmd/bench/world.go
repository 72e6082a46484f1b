package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
)

// world is a filesystem with a past that can be had afresh any time.
type world struct {
	fs       *loopfs.Filesystem
	pristine string // image to copy from
	form     form   // of its snapshots
	each     int    // of them for each source
}

// worlds are the filesystems that the rows work on. Those of tools that are not installed are nil.
type worlds struct {
	thousand, tenThousand *world // with our own snapshots
	btrbk, snapper        *world // a thousand, as these tools make them
}

func (b *bench) buildWorlds(ctx context.Context) (*worlds, error) {
	w := new(worlds)
	build := func(to **world, h history) error {
		b.note("preparing %d × %d snapshots as %s keeps them", len(sources), h.each, h.form)
		made, err := b.newWorld(ctx, h)
		*to = made
		return err
	}
	// More than half of 30 days: nothing of it is old enough for the default policy.
	if err := build(&w.thousand, history{form: coppiceForm{}, each: 250, step: 2 * time.Hour, busy: true}); err != nil {
		return w, err
	}
	if b.btrbk && b.wants("take", "expire") {
		if err := build(&w.btrbk, history{form: btrbkForm{}, each: 250, step: 24 * time.Hour, busy: true}); err != nil {
			return w, err
		}
	}
	if b.snapper && b.wants("take", "expire") {
		if err := build(&w.snapper, history{form: snapperForm{}, each: 250, step: 24 * time.Hour, busy: true}); err != nil {
			return w, err
		}
	}
	if !b.wants("list", "retention") {
		return w, nil
	}
	return w, build(&w.tenThousand, history{form: coppiceForm{}, each: 2500, step: 15 * time.Minute})
}

// close removes all of them.
func (w *worlds) close() error {
	var errs []error
	for _, one := range []*world{w.thousand, w.tenThousand, w.btrbk, w.snapper} {
		if one != nil {
			errs = append(errs, one.fs.Close())
		}
	}
	return errors.Join(errs...)
}

// newWorld makes a filesystem with that history. It is not mounted afterwards. The caller closes it, after an error too.
func (b *bench) newWorld(ctx context.Context, h history) (*world, error) {
	// Nothing of this has to survive a power cut, so barriers would only cost time.
	fs, err := loopfs.New(loopfs.Options{Size: 2 << 30, MountOptions: "nobarrier,noatime", Dir: b.dir})
	if err != nil {
		return nil, err
	}
	w := &world{fs: fs, pristine: fs.Image[0] + ".pristine", form: h.form, each: h.each}
	created, err := h.make(ctx, fs)
	if err != nil {
		return w, err
	}
	// What each transaction has left behind makes the copies ten times larger. Where holes can't be punched they stay so.
	_ = exec.CommandContext(ctx, "fstrim", fs.Mount).Run()
	if err := fs.Unmount(); err != nil {
		return w, err
	}
	if err := ages.Set(fs.Image[0], created); err != nil {
		return w, err
	}
	return w, settle(fs.Image[0])
}

// restore mounts a fresh copy.
func (w *world) restore(ctx context.Context) error {
	if err := w.fs.Unmount(); err != nil {
		return err
	}
	if _, err := os.Stat(w.pristine); errors.Is(err, os.ErrNotExist) { // nobody has changed it yet
		if err := os.Rename(w.fs.Image[0], w.pristine); err != nil {
			return err
		}
	} else if err := os.Remove(w.fs.Image[0]); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", w.pristine, w.fs.Image[0])
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot copy the image: %w: %s", err, out)
	}
	if err := settle(w.fs.Image[0]); err != nil {
		return err
	}
	return w.fs.MountAgain("noatime")
}

// remount forgets what the kernel knows of the filesystem. One that nothing changes needs no fresh copy.
func (w *world) remount(context.Context) error {
	if err := w.fs.Unmount(); err != nil {
		return err
	}
	return w.fs.MountAgain("noatime")
}

// settle writes a file out, so that this does not happen while something is measured.
func settle(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsync(int(f.Fd())), f.Close())
}

// with opens the top level for a moment.
func (w *world) with(ctx context.Context, do func(*kernel.Filesystem) error) error {
	top, err := kernel.Open(ctx, w.fs.Mount)
	if err != nil {
		return err
	}
	return errors.Join(do(top), top.Close())
}
