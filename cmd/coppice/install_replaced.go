package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// replaced is what the rollback at boot puts clean ones in the place of.
type replaced struct {
	filesystem *kernel.Filesystem
	subvolumes []string // paths from the top level
}

func (r *replaced) Close() { _ = r.filesystem.Close() } // nothing was written

// holds names the subvolume that a folder of the machine is on, if that is replaced; "" if not.
func (r *replaced) holds(folder string) string {
	at := deepest(folder)
	s, _, err := r.filesystem.SubvolumeAt(at)
	if err != nil || !slices.Contains(r.subvolumes, s.Path) {
		return "" // on another filesystem, for one
	}
	return s.Path
}

// replacedAtBoot finds out what is replaced. It is nil where no rollback is set up: there are neither inputs for it nor has one ever
// been done.
func (a *app) replacedAtBoot(s *session) (*replaced, error) {
	program, _, err := a.load(s.ctx, s.runner, "boot-rollback")
	if err != nil {
		return nil, s.stopped(err)
	}
	inputs, err := a.resolve(program, inputFlags{})
	if err != nil {
		return nil, err
	}
	filesystem, _ := inputs["filesystem"].(string)
	f, err := kernel.Open(context.Background(), filesystem)
	if errors.Is(err, kernel.ErrNotBtrfs) || errors.Is(err, kernel.ErrNotFound) || errors.Is(err, kernel.ErrNotMounted) || errors.Is(err, kernel.ErrNotPermitted) {
		return nil, nil
	}
	if err != nil {
		return nil, exit(exitFailed, err)
	}
	r := &replaced{filesystem: f}
	_, missing := os.Lstat(filepath.Join(a.configs, "inputs", "boot-rollback.yaml"))
	done, err := f.Exists(".coppice/boot")
	if err != nil || errors.Is(missing, fs.ErrNotExist) && !done {
		r.Close()
		return nil, err
	}
	if root, ok := inputs["root"].(string); ok {
		r.subvolumes = append(r.subvolumes, root)
	}
	if reset, ok := inputs["reset"].([]any); ok {
		for _, v := range reset {
			if path, ok := v.(string); ok {
				r.subvolumes = append(r.subvolumes, path)
			}
		}
	}
	return r, nil
}

// replacedRefused refuses folders that lie on a subvolume which a boot replaces.
func (a *app) replacedRefused(inputs map[string]any, folders []string) error {
	filesystem, _ := inputs["filesystem"].(string)
	f, err := kernel.Open(context.Background(), filesystem)
	if err != nil {
		return exit(exitFailed, err)
	}
	r := replaced{filesystem: f, subvolumes: texts(inputs["reset"])}
	defer r.Close()
	if root, is := inputs["root"].(string); is {
		r.subvolumes = append(r.subvolumes, root)
	}
	for _, folder := range folders {
		if subvolume := r.holds(folder); subvolume != "" {
			return exitError{code: exitFailed, err: fmt.Errorf("%s is on the subvolume %s, which each boot replaces", folder, subvolume),
				advice: "mount a folder of a subvolume that stays over it"}
		}
	}
	return nil
}
