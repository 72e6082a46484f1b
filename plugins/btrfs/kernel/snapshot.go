package kernel

import (
	"errors"
	"fmt"
	"os"
)

// SnapshotSpec says what to snapshot, and where to. The source is named by ID, by UUID or by path; if more than one is
// given they must agree, or the result is ErrChanged and nothing is made.
type SnapshotSpec struct {
	SourceID   uint64 // 0: not given
	SourceUUID UUID   // zero: not given
	SourcePath string // from the top level, the root of a subvolume; looked at only if neither of the others is given

	DestDir  string // an existing directory, from the top level
	Name     string // of the snapshot in DestDir
	ReadOnly bool
}

// Snapshot makes one snapshot. What exists is never touched: a taken name is ErrExists, whatever holds it. Subvolumes
// inside the source are not part of the snapshot: they appear as empty directories (EntryStub). The snapshot is on disk
// when Snapshot returns. Other errors: ErrNotFound, ErrReadOnly, ErrInUse (an active swap file is in the source), and
// the errno of the kernel, as unix.ENOSPC or unix.EDQUOT.
func (f *Filesystem) Snapshot(spec SnapshotSpec) (Subvolume, error) {
	p, err := f.prepare(spec)
	if err != nil {
		return Subvolume{}, err
	}
	defer p.close()
	return p.take()
}

const opSnapshot = "make snapshot"

// prepared is a snapshot of which only the one kernel call is left to do.
type prepared struct {
	f           *Filesystem
	spec        SnapshotSpec
	source, dir *os.File
	dest        string
}

func (f *Filesystem) prepare(spec SnapshotSpec) (*prepared, error) {
	parent, err := cleanPath(opSnapshot, spec.DestDir)
	if err != nil {
		return nil, err
	}
	if err := checkName(opSnapshot, spec.Name); err != nil {
		return nil, err
	}
	p := &prepared{f: f, spec: spec, dest: joinPath(parent, spec.Name)}
	if p.source, err = f.openSource(spec); err != nil {
		return nil, fmt.Errorf("cannot %s %s: %w", opSnapshot, quote(p.dest), err)
	}
	if p.dir, err = openDirBeneath(opSnapshot, f.top, parent, p.dest); err != nil {
		return nil, errors.Join(err, p.source.Close())
	}
	return p, nil
}

func (p *prepared) take() (Subvolume, error) {
	if err := createSnapshot(p.dir, p.spec.Name, p.source, p.spec.ReadOnly); err != nil {
		return Subvolume{}, fail(opSnapshot, quote(p.dest), err)
	}
	return p.f.made(opSnapshot, p.dir, p.dest)
}

func (p *prepared) close() {
	p.source.Close()
	p.dir.Close()
}

// openSource opens the root of the source. Nothing opens a subvolume by ID: its path is looked up, and what is opened
// there compared, again if it was moved in between.
func (f *Filesystem) openSource(spec SnapshotSpec) (*os.File, error) {
	const op = "open the source"
	for try := 0; ; try++ {
		path, id := spec.SourcePath, spec.SourceID
		switch {
		case id != 0:
			s, err := f.Info(id)
			if err != nil {
				return nil, err
			}
			path = s.Path
		case !spec.SourceUUID.IsZero():
			s, err := f.ByUUID(spec.SourceUUID)
			if err != nil {
				return nil, err
			}
			path, id = s.Path, s.ID
		}
		source, err := f.openSubvolume(op, path, id, spec.SourceUUID)
		moved := errors.Is(err, ErrNotFound) || errors.Is(err, ErrChanged) || errors.Is(err, ErrNotSubvolume)
		if moved && id != 0 && try < 3 {
			continue
		}
		return source, err
	}
}

// openSubvolume opens the root directory of the subvolume at path. id and uuid are what it must be, if not zero.
func (f *Filesystem) openSubvolume(op, path string, id uint64, uuid UUID) (*os.File, error) {
	clean, err := cleanPath(op, path)
	if err != nil {
		return nil, err
	}
	dir, err := openDirBeneath(op, f.top, clean, path)
	if err != nil {
		return nil, err
	}
	err = func() error {
		st, err := dir.Stat()
		if err != nil {
			return fail(op, quote(path), err)
		}
		if inodeOf(st) != inodeRoot {
			return refuse(op, quote(path), ErrNotSubvolume, "it is a plain directory")
		}
		s, err := infoOf(dir)
		switch {
		case err != nil:
			return fail(op, quote(path), err)
		case id != 0 && s.ID != id:
			return refuse(op, quote(path), ErrChanged, "it is the subvolume with ID %d, not %d", s.ID, id)
		case !uuid.IsZero() && s.UUID != uuid:
			return refuse(op, quote(path), ErrChanged, "it is the subvolume with UUID %v, not %v", s.UUID, uuid)
		}
		return nil
	}()
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}
