package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// RecordSuffix ends the names of records: files with a JSON object in the state folder.
const RecordSuffix = ".json"

// EncodeRecord is the content of a record, for people to read too.
func EncodeRecord(r any) ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// WriteRecord replaces or makes a record; it is on disk when WriteRecord returns nil. The folder exists.
func WriteRecord(f *kernel.Filesystem, path string, r any) error {
	data, err := EncodeRecord(r)
	if err != nil {
		return err
	}
	return f.WriteFileAtomic(path, data, 0o600)
}

// RecordNames lists the records in a folder, sorted. Other files in it mean nothing.
func RecordNames(dir *kernel.Dir) ([]string, error) {
	entries, err := dir.ReadEntries()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name, RecordSuffix) && !strings.HasPrefix(e.Name, kernel.TempPrefix) {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// ReadSmall reads a regular file in a directory with as few system calls as can be: there is one record for each run,
// which may be thousands.
func ReadSmall(dir *kernel.Dir, name string) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("cannot read %q: %w", dir.Path()+"/"+name, err)
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return fail(kernel.ErrNotFound)
	}
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > kernel.MaxFileSize {
		return fail(errors.New("it is not a regular file, or too big for a record"))
	}
	data := make([]byte, st.Size)
	for done := 0; done < len(data); {
		n, err := unix.Read(fd, data[done:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fail(err)
		case n == 0:
			return fail(errors.New("it became shorter while it was read"))
		default:
			done += n
		}
	}
	return data, nil
}

// RemoveTemporary removes the files that a crash in the middle of writing left. The caller holds the lock on names.
func RemoveTemporary(dir *kernel.Dir) error {
	entries, err := dir.ReadEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, kernel.TempPrefix) && e.Type == kernel.EntryFile {
			if err := dir.Remove(e.Name); err != nil && !errors.Is(err, kernel.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}
