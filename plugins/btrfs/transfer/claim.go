package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// claimsFolder has a claim for each subvolume that is being received: without one nothing with a temporary name is removed.
const claimsFolder = volume.StateFolder + "/receiving"

// claim says that a subvolume with a temporary name is ours. It is written before the subvolume is made and removed after it
// was put into place. As long as somebody receives into it, it has a flock on the claim.
type claim struct {
	Folder string      `json:"folder"` // path from the top level
	Temp   string      `json:"temp"`   // name in it
	Source string      `json:"source"`
	Stamp  string      `json:"stamp"`
	Origin kernel.UUID `json:"origin"`
	Run    string      `json:"run"`
}

func (c claim) path() string { return c.Folder + "/" + c.Temp }

// decodeClaim refuses what this package can't have written.
func decodeClaim(data []byte) (claim, error) {
	var c claim
	if err := json.Unmarshal(data, &c); err != nil {
		return c, err
	}
	clean, bad := volume.CleanPath("", c.Folder)
	switch {
	case bad != nil:
		return c, bad
	case clean != c.Folder || clean == "":
		return c, fmt.Errorf("the folder is %q", c.Folder)
	case !strings.HasPrefix(c.Temp, tempPrefix) || strings.Contains(c.Temp, "/"):
		return c, fmt.Errorf("the temporary name is %q", c.Temp)
	}
	return c, nil
}

// tempPrefix begins the names of subvolumes that are being received.
const tempPrefix = kernel.TempPrefix + "receive-"

// makeClaim writes a claim and takes its lock. The caller holds the lock on names and has made the state folder.
func makeClaim(f *kernel.Filesystem, name string, c claim) (*os.File, error) {
	if _, err := f.MkdirAll(claimsFolder, 0o700); err != nil {
		return nil, err
	}
	if err := volume.WriteRecord(f, claimsFolder+"/"+name, c); err != nil {
		return nil, err
	}
	// Whoever plans may look whether it is locked at this very moment.
	for try := 0; ; try++ {
		file, err := lockClaim(f, name, unix.LOCK_EX)
		if !errors.Is(err, kernel.ErrBusy) || try == 50 {
			return file, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// lockClaim opens a claim and locks it; kernel.ErrBusy when somebody receives into it. The lock ends with the file.
func lockClaim(f *kernel.Filesystem, name string, how int) (*os.File, error) {
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("there is no claim %q: %w", name, kernel.ErrNotFound)
	}
	dir, err := f.OpenDir(claimsFolder)
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

// abandoned returns the claims below a folder that nobody receives into any more, by their names. What can't be understood
// is nobody's, and left alone.
func abandoned(f *kernel.Filesystem, folder string) (map[string]claim, error) {
	all := map[string]claim{}
	dir, err := f.OpenDir(claimsFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := volume.ReadSmall(dir, e.Name)
		if err != nil {
			continue
		}
		c, err := decodeClaim(data)
		if err != nil || !volume.Inside(folder, c.Folder) {
			continue
		}
		file, err := lockClaim(f, e.Name, unix.LOCK_SH)
		if err != nil {
			continue
		}
		file.Close()
		all[e.Name] = c
	}
	return all, nil
}
