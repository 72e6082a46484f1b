package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// defragmenter is the state of one Apply.
type defragmenter struct {
	c    *sdk.Call
	in   DefragmentInput
	out  DefragmentOutput
	seen int64 // bytes of the files that are behind
	pace pace
	told time.Time
}

func applyDefragment(ctx context.Context, h volume.Host, c *sdk.Call, in DefragmentInput, private defragmentPrivate) (DefragmentOutput, error) {
	d := &defragmenter{c: c, in: in, pace: startPace(0)}
	f, release, err := volume.OpenExclusive(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return d.out, err
	}
	defer release()
	what, err := f.ExclusiveOperation()
	if err != nil {
		return d.out, volume.Explain("", err)
	}
	if text, advice := exclusiveProblem(what); text != "" && what != "balance paused" {
		return d.out, named{id: f.UUID().String()}.busyError("can't be defragmented now", text, advice)
	}
	for i, path := range private.Paths {
		if err := d.place(ctx, f, path); err != nil {
			if ctx.Err() != nil {
				return d.out, ctx.Err()
			}
			return d.out, volume.Explain(volume.At("paths", i), err)
		}
		c.Done(i)
	}
	if d.out.Busy > 0 {
		c.Warn(volume.Warn("", "%s can't be defragmented; the log names them", volume.Count(d.out.Busy, "file")))
	}
	c.Summarize("%d of %s, %v, from %d extents to %d", d.out.Defragmented, volume.Count(d.out.Files, "file"), d.out.Bytes, d.out.ExtentsBefore, d.out.ExtentsAfter)
	return d.out, nil
}

// place works on what is at a path: a file, or all below it.
func (d *defragmenter) place(ctx context.Context, f *kernel.Filesystem, path string) error {
	kind, found, err := f.Stat(path)
	if err != nil {
		return err
	}
	if !found {
		return volume.Drifted("%q is not there any more", path)
	}
	if kind != kernel.EntryFile {
		dir, err := f.OpenDir(path)
		if err != nil {
			return err
		}
		return d.folder(ctx, dir)
	}
	dir, err := f.OpenDir(volume.ParentOf(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := path
	if parent := volume.ParentOf(path); parent != "" {
		name = path[len(parent)+1:]
	}
	return d.file(ctx, dir, name)
}

// folder works on all below a directory, and closes it.
func (d *defragmenter) folder(ctx context.Context, dir *kernel.Dir) error {
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch e.Type {
		case kernel.EntryFile:
			err = d.file(ctx, dir, e.Name)
		case kernel.EntrySubvolume:
			d.out.Nested++
		case kernel.EntryDir:
			var below *kernel.Dir
			if below, err = dir.OpenDir(e.Name); err == nil {
				err = d.folder(ctx, below)
			}
		}
		if err != nil && !errors.Is(err, kernel.ErrNotFound) { // gone meanwhile
			return err
		}
	}
	return nil
}

func (d *defragmenter) file(ctx context.Context, dir *kernel.Dir, name string) error {
	file, err := dir.OpenData(name)
	if err != nil {
		return err
	}
	defer file.Close()
	d.out.Files++
	defer func() { d.seen += file.Size }()
	before, err := file.Extents()
	if err != nil {
		return err
	}
	compress, few := compressions[d.in.Compression], 2
	if compress != kernel.CompressNot {
		few = 1
	}
	switch {
	case before.Shared && d.in.Shared == "skip":
		d.out.Shared++
		return nil
	case before.Inline || before.Count < few:
		return nil
	}
	d.tell(0, dir.Path())
	err = file.Defragment(ctx, uint32(d.in.ExtentSize), compress, func(done int64) { d.tell(done, dir.Path()) })
	switch {
	case err == nil:
	case errors.Is(err, kernel.ErrInUse), errors.Is(err, kernel.ErrNotPermitted), errors.Is(err, unix.EINVAL):
		d.out.Busy++
		d.c.Logf("info", "%v", err)
		return nil
	default:
		return err
	}
	after, err := file.Extents()
	if err != nil {
		return err
	}
	d.out.Defragmented++
	d.out.Bytes += sdk.Size(file.Size)
	d.out.ExtentsBefore += int64(before.Count)
	d.out.ExtentsAfter += int64(after.Count)
	return nil
}

var compressions = map[string]kernel.Compression{"keep": kernel.CompressNot, "zlib": kernel.CompressZlib, "lzo": kernel.CompressLZO, "zstd": kernel.CompressZstd}

// tell is called for each file, of which there may be a million.
func (d *defragmenter) tell(done int64, where string) {
	if time.Since(d.told) < lookEvery {
		return
	}
	d.told = time.Now()
	d.c.Progress(sdk.Progress{Current: d.seen + done, Unit: "bytes",
		Message: paceText(d.seen+done, -1, time.Since(d.pace.started), fmt.Sprintf("%d files looked at, now in %q", d.out.Files, where))})
}
