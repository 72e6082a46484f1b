package btrfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// The state that coppice keeps on each filesystem, readable by root only.
const (
	versionPath   = stateFolder + "/version"
	recordsFolder = stateFolder + "/snapshots"
	holdsFolder   = stateFolder + "/holds"
	holdPath      = stateFolder + "/hold"

	stateVersion = "1"
	recordSuffix = ".json"
)

// readState reads what .coppice says. An error is one of reading; what is wrong with the content is in the state.
func readState(f *kernel.Filesystem, l look) (state, error) {
	s := state{catalogue: newCatalogue(), broken: map[string]error{}}
	var err error
	if s.schema, err = checkSchema(f); err != nil || s.schema != nil {
		return s, err
	}
	if !l.catalogue && l.record == "" {
		return s, nil
	}
	dir, err := f.OpenDir(recordsFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer dir.Close()
	names := []string{l.record}
	if l.catalogue {
		if names, err = recordNames(dir); err != nil {
			return s, err
		}
	}
	if l.newest {
		if s.newest, err = newestTrusted(dir, l.record); err != nil {
			return s, err
		}
	}
	for _, name := range names {
		r, err := readRecord(dir, name)
		switch {
		case err == nil:
			s.catalogue.add(name, r)
		case !errors.Is(err, kernel.ErrNotFound):
			s.corrupt = append(s.corrupt, err)
			s.broken[name] = err
		}
	}
	return s, nil
}

// checkSchema finds out whether the state is of the version that we know, and nobody but root can have written it.
func checkSchema(f *kernel.Filesystem) (problem, err error) {
	dir, err := f.OpenDir(stateFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return refuse("", "coppice's records on the filesystem can't be used: %v", err), nil
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Uid != 0 || st.Mode&0o022 != 0 {
		return refuse("check its content, then \"chown root\" and \"chmod 700\" it",
			"%q at the filesystem's top level can be written by others than root (owner %d, mode %04o), so its records prove nothing", stateFolder, st.Uid, st.Mode&0o7777), nil
	}
	data, err := f.ReadFile(versionPath)
	switch {
	case errors.Is(err, kernel.ErrNotFound):
		if there, err := f.Exists(recordsFolder); err != nil || !there {
			return nil, err
		}
		return refuse("if the records are of this version of coppice, write a file with \"1\" in it",
			"%q is missing beside the records in %q, so nobody knows what they mean", versionPath, recordsFolder), nil
	case err != nil:
		return refuse("", "coppice's records on the filesystem can't be used: %v", err), nil
	}
	if version := strings.TrimSpace(string(data)); version != stateVersion {
		return refuse("use the newer coppice that wrote them",
			"the records in %q are of version %q; this coppice knows version %s and touches nothing", stateFolder, version, stateVersion), nil
	}
	return nil, nil
}

// newestTrusted is the instant of the newest record that was written with a trusted clock, but the one of that name; zero
// when there is none. It reads as few records as it can: one, mostly.
func newestTrusted(dir *kernel.Dir, but string) (time.Time, error) {
	names, err := recordNames(dir)
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range slices.Backward(names) { // they begin with the stamp
		if name == but {
			continue
		}
		r, err := readRecord(dir, name)
		if err != nil || r.Untrusted != "" {
			continue // one that can't be read proves nothing
		}
		if stamp, ok := parseStamp(r.Stamp); ok {
			return stamp, nil
		}
	}
	return time.Time{}, nil
}

// recordNames lists the records, sorted. Other files in the folder mean nothing.
func recordNames(dir *kernel.Dir) ([]string, error) {
	entries, err := dir.ReadEntries()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name, recordSuffix) && !strings.HasPrefix(e.Name, kernel.TempPrefix) {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

func readRecord(dir *kernel.Dir, name string) (record, error) {
	data, err := readSmall(dir, name)
	if err != nil {
		return record{}, err
	}
	r, err := decodeRecord(data)
	if err != nil {
		return r, fmt.Errorf("%s/%s: %w", recordsFolder, name, err)
	}
	return r, nil
}

// readSmall reads a regular file in a directory with as few system calls as can be: there is one record for each run,
// which may be thousands.
func readSmall(dir *kernel.Dir, name string) ([]byte, error) {
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

// readHolds reads every hold. Whatever in the folder can't be understood may hold anything.
func readHolds(f *kernel.Filesystem) (map[kernel.UUID]hold, []error) {
	dir, err := f.OpenDir(holdsFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return nil, []error{err}
	}
	holds := map[kernel.UUID]hold{}
	var unreadable []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name, kernel.TempPrefix) {
			continue
		}
		data, err := dir.ReadFile(e.Name)
		if errors.Is(err, kernel.ErrNotFound) {
			continue // released meanwhile
		}
		var id kernel.UUID
		var h hold
		if err == nil {
			id, h, err = decodeHold(e.Name, data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%s/%s: %w", holdsFolder, e.Name, err))
			continue
		}
		holds[id] = h
	}
	return holds, unreadable
}

// removeTemporary removes the files that a crash in the middle of writing left. The caller holds the lock on names.
func removeTemporary(dir *kernel.Dir) error {
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
