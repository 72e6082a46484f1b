package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// A folder at which a disk should be mounted and is not, looks like a target that has no copies yet. So a folder has to prove that it
// is the target, at the least expense for whoever sets it up:
//
//   - Where the fstab says that something is mounted, something is.
//   - The first transfer leaves a mark in the folder. Where copies went before, according to the holds of this side, there must be
//     a mark or copies.
//   - Where none ever went, the folder must not be on the filesystem of the system itself, or somebody has made the mark by hand.

// markName is the file in a folder that says that it is a target. Anybody who may write there can make one; what is in it means
// nothing.
const markName = ".coppice-target"

const markText = "This folder is the target of a backup by coppice. Without this file nothing more is sent here once the copies are gone.\n"

// standing is what a folder says of itself. It travels as JSON; from a coppice that does not know it nothing is said.
type standing struct {
	Said   bool // something is said
	Marked bool // it has the mark
	Used   bool // copies are in it, of whomever
	OnRoot bool // it is on the filesystem of the system itself
	Path   string
}

// known reports whether it is a target for certain, or a coppice that says nothing keeps it.
func (s standing) known() bool { return !s.Said || s.Marked || s.Used }

// mounted is an absentError if a folder is at or in a mount point of the fstab at which nothing is mounted.
func mounted(h volume.Host, folder string) error {
	point, err := h.Unmounted(folder)
	if err != nil {
		return err
	}
	if point == "" {
		return nil
	}
	return notThere(fmt.Sprintf("\"mount %s\"", quoteShell(point)), "nothing is mounted at %q, which the fstab has a line for", point)
}

// notThere is an absentError with advice.
func notThere(advice, format string, args ...any) error {
	e := volume.Refuse(advice, format, args...)
	e.Path = "/to"
	return &absentError{e}
}

// standingOf looks at a folder of the running system.
func standingOf(ctx context.Context, h volume.Host, folder string) (standing, error) {
	s := standing{Said: true, Path: folder}
	st, err := os.Lstat(filepath.Join(folder, markName))
	switch {
	case err == nil:
		s.Marked = st.Mode().IsRegular()
	case !errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("cannot look for the mark of a target: %w", err)
	}
	if !s.Marked {
		if s.Used, err = hasCopies(folder); err != nil {
			return s, fmt.Errorf("cannot look for copies: %w", err)
		}
	}
	s.OnRoot, err = h.OnRoot(ctx, folder)
	return s, err
}

// hasCopies reports whether there is anything in a folder that a transfer has given its name.
func hasCopies(folder string) (bool, error) {
	sources, err := os.ReadDir(folder)
	if err != nil {
		return false, err
	}
	for _, source := range sources {
		if !source.IsDir() || strings.HasPrefix(source.Name(), kernel.TempPrefix) {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(folder, source.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		for _, e := range entries {
			if _, stamped := subvolume.ParseStamp(strings.TrimSuffix(e.Name(), manifestSuffix)); stamped {
				return true, nil
			}
		}
	}
	return false, nil
}

// rightPlace says why nothing can be sent to a place that may not be the one which is meant. An absentError: its disk is not there.
func (s sides) rightPlace() error {
	at := s.content.Standing
	if at.known() {
		return nil
	}
	touch := fmt.Sprintf("\"touch %s\"", quoteShell(path.Join(at.Path, markName)))
	if !s.local {
		touch += " on that machine"
	}
	for _, all := range s.holds {
		if _, held := all.Of(s.who); held {
			return notThere("mount it; if another disk takes its place, say so once, with "+touch+", and set full: allow",
				"copies were sent there before, but %q has neither copies nor the mark %s", at.Path, markName)
		}
	}
	if at.OnRoot {
		e := volume.Refuse("mount the disk; if the folder is the right one, say so once, with "+touch,
			"%q is on the filesystem of /, as the mount point of a disk that is not there would be, and nothing was ever sent there", at.Path)
		e.Path = "/to"
		return e
	}
	return nil
}

// quoteShell is a path for a shell.
func quoteShell(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// mark makes the mark, durably, before the first copy.
func (p *filePlace) mark() error {
	name := filepath.Join(p.dir, markName)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot mark the folder as a target: %w", err)
	}
	_, err = f.WriteString(markText)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot mark the folder as a target: %w", err)
	}
	return syncDir(p.dir)
}

// mark makes the mark, if there is none, before the first copy. The caller holds the lock on names, and the mark comes to disk with
// what is received.
func (p *volumePlace) mark() error {
	if p.live == "" {
		return nil
	}
	name := p.folder + "/" + markName
	if there, err := p.f.Exists(name); err != nil || there {
		return err
	}
	return p.f.WriteFileAtomic(name, []byte(markText), 0o600)
}
