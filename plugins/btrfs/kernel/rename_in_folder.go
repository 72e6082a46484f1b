package kernel

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// RenameInFolder renames what is in a folder, a read-only subvolume too. A name that is taken is ErrExists. It is on disk
// after the folder was synced.
func (f *Filesystem) RenameInFolder(folder, from, to string) error {
	const op = "rename"
	for _, name := range []string{from, to} {
		if err := checkName(op, name); err != nil {
			return err
		}
	}
	clean, err := cleanPath(op, folder)
	if err != nil {
		return err
	}
	dir, err := openDirBeneath(op, f.top, clean, folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Renameat2(int(dir.Fd()), from, int(dir.Fd()), to, unix.RENAME_NOREPLACE)
	runtime.KeepAlive(dir)
	if err != nil {
		return fail(op, quote(joinPath(clean, from)), err)
	}
	return nil
}
