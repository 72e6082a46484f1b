package volume

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// The state that coppice keeps on each filesystem, in a folder at its top level that only root can read. Each part of the
// plugin has files of its own in it.
const (
	StateFolder = ".coppice"
	HoldsFolder = StateFolder + "/holds"
	HoldPath    = StateFolder + "/hold" // a hold switch
	VersionPath = StateFolder + "/version"

	stateVersion = "1"
)

// CheckState finds out whether the state is of the version that we know, and nobody but root can have written it.
func CheckState(f *kernel.Filesystem) (problem, err error) {
	dir, err := f.OpenDir(StateFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return Refuse("", "coppice's records on the filesystem can't be used: %v", err), nil
	}
	defer dir.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Uid != 0 || st.Mode&0o022 != 0 {
		return Refuse("check its content, then \"chown root\" and \"chmod 700\" it",
			"%q at the filesystem's top level can be written by others than root (owner %d, mode %04o), so its records prove nothing", StateFolder, st.Uid, st.Mode&0o7777), nil
	}
	data, err := f.ReadFile(VersionPath)
	switch {
	case errors.Is(err, kernel.ErrNotFound):
		record, err := anyRecord(dir)
		if err != nil || record == "" {
			return nil, err
		}
		return Refuse("if the records are of this version of coppice, write a file with \"1\" in it",
			"%q is missing beside the records in %q, so nobody knows what they mean", VersionPath, StateFolder+"/"+record), nil
	case err != nil:
		return Refuse("", "coppice's records on the filesystem can't be used: %v", err), nil
	}
	if version := strings.TrimSpace(string(data)); version != stateVersion {
		return Refuse("use the newer coppice that wrote them",
			"the records in %q are of version %q; this coppice knows version %s and touches nothing", StateFolder, version, stateVersion), nil
	}
	return nil, nil
}

// anyRecord is the name of something in the state folder that coppice has written; "" when there is only what a person puts
// there: holds, and the hold switch.
func anyRecord(dir *kernel.Dir) (string, error) {
	entries, err := dir.ReadEntries()
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if path := StateFolder + "/" + e.Name; path != HoldPath && path != HoldsFolder && !strings.HasPrefix(e.Name, kernel.TempPrefix) {
			return e.Name, nil
		}
	}
	return "", nil
}

// MakeState makes the folder with its version, and reports whether it was not complete before. The version is there before
// anything else is. The caller holds the lock on names, has asked CheckState, and syncs the top level. (Without the lock it may
// fail with ErrExists or ErrNotFound when somebody else does the same; then it can be called again.)
func MakeState(f *kernel.Filesystem) (fresh bool, err error) {
	made, err := f.MkdirAll(StateFolder, 0o700)
	if err != nil {
		return false, err
	}
	known, err := f.Exists(VersionPath)
	if err != nil {
		return false, err
	}
	if !known {
		if err := f.WriteFileAtomic(VersionPath, []byte(stateVersion+"\n"), 0o600); err != nil {
			return false, err
		}
	}
	return len(made) > 0 || !known, nil
}
