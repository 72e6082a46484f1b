package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// Roots that are rolled back.
const (
	fewFiles, manyFiles = 1_000, 100_000
	manyArchives        = 30
)

// boot measures the rollback of a root, by how much lies in it and how many archives there are. The filesystem is mounted already, as
// mounting depends on other things.
func (b *bench) boot(ctx context.Context, _ *worlds) (err error) {
	b.note("preparing roots of %d and %d files", fewFiles, manyFiles)
	var all []*contender
	for _, shape := range []struct{ files, archives int }{{fewFiles, 0}, {manyFiles, 0}, {fewFiles, manyArchives}, {manyFiles, manyArchives}} {
		w, made := b.rootWorld(ctx, shape.files, shape.archives)
		if w != nil {
			defer func() { err = errors.Join(err, w.fs.Close()) }()
		}
		if made != nil {
			return made
		}
		all = append(all, &contender{name: fmt.Sprintf("coppice run boot-rollback, %d files, %d archives", shape.files, shape.archives), world: w,
			run: func(ctx context.Context, w *world) (spent, error) {
				return b.run(ctx, b.coppice, "run", "boot-rollback", "-i", "filesystem="+w.fs.Mount, "-i", "blank=blank")
			},
			check: func(_ context.Context, w *world) error {
				left, err := os.ReadDir(w.fs.Path("root"))
				if err == nil && len(left) != 0 {
					err = fmt.Errorf("the root is not clean: %d things are in it", len(left))
				}
				return err
			}})
	}
	if err := b.inTurn(ctx, all...); err != nil {
		return err
	}
	b.section("6. Roll the root back at boot")
	b.columns("whole process, the filesystem being mounted")
	for _, c := range all {
		b.times(c, wall)
	}
	least := all[0].of(wall).median
	for _, c := range all[1:] {
		b.fact("in terms of the first: "+c.name[len("coppice run boot-rollback, "):], multiple(ratio(c.of(wall).median, least)))
	}
	return nil
}

// rootWorld is a filesystem with a root of so many files, and archives of it. The caller closes it, after an error too.
func (b *bench) rootWorld(ctx context.Context, files, archives int) (*world, error) {
	fs, err := loopfs.New(loopfs.Options{Size: 2 << 30, MountOptions: "nobarrier,noatime", Dir: b.dir})
	if err != nil {
		return nil, err
	}
	w := &world{fs: fs, pristine: fs.Image[0] + ".pristine", form: coppiceForm{}}
	err = w.with(ctx, func(top *kernel.Filesystem) error {
		for _, path := range []string{"root", "blank"} {
			if _, err := top.CreateSubvolume(path); err != nil {
				return err
			}
		}
		if err := fill(fs.Path("root"), files); err != nil {
			return err
		}
		if _, err := top.MkdirAll("old_roots", 0o700); err != nil {
			return err
		}
		for i := range archives {
			if _, err := top.Snapshot(kernel.SnapshotSpec{SourcePath: "root", DestDir: "old_roots", Name: "root-" + strconv.Itoa(i)}); err != nil {
				return err
			}
		}
		return top.Sync()
	})
	if err != nil {
		return w, err
	}
	if err := fs.Unmount(); err != nil {
		return w, err
	}
	return w, settle(fs.Image[0])
}

// fill makes files, a thousand in each folder.
func fill(dir string, files int) error {
	for i := range files {
		folder := filepath.Join(dir, strconv.Itoa(i/1000))
		if i%1000 == 0 {
			if err := os.Mkdir(folder, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)), []byte("content"), 0o644); err != nil {
			return err
		}
	}
	return nil
}
