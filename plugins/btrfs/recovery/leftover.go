package recovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// restoringFolder has a claim for each folder in which a copy is being made, see volume.MakeClaim.
const restoringFolder = volume.StateFolder + "/restoring"

// stagingPrefix begins the names of such folders.
const stagingPrefix = kernel.TempPrefix + "restore-"

// staging claims one of them.
type staging struct {
	Folder string `json:"folder"` // that it is in: from the top level, or absolute on another filesystem
	Other  bool   `json:"other_filesystem,omitempty"`
	Temp   string `json:"temp"`  // its name
	Inode  uint64 `json:"inode"` // which the kernel gives to no other folder there; whoever may write there can rename it
	Run    string `json:"run"`
}

// leftover is one that a restore which was killed has left.
type leftover struct {
	Claim string
	staging
}

func decodeStaging(data []byte) (staging, error) {
	var s staging
	if err := json.Unmarshal(data, &s); err != nil {
		return s, err
	}
	clean, bad := volume.CleanPath("", s.Folder)
	if s.Other {
		clean, bad = path.Clean(s.Folder), nil
	}
	switch {
	case bad != nil:
		return s, bad
	case clean != s.Folder || s.Other != path.IsAbs(s.Folder):
		return s, fmt.Errorf("the folder is %q", s.Folder)
	case !strings.HasPrefix(s.Temp, stagingPrefix) || strings.Contains(s.Temp, "/") || s.Inode == 0:
		return s, fmt.Errorf("the temporary name is %q", s.Temp)
	}
	return s, nil
}

// readLeftovers finds those that nobody works on. What can't be understood, or is on a disk that is away, is left alone.
func readLeftovers(f *kernel.Filesystem) ([]leftover, error) {
	claims, err := volume.ReadClaims(f, restoringFolder)
	if err != nil {
		return nil, volume.Explain("", err)
	}
	var all []leftover
	for _, c := range claims {
		s, err := decodeStaging(c.Data)
		if err != nil || c.Busy {
			continue
		}
		l := leftover{c.Name, s}
		folder, staged, err := l.open(f)
		if err != nil {
			continue
		}
		folder.Close()
		staged.Close()
		all = append(all, l)
	}
	return all, nil
}

// open opens the folder that it is in, and it, if it is what its claim says; kernel.ErrNotFound if it is not.
func (s staging) open(f *kernel.Filesystem) (folder, staged *os.File, err error) {
	if folder, err = openPlace(f, place{Folder: s.Folder, Other: s.Other}); err != nil {
		return nil, nil, err
	}
	fd, err := unix.Openat(int(folder.Fd()), s.Temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		staged = os.NewFile(uintptr(fd), s.Temp)
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil && (st.Ino != s.Inode || st.Uid != 0) {
			err = kernel.ErrNotFound
		}
	}
	if err != nil {
		if staged != nil {
			staged.Close()
		}
		folder.Close()
		return nil, nil, err
	}
	return folder, staged, nil
}

// planLeftovers plans to remove them, before anything else.
func (o *restoring) planLeftovers(planned *restorePlan, facts *restoreFacts) {
	held := o.view.Held()
	for _, l := range o.left {
		r := sdk.Resource{Type: FileType, Name: path.Join(l.Folder, l.Temp)}
		if !l.Other {
			r.Scope = o.view.UUID()
		}
		if held != "" {
			planned.Kept = append(planned.Kept, sdk.Kept{Resource: r, Reason: "nothing is deleted: " + held})
			continue
		}
		facts.Left = append(facts.Left, r.Name)
		planned.Private.Left = append(planned.Private.Left, l)
		planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Run, Resource: r, Summary: "remove what a restore that was cut off has left"})
	}
}

// clean removes leftovers that the plan has found. One that can't be removed is a warning: it keeps nothing from being restored.
func clean(f *kernel.Filesystem, c *sdk.Call, all []leftover) {
	for i, l := range all {
		err := l.remove(f)
		switch {
		case err == nil:
			c.Done(i)
		case !errors.Is(err, kernel.ErrNotFound): // somebody else was quicker
			c.Warn(volume.Warn("", "cannot remove %q, which a restore that was cut off has left: %v", path.Join(l.Folder, l.Temp), err))
		}
	}
}

func (l leftover) remove(f *kernel.Filesystem) error {
	lock, err := volume.LockClaim(f, restoringFolder, l.Claim, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Close()
	folder, staged, err := l.open(f)
	if err != nil {
		return err
	}
	defer folder.Close()
	err = tree.Remove(staged, content)
	staged.Close()
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(int(folder.Fd()), l.Temp, unix.AT_REMOVEDIR); err != nil {
		return err
	}
	if err := folder.Sync(); err != nil { // the claim goes after what it claims
		return err
	}
	return f.Remove(restoringFolder + "/" + l.Claim)
}

// claim claims the folder in which the copy is made. Without one it would only stay if this is killed: where the filesystem of the
// snapshots can't be written, things are restored all the same.
func (r *restorer) claim(temp string, staged *os.File) (release func()) {
	var st unix.Stat_t
	err := unix.Fstat(int(staged.Fd()), &st)
	var lock *os.File
	name := strings.TrimPrefix(temp, kernel.TempPrefix) + volume.RecordSuffix
	if err == nil {
		err = r.writable()
	}
	if err == nil {
		lock, err = volume.MakeClaim(r.f, restoringFolder, name, staging{Folder: r.private.Where.Folder, Other: r.private.Where.Other,
			Temp: temp, Inode: st.Ino, Run: r.c.Run})
	}
	if err != nil {
		r.c.Logf("warn", "if this is cut off, the folder %q stays in %q: %v", temp, r.private.Where.Folder, err)
		return func() {}
	}
	return func() {
		if err := r.f.Remove(restoringFolder + "/" + name); err != nil {
			r.c.Logf("warn", "the record of the copy stays until the next one: %v", err)
		}
		lock.Close()
	}
}

// writable makes the state folder for a claim.
func (r *restorer) writable() error {
	problem, err := volume.CheckState(r.f)
	if err = errors.Join(problem, err); err != nil {
		return err
	}
	_, err = volume.MakeState(r.f)
	return err
}
