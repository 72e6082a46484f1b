package volume

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
	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// What tells that a disk is not there: the folder at which it would be mounted is.

// Unmounted is the mount point of the fstab that a path of the running system is at or in, and at which nothing is mounted; "": none
// is. What an automounter would mount there is mounted by the question.
func (h Host) Unmounted(path string) (string, error) {
	if h.Fstab == "" {
		return "", nil
	}
	data, err := os.ReadFile(h.Fstab)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find out what is to be mounted: %w", err)
	}
	paths := []string{filepath.Clean(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != paths[0] {
		paths = append(paths, real)
	}
	var points []string
	for _, p := range fstabPoints(string(data)) {
		if p != "/" && (isAtOrIn(p, paths[0]) || isAtOrIn(p, paths[len(paths)-1])) {
			points = append(points, p)
		}
	}
	if len(points) == 0 {
		return "", nil
	}
	if dir, err := os.Open(path); err == nil {
		dir.Close()
	}
	mounts, err := mountinfo.Self()
	if err != nil {
		return "", fmt.Errorf("cannot find out what is mounted: %w", err)
	}
	mounted := map[string]bool{}
	for _, m := range mounts {
		if m.FSType != "autofs" {
			mounted[m.MountPoint] = true
		}
	}
	for _, p := range points {
		if real, err := filepath.EvalSymlinks(p); err == nil && !mounted[p] && !mounted[real] {
			return p, nil
		}
	}
	return "", nil
}

func isAtOrIn(point, path string) bool { return point == path || Inside(point, path) }

// fstabPoints are the mount points in the text of an fstab, see man fstab.
func fstabPoints(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") || !strings.HasPrefix(fields[1], "/") {
			continue
		}
		all = append(all, path.Clean(mountinfo.Unescape(fields[1])))
	}
	return all
}

// OnRoot reports whether a folder is on the filesystem of the system itself, of "/": as the mount point of a disk is that is not there.
func (h Host) OnRoot(ctx context.Context, folder string) (bool, error) {
	if h.Root == "" {
		return false, nil
	}
	var root, there unix.Stat_t
	for p, st := range map[string]*unix.Stat_t{h.Root: &root, folder: &there} {
		if err := unix.Stat(p, st); err != nil {
			return false, fmt.Errorf("cannot look at %q: %w", p, err)
		}
	}
	if root.Dev == there.Dev {
		return true, nil
	}
	// Each subvolume has a device number of its own.
	ofRoot, err := filesystemOf(ctx, h.Root)
	if err != nil || ofRoot.IsZero() {
		return false, err
	}
	ofFolder, err := filesystemOf(ctx, folder)
	return ofFolder == ofRoot, err
}

// filesystemOf is the UUID of the btrfs that a path is on; zero if that is none.
func filesystemOf(ctx context.Context, path string) (kernel.UUID, error) {
	f, err := kernel.Open(ctx, path)
	if errors.Is(err, kernel.ErrNotBtrfs) {
		return kernel.UUID{}, nil
	}
	if err != nil {
		return kernel.UUID{}, err
	}
	return f.UUID(), f.Close()
}
