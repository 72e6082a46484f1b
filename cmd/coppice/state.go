package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/playbook"
)

// Where records of runs lie. What a run does to a filesystem is recorded on that filesystem, in .coppice at its top level: a
// root that is replaced at each boot takes /var/lib with it. A run that names no btrfs has its record in /var/lib/coppice.
const (
	commonState = "/var/lib/coppice"
	// volatileState is used where no other folder can be written to: in the initrd, or when the disk is full.
	volatileState = "/run/coppice"
)

// Records of runs that are both older and not among the newest are deleted.
const (
	keepRunsAge   = 90 * 24 * time.Hour
	keepRunsCount = 500
)

// stateDirs are state folders, the best first, and what keeps them reachable.
type stateDirs struct {
	dirs  []string
	homes []home
	// unusable is why the filesystem that a run is about can't have its record; nil: it can, or it is no btrfs.
	unusable error
}

// home is a filesystem that has a state folder of its own. Its top level need not be mounted anywhere: it is reached through
// a mount that no path leads to, as long as it is open.
type home struct {
	filesystem *kernel.Filesystem
	dir        string // /proc/self/fd/N/.coppice
}

// Close lets go of the filesystems. Paths in the folders are of no use afterwards.
func (s *stateDirs) Close() {
	for _, h := range s.homes {
		_ = h.filesystem.Close() // nothing was written through it that is not synced
	}
	s.homes = nil
}

// Shown is a path in a state folder, or a text with such paths in it, as a person can use it.
func (s *stateDirs) Shown(text string) string {
	for _, h := range s.homes {
		text = strings.ReplaceAll(text, h.dir, fmt.Sprintf("btrfs %s: %s", h.filesystem.UUID(), volume.StateFolder))
	}
	return text
}

// givenState are the folders that COPPICE_STATE_DIR names: another one than the usual, or several, separated by colons,
// which are then all that there are.
func givenState() []string {
	dirs := filepath.SplitList(os.Getenv("COPPICE_STATE_DIR"))
	if len(dirs) == 1 {
		return append(dirs, volatileState)
	}
	return dirs
}

// allState is every state folder of this machine, to read what lies there: of the filesystems that are mounted, or only of
// one that somebody names. One that can't be opened or is not to be believed is left out.
func allState(ctx context.Context, filesystem string) (*stateDirs, error) {
	s := &stateDirs{}
	if filesystem != "" {
		if err := s.add(ctx, filesystem, false); err != nil {
			return nil, err
		}
		return s, nil
	}
	if s.dirs = givenState(); len(s.dirs) > 0 {
		return s, nil
	}
	if mounted, err := kernel.Mounted(); err == nil && os.Geteuid() == 0 {
		for _, id := range mounted {
			_ = s.add(ctx, "UUID="+id.String(), false) // unmounted meanwhile, or not to be believed
		}
	}
	s.dirs = append(s.dirs, commonState, volatileState)
	return s, nil
}

// runState is the folders in which a run can be recorded: that of the first btrfs that its inputs name, and the usual ones.
func runState(ctx context.Context, p *check.Program, inputs map[string]any) *stateDirs {
	s := &stateDirs{}
	if s.dirs = givenState(); len(s.dirs) > 0 {
		return s
	}
	if boot.InInitrd("/") { // all else there goes when the root is switched, and no filesystem is kept in use for a record
		s.dirs = []string{volatileState}
		return s
	}
	for _, in := range p.Inputs {
		name, ok := inputs[in.Decl.Name].(string)
		if in.Decl.Type != playbook.FilesystemType || !ok {
			continue
		}
		if err := s.add(ctx, name, true); err == nil || s.unusable != nil {
			break
		}
	}
	s.dirs = append(s.dirs, commonState, volatileState)
	return s
}

// add opens the state folder of a filesystem, and makes it if need be.
func (s *stateDirs) add(ctx context.Context, filesystem string, create bool) error {
	f, err := kernel.Open(ctx, filesystem)
	if err != nil {
		return err
	}
	problem, err := volume.CheckState(f)
	if err == nil {
		err = problem
	}
	if err == nil && create {
		var fresh bool
		if fresh, err = volume.MakeState(f); fresh && err == nil {
			err = volume.SyncFolder(f, "")
		}
	}
	if err != nil {
		_ = f.Close()
		s.unusable = fmt.Errorf("btrfs %s: %w", f.UUID(), err)
		return s.unusable
	}
	dir := fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), volume.StateFolder)
	s.homes = append(s.homes, home{f, dir})
	s.dirs = append(s.dirs, dir)
	return nil
}

// id is what a state folder is known by, wherever it is: the UUID of its filesystem; "" for one of the machine.
func (s *stateDirs) id(dir string) string {
	for _, h := range s.homes {
		if h.dir == dir {
			return h.filesystem.UUID().String()
		}
	}
	return ""
}

// tidy brings records home that had to be written elsewhere, and deletes old ones. What can't be moved or deleted is no
// trouble of the run's.
func (s *stateDirs) tidy(now time.Time) {
	if len(s.dirs) == 0 {
		return
	}
	best, last := s.dirs[0], s.dirs[len(s.dirs)-1]
	if last != best { // the one for want of a better, which a start of the machine empties
		_, _ = journal.Move(last, best, s.id(best))
	}
	_, _ = journal.Prune(s.dirs, keepRunsAge, keepRunsCount, now)
}
