package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// suffix of the names of records.
const suffix = ".jsonl"

// runsIn is the folder of records in a state folder.
func runsIn(dir string) string { return filepath.Join(dir, "runs") }

// validID reports whether a run's id can be a file's name.
func validID(id string) bool {
	if id == "" || len(id) > 128 || id[0] == '.' || id[0] == '-' {
		return false
	}
	return strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// prepare makes the folder of records in a state folder, and reports whether records can be made there. A folder that
// somebody else can write to, or that is a symbolic link, is refused.
func prepare(dir string) error {
	made := false
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		made = true
	}
	runs := runsIn(dir)
	switch err := os.Mkdir(runs, 0o700); {
	case err == nil:
		made = true
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	info, err := os.Lstat(runs)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", runs)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to somebody else (uid %d)", runs, s.Uid)
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(runs, 0o700); err != nil {
			return err
		}
	}
	if made {
		_ = syncDir(filepath.Dir(dir))
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	// Root may write anywhere, but not to a filesystem that is read-only: access(2) tells that too.
	const writeAndSearch = 2 | 1
	if err := syscall.Access(runs, writeAndSearch); err != nil {
		return &fs.PathError{Op: "write to", Path: runs, Err: err}
	}
	return nil
}

// syncDir makes the names in a folder survive a power cut. Filesystems that have no such thing are fine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// create makes a record's file, locked.
func create(dir, run string) (*os.File, error) {
	if !validID(run) {
		return nil, fmt.Errorf("%q can't be the name of a record", run)
	}
	f, err := os.OpenFile(filepath.Join(runsIn(dir), run+suffix),
		os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	// A reader may just be asking whether somebody holds it.
	for range 1000 {
		if err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// open opens a record's file for reading: a regular file, not a link to one, and never waiting.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, notRecord("a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRecord("not a regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// notRecord is why a file in the folder is no record.
type notRecord string

func (e notRecord) Error() string { return string(e) }

// held reports whether the writer of a record lives.
func held(f *os.File) bool {
	err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		_ = flock(f, syscall.LOCK_UN)
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
