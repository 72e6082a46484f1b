package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	layout "github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// sources are the subvolumes that the shipped playbook takes snapshots of.
var sources = []string{"root", "persist", "services", "caddy"}

// How much is in each source.
const (
	files    = 200
	fileSize = 4 << 10
)

// history says which snapshots a filesystem gets.
type history struct {
	form form
	each int           // snapshots of each source
	step time.Duration // between two of them, the last one lies one step back
	busy bool          // whether the sources have files, of which one changes before each
}

// form is the way in which a tool keeps snapshots.
type form interface {
	String() string // the tool's name

	// prepare makes what has to be there before the first snapshot of a source.
	prepare(top *kernel.Filesystem, source string) error

	// place says where snapshot number n of a source goes, counted from 1, and makes what belongs beside it.
	place(top *kernel.Filesystem, source string, n int, at time.Time) (dir, name string, err error)

	// taken notes the snapshots of one instant.
	taken(top *kernel.Filesystem, at time.Time, all []snapshot) error
}

// snapshot is one that was made.
type snapshot struct {
	kernel.Subvolume
	source kernel.Subvolume
}

// make fills a filesystem and returns when each snapshot is to have been created.
func (h history) make(ctx context.Context, fs *loopfs.Filesystem) (created map[kernel.UUID]time.Time, err error) {
	if err := layout.Create(ctx, fs, layout.Layout); err != nil {
		return nil, err
	}
	top, err := kernel.Open(ctx, fs.Mount)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, top.Close()) }()
	origin := map[string]kernel.Subvolume{}
	for _, source := range sources {
		if origin[source], err = h.prepare(fs, top, source); err != nil {
			return nil, err
		}
	}
	if err := top.Sync(); err != nil {
		return nil, err
	}
	created = map[kernel.UUID]time.Time{}
	for i, at := range layout.Every(h.step, h.each, time.Now().UTC().Truncate(time.Millisecond)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var taken []snapshot
		for _, source := range sources {
			s, err := h.take(fs, top, source, i+1, at)
			if err != nil {
				return nil, err
			}
			created[s.UUID] = at
			taken = append(taken, snapshot{s, origin[source]})
		}
		if err := h.form.taken(top, at, taken); err != nil {
			return nil, err
		}
	}
	return created, top.Sync()
}

// prepare fills a source and makes the folders for its snapshots.
func (h history) prepare(fs *loopfs.Filesystem, top *kernel.Filesystem, source string) (kernel.Subvolume, error) {
	for i := range files {
		if !h.busy {
			break
		}
		content := make([]byte, fileSize)
		copy(content, fmt.Sprintf("%s %d\n", source, i))
		if err := os.WriteFile(fs.Path(source, fmt.Sprintf("file%d", i)), content, 0o644); err != nil {
			return kernel.Subvolume{}, err
		}
	}
	if err := h.form.prepare(top, source); err != nil {
		return kernel.Subvolume{}, err
	}
	s, _, err := top.SubvolumeAt(fs.Path(source))
	return s, err
}

// take makes snapshot number n of a source.
func (h history) take(fs *loopfs.Filesystem, top *kernel.Filesystem, source string, n int, at time.Time) (kernel.Subvolume, error) {
	if h.busy {
		if err := os.WriteFile(fs.Path(source, "changed"), fmt.Appendf(nil, "before snapshot %d\n", n), 0o644); err != nil {
			return kernel.Subvolume{}, err
		}
	}
	dir, name, err := h.form.place(top, source, n, at)
	if err != nil {
		return kernel.Subvolume{}, err
	}
	return top.Snapshot(kernel.SnapshotSpec{SourcePath: source, DestDir: dir, Name: name, ReadOnly: true})
}
