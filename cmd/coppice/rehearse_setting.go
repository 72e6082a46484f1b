package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/replica"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/unit"
)

// imageSize is how large the copies look; the files are sparse.
const imageSize = 16 << 30

// imageFolder is where the images are.
func imageFolder() string {
	if dir, err := filepath.Abs(os.Getenv("TMPDIR")); err == nil && os.Getenv("TMPDIR") != "" {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return real
		}
		return dir
	}
	if info, err := os.Stat("/var/tmp"); err == nil && info.IsDir() {
		return "/var/tmp" // /tmp is in memory on many machines
	}
	return os.TempDir()
}

// setting is where and when a rehearsal happens.
type setting struct {
	layout    replica.Layout // expanded
	names     []string       // of its filesystems, for people
	notes     []string
	elsewhere []string     // mount points of what was not copied
	instant   time.Time    // of the run
	clock     kernel.Clock // empty: the machine's
}

// stored is the time that a copy has in the image for one of the layout.
func (s *setting) stored(t time.Time) time.Time {
	if len(s.clock) == 0 {
		return t
	}
	return t.Add(s.clock[0].At.Sub(s.clock[0].Shows))
}

func (a *app) setting(ctx context.Context, o *rehearsal, p *check.Program, inputs map[string]any) (*setting, error) {
	instant, err := o.instantOf()
	if err != nil {
		return nil, err
	}
	s := &setting{}
	given := !instant.IsZero() || o.days > 0
	switch {
	case o.layout != "":
		if s.layout, err = a.readLayout(o.layout); err != nil {
			return nil, err
		}
		for _, f := range s.layout.Filesystems {
			s.names = append(s.names, strings.TrimSpace(fmt.Sprintf("%s in %s", cmp.Or(f.Label, string(f.UUID), "the filesystem"), o.layout)))
		}
		// What is old in it was so when it was captured.
		if instant.IsZero() {
			instant = s.layout.Taken
		}
		given = true
	default:
		if err := s.capture(ctx, p, inputs); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	if instant.IsZero() {
		instant = now
	}
	if len(s.layout.Filesystems) == 0 {
		s.layout = replica.Example()
		s.names = []string{"an example, since no input names a btrfs of this machine", "an example of a disk for backups"}
		given = true
	}
	s.layout = s.layout.Expand(instant)
	if given {
		s.clock = kernel.Clock{{At: now, Shows: instant}}
	}
	s.instant = instant
	return s, nil
}

// Measured: 173 MiB for ten thousand snapshots with their records. Twice that is enough.
const (
	spaceAtLeast    = 64 << 20
	spaceASubvolume = 36 << 10
)

// enough says when a folder has too little space for the images.
func enough(folder string, l replica.Layout) error {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot use %s for the copy: %w", folder, err))
	}
	need := int64(0)
	for _, f := range l.Filesystems {
		need += spaceAtLeast + spaceASubvolume*int64(len(f.Subvolumes))
	}
	if free := int64(st.Bavail) * st.Bsize; free < need {
		return exitError{code: exitFailed, err: fmt.Errorf("there is too little space in %s for the copy: %s free, up to %s needed", folder,
			unit.FormatSize(free), unit.FormatSize(need)), advice: "name another folder in TMPDIR"}
	}
	return nil
}

// capture reads the layouts of the filesystems that inputs name.
func (s *setting) capture(ctx context.Context, p *check.Program, inputs map[string]any) error {
	defaulted := p.Defaulted(inputs)
	s.layout.Format, s.layout.Version = replica.Format, replica.Version
	for _, in := range p.Inputs {
		value, ok := inputs[in.Decl.Name].(string)
		if !ok || value == "" {
			continue
		}
		if strings.HasPrefix(value, "ssh://") {
			return exitError{code: exitInvalid, err: fmt.Errorf("input %s: a rehearsal reaches no other machine, and %s is one", in.Decl.Name, value),
				advice: "give it a folder on a btrfs of this machine, which is copied too"}
		}
		isFilesystem := in.Decl.Type == playbook.FilesystemType
		if !isFilesystem && !strings.HasPrefix(value, "/") {
			continue
		}
		f, err := kernel.Open(ctx, value)
		switch {
		case err == nil:
			err = s.add(f, value, isFilesystem)
			if err = errors.Join(err, f.Close()); err != nil {
				return exit(exitFailed, fmt.Errorf("cannot read the layout of %s: %w", value, err))
			}
		case !isFilesystem, errors.Is(err, kernel.ErrNotBtrfs) && slices.Contains(defaulted, in.Decl.Name):
		case errors.Is(err, kernel.ErrNotPermitted):
			return exit(exitNotPermitted, err)
		default:
			return exit(exitFailed, fmt.Errorf("input %s: %w", in.Decl.Name, err))
		}
	}
	return s.others()
}

// add captures a filesystem, once, and the folder on it that a path leads to.
func (s *setting) add(f *kernel.Filesystem, value string, first bool) error {
	i := slices.IndexFunc(s.layout.Filesystems, func(l replica.Filesystem) bool { return string(l.UUID) == f.UUID().String() })
	if i < 0 {
		l, notes, err := replica.Capture(f)
		if err != nil {
			return err
		}
		name := value
		if l.Label != "" {
			name = fmt.Sprintf("btrfs %s (%s)", l.Label, value)
		}
		i = len(s.layout.Filesystems)
		s.layout.Filesystems, s.names, s.notes = append(s.layout.Filesystems, l), append(s.names, name), append(s.notes, notes...)
	}
	if first || !strings.HasPrefix(value, "/") {
		return nil
	}
	folder, err := f.FolderAt(value)
	l := &s.layout.Filesystems[i]
	if err == nil && folder != "" && !slices.ContainsFunc(l.Subvolumes, func(sub replica.Subvolume) bool { return sub.Path == folder }) {
		l.Folders = append(l.Folders, replica.Folder{Path: folder})
	}
	return nil
}

// others are the mount points of all that was not copied.
func (s *setting) others() error {
	all, err := mountinfo.Self()
	if err != nil {
		return err
	}
	copied := map[string]bool{}
	for _, l := range s.layout.Filesystems {
		for _, m := range l.Mounts {
			copied[m.At] = true
		}
	}
	for _, m := range all {
		if !copied[m.MountPoint] && m.MountPoint != "/" {
			s.elsewhere = append(s.elsewhere, m.MountPoint)
		}
	}
	return nil
}
