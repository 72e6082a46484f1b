package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// Places of the stage. Home is covered with a filesystem in memory.
const (
	Home    = "/run/coppice"
	Sockets = Home + "/sockets" // of plugins: the same path in the tree
	Root    = Home + "/root"    // the tree
)

// programs are where a machine has its programs and their libraries.
var programs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/run/current-system"}

// reserved are places in the tree where nothing of the machine is mounted.
var reserved = append([]string{"/proc", "/sys", "/dev", "/etc", "/run", "/tmp", Extra}, programs...)

// Extra is the folder in the tree for what can't be where it is on the machine.
const Extra = "/rehearsal"

// Tree is the tree of a stage.
type Tree struct {
	mounts []string // in the tree, in the order of their mounting
	taken  []string // mount points of the machine that have been used
	extra  int
	// devices are those that have been shown. One stays: what is behind it later is a copy too, or nothing.
	devices []string
}

// Prepare makes the namespace this process's own, and a tree. It is called once, by the stage, before anything else.
func Prepare() (*Tree, error) {
	live()
	// What the machine unmounts is unmounted here too; nothing goes the other way.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return nil, fmt.Errorf("cannot leave the machine's mounts: %w", err)
	}
	if err := os.MkdirAll(Home, 0o755); err != nil {
		return nil, err
	}
	for _, at := range []string{Home, Root} {
		if err := os.MkdirAll(at, 0o755); err != nil {
			return nil, err
		}
		if err := unix.Mount("coppice", at, "tmpfs", 0, "mode=0755"); err != nil {
			return nil, fmt.Errorf("cannot mount a filesystem in memory: %w", err)
		}
	}
	t := &Tree{}
	for _, dir := range []string{"proc", "sys", "dev", "etc", "tmp", "root", Sockets, Extra} {
		if err := os.MkdirAll(filepath.Join(Root, dir), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(Sockets, 0o700); err != nil {
		return nil, err
	}
	if err := bind(Sockets, false); err != nil {
		return nil, err
	}
	if err := bind("/sys", true); err != nil {
		return nil, err
	}
	for _, device := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/btrfs-control"} {
		if err := t.Device(device); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return t, t.programs()
}

// Leave takes the machine's btrfs filesystems out of the namespace, once they have been looked at: they are not in reach any more, and the
// machine can unmount them meanwhile. What the machine itself runs from stays: plugins that are not in the tree plan by it. So do
// those that the paths given are on.
func Leave(but ...string) error {
	all, err := mountinfo.Self()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(all) {
		if m.FSType != "btrfs" || within(m.MountPoint, Home) || machinery(m.MountPoint) ||
			slices.ContainsFunc(but, func(path string) bool { return within(path, m.MountPoint) }) {
			continue
		}
		// EINVAL: it went with another one.
		if err := unix.Unmount(m.MountPoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			return fmt.Errorf("cannot leave %s: %w", m.MountPoint, err)
		}
	}
	return nil
}

// machinery reports whether the machine runs from what is mounted there.
func machinery(at string) bool {
	if at == "/" {
		return true
	}
	for _, place := range slices.Concat([]string{"/etc", "/var", "/dev", "/run", "/root"}, programs) {
		if at == place || within(place, at) {
			return true
		}
	}
	return false
}

// within reports whether a path is at another or below it.
func within(inner, outer string) bool {
	return inner == outer || strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/")
}

// bind shows a folder of the machine at the same place in the tree.
func bind(path string, readOnly bool) error {
	at := filepath.Join(Root, path)
	if err := unix.Mount(path, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot show %s in the sandbox: %w", path, err)
	}
	if readOnly {
		if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("cannot make %s read-only in the sandbox: %w", path, err)
		}
	}
	return nil
}

// Device shows a device node in the tree.
func (t *Tree) Device(path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if slices.Contains(t.devices, path) {
		return nil
	}
	t.devices = append(t.devices, path)
	at := filepath.Join(Root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	return bind(path, false)
}

// programs shows the machine's programs through an overlay: they can't be written to, and what filesystem they are on can't be told, so
// that nobody opens that by their paths.
func (t *Tree) programs() error {
	empty := Home + "/empty"
	if err := os.Mkdir(empty, 0o755); err != nil {
		return err
	}
	for _, path := range programs {
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		at := filepath.Join(Root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err == nil {
				err = os.Symlink(target, at)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("coppice", at, "overlay", unix.MS_RDONLY, "lowerdir="+path+":"+empty); err != nil {
			// Without: what needs programs says that it has none.
			continue
		}
	}
	return nil
}

// File makes a small file in the tree.
func (t *Tree) File(path string, data []byte) error {
	at := filepath.Join(Root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	temp := at + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, at)
}

// Mount mounts a device in the tree: at the place where the machine has the original, if that can be, else in Extra. It returns the place in the
// tree.
func (t *Tree) Mount(device, at, options string) (string, error) {
	place := filepath.Clean(at)
	if at == "" || place == "/" || !t.free(place) {
		t.extra++
		place = fmt.Sprintf("%s/%d", Extra, t.extra)
	}
	dir := filepath.Join(Root, place)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := loopfs.Mount(device, dir, options); err != nil {
		return "", err
	}
	t.mounts, t.taken = append(t.mounts, dir), append(t.taken, place)
	return place, nil
}

// free reports whether a copy can be mounted at a place: not where the tree has something of its own, and not inside another copy,
// which would have to get a folder for it.
func (t *Tree) free(place string) bool {
	for _, r := range reserved {
		if within(place, r) || within(r, place) {
			return false
		}
	}
	return !slices.ContainsFunc(t.taken, func(other string) bool { return within(place, other) || within(other, place) })
}

// Unmount unmounts what Mount has mounted.
func (t *Tree) Unmount() error {
	var errs []error
	for _, at := range slices.Backward(t.mounts) {
		errs = append(errs, loopfs.Unmount(at))
	}
	t.mounts, t.taken, t.extra = nil, nil, 0
	return errors.Join(errs...)
}

// writable shows a folder of /sys in the tree to write to; one that is not there is none.
func (t *Tree) writable(path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	if err := bind(path, false); err != nil {
		return err
	}
	t.mounts = append(t.mounts, filepath.Join(Root, path))
	return nil
}
