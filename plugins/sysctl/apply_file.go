package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

// replaceFile makes the file what it shall be: after a power cut it is the old one or the new one as a whole. It reports
// whether there was anything to do.
func replaceFile(path string, before content, after string) (changed bool, err error) {
	is, err := readFile(path)
	switch {
	case err != nil:
		return false, err
	case is.There && is.Text == after:
		return false, nil
	case is != before:
		return false, &sdk.Error{Reason: sdk.Drifted, Summary: path + " was changed since it was looked at"}
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o755); err == nil {
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return false, fileError(err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return false, fileError(err)
	}
	// systemd-sysctl reads no file whose name begins with a dot. The name is always the same, so that an interrupted run leaves
	// nothing that the next one does not take away.
	temp := filepath.Join(dir, "."+filepath.Base(path)+".coppice")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fileError(err)
	}
	if err := writeNew(temp, after); err != nil {
		_ = os.Remove(temp) // the first error counts
		return false, fileError(err)
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return false, fileError(err)
	}
	if err := syncDir(dir); err != nil {
		return true, fileError(fmt.Errorf("the file is there, and a power cut could still undo that: %w", err))
	}
	return true, nil
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	// Whatever the umask: others may read it, as all of sysctl.d.
	return errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func fileError(err error) error {
	e := &sdk.Error{Path: "/drop_in", Summary: "cannot write the file", Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Reason, e.Advice = sdk.NotPermitted, "run as root"
	}
	if errors.Is(err, unix.EROFS) {
		e.Advice = "the folder is read-only; on NixOS, boot.kernel.sysctl is the place for values that stay"
	}
	return e
}

// removeFile removes a file of ours.
func removeFile(path string, before content) (changed bool, err error) {
	is, err := readFile(path)
	switch {
	case err != nil:
		return false, err
	case !is.There:
		return false, nil
	case is != before:
		return false, &sdk.Error{Reason: sdk.Drifted, Summary: path + " was changed since it was looked at"}
	}
	if err := os.Remove(path); err != nil {
		return false, fileError(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return true, fileError(err)
	}
	return true, nil
}
