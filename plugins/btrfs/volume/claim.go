package volume

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// A claim is a record that something half made is ours: without one nothing with a temporary name is removed. It is written
// before that is made, and removed after it was put into place. Whoever works on it has a flock on the claim until then, so a
// claim that nobody has locked is of somebody who was killed.

// MakeClaim writes a claim into a folder of the state and takes its lock, which ends with the file. The caller holds the lock on names
// and has made the state folder.
func MakeClaim(f *kernel.Filesystem, folder, name string, record any) (*os.File, error) {
	if _, err := f.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	// Who was killed while it wrote its claim has left half of one.
	dir, err := f.OpenDir(folder)
	if err != nil {
		return nil, err
	}
	err = RemoveTemporary(dir)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	if err := WriteRecord(f, folder+"/"+name, record); err != nil {
		return nil, err
	}
	// Whoever plans may look whether it is locked at this very moment.
	for try := 0; ; try++ {
		file, err := LockClaim(f, folder, name, unix.LOCK_EX)
		if !errors.Is(err, kernel.ErrBusy) || try == 50 {
			return file, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// LockClaim opens a claim and locks it, unix.LOCK_EX or LOCK_SH; kernel.ErrBusy when somebody works on what it is for. The lock
// ends with the file.
func LockClaim(f *kernel.Filesystem, folder, name string, how int) (*os.File, error) {
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("there is no claim %q: %w", name, kernel.ErrNotFound)
	}
	dir, err := f.OpenDir(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ENOENT:
		return nil, fmt.Errorf("the claim %q: %w", name, kernel.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("cannot open the claim %q: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	if err := unix.Flock(fd, how|unix.LOCK_NB); err != nil {
		file.Close()
		if err == unix.EWOULDBLOCK {
			return nil, fmt.Errorf("the claim %q: %w", name, kernel.ErrBusy)
		}
		return nil, fmt.Errorf("cannot lock the claim %q: %w", name, err)
	}
	return file, nil
}

// FoundClaim is a claim in a folder of the state, as it was found.
type FoundClaim struct {
	Name string
	Data []byte
	Busy bool // somebody works on what it is for, or nobody can tell
}

// ReadClaims reads those of a folder, sorted by name. What can't be read is left out.
func ReadClaims(f *kernel.Filesystem, folder string) ([]FoundClaim, error) {
	dir, err := f.OpenDir(folder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := RecordNames(dir)
	if err != nil {
		return nil, err
	}
	var all []FoundClaim
	for _, name := range names {
		data, err := ReadSmall(dir, name)
		if err != nil {
			continue
		}
		file, err := LockClaim(f, folder, name, unix.LOCK_SH)
		if errors.Is(err, kernel.ErrNotFound) {
			continue // put into place meanwhile
		}
		if err == nil {
			file.Close()
		}
		all = append(all, FoundClaim{Name: name, Data: data, Busy: err != nil})
	}
	return all, nil
}
