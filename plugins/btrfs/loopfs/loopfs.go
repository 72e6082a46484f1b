// Package loopfs makes throw-away btrfs filesystems: sparse image files behind loop devices, formatted and mounted.
//
// Rehearsals and tests use it. It only ever touches the devices, mounts and files that it made itself. It runs
// mkfs.btrfs; all else it asks of the kernel. A loop device that it made vanishes with its last user, so that nothing
// but the image file and the mount is left when the process is killed.
package loopfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say what to make. The zero value is one device of 1 GiB, formatted and mounted with the defaults.
type Options struct {
	Size         int64    // of each image, in bytes; the file is sparse; 0 is 1 GiB; mkfs.btrfs wants about 110 MiB
	Devices      int      // how many; 0 is 1
	MkfsArgs     []string // put before the devices, as {"-d", "raid1", "-m", "raid1"}
	MountOptions string   // as for mount -o; "" is the defaults
	Dir          string   // an existing directory to make a new one in, which holds everything; "" is os.TempDir()
}

// Filesystem is a mounted filesystem of its own. The methods must not be called concurrently.
type Filesystem struct {
	Dir   string   // holds the images and the mount point, made by New and removed by Close
	Mount string   // the mount point
	Image []string // the image files
	Loop  []string // their block devices, as /dev/loop3; another one each time they are attached

	loops []*os.File // held open: a device of which the last user goes is detached
}

// MissingError says that the machine lacks what a Filesystem needs.
type MissingError struct {
	What   string // "root" or "btrfs", as in COPPICE_REQUIRE
	Reason string
}

func (e *MissingError) Error() string { return e.Reason }

// New makes, formats and mounts a filesystem. The caller calls Close. After an error nothing is left. The error is a
// *MissingError if the machine can't do it at all.
func New(o Options) (_ *Filesystem, err error) {
	if err := check(); err != nil {
		return nil, err
	}
	if o.Size == 0 {
		o.Size = 1 << 30
	}
	if o.Devices == 0 {
		o.Devices = 1
	}
	dir, err := os.MkdirTemp(o.Dir, "coppice-loopfs-")
	if err != nil {
		return nil, err
	}
	f := &Filesystem{Dir: dir, Mount: filepath.Join(dir, "mount")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.Mkdir(f.Mount, 0o755); err != nil {
		return nil, err
	}
	for i := range o.Devices {
		image := filepath.Join(dir, fmt.Sprintf("device%d.img", i))
		if err := makeSparse(image, o.Size); err != nil {
			return nil, err
		}
		f.Image = append(f.Image, image)
	}
	if err := f.attach(); err != nil {
		return nil, err
	}
	args := slices.Concat([]string{"--force", "--quiet"}, o.MkfsArgs, f.Loop)
	if out, err := exec.Command("mkfs.btrfs", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot format: mkfs.btrfs %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return f, f.MountAgain(o.MountOptions)
}

func check() error {
	if os.Geteuid() != 0 {
		return &MissingError{"root", "making a btrfs filesystem needs root"}
	}
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		return &MissingError{"btrfs", "mkfs.btrfs is not installed (Debian package btrfs-progs)"}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	// A kernel that has btrfs as a module lists it only once it is loaded, which the control device brings about.
	if !strings.Contains(string(known), "\tbtrfs\n") {
		c, err := os.Open("/dev/btrfs-control")
		if err != nil {
			return &MissingError{"btrfs", "this kernel has no btrfs"}
		}
		c.Close()
	}
	return nil
}

func makeSparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// MountAgain mounts the filesystem on Mount, after Unmount: with other options, or after changes to the image files.
func (f *Filesystem) MountAgain(options string) error {
	if len(f.loops) == 0 {
		if err := f.attach(); err != nil {
			return err
		}
	}
	if len(f.Loop) > 1 {
		for _, device := range f.Loop {
			if err := control(iocScanDev, device); err != nil {
				return fmt.Errorf("cannot make the kernel know %s: %w", device, err)
			}
		}
	}
	flags, data := mountFlags(options)
	err := unix.Mount(f.Loop[0], f.Mount, "btrfs", flags, data)
	if errors.Is(err, unix.EPERM) {
		return &MissingError{"root", "this process may not mount: " + err.Error()}
	}
	if err != nil {
		return fmt.Errorf("cannot mount %s on %s with options %q: %w", f.Loop[0], f.Mount, options, err)
	}
	return nil
}

// Unmount unmounts everything that is mounted below Dir and detaches the loop devices, so that the image files hold all.
// It is an error if something is in use. Whoever has the filesystem mounted elsewhere, in another namespace or without a
// place, is waited for: what is read from or written to the images before that is not what the filesystem is.
func (f *Filesystem) Unmount() error {
	if err := unmountBelow(f.Dir); err != nil {
		return err
	}
	for _, device := range f.Loop {
		if err := Free(device); err != nil {
			return err
		}
	}
	return f.detach()
}

// Close unmounts, and removes Dir. If anything is still mounted there it removes nothing and returns an error. With
// COPPICE_KEEP=1 in the environment it leaves all as it is. It may be called again, after an error too.
func (f *Filesystem) Close() error {
	if os.Getenv("COPPICE_KEEP") == "1" {
		return nil
	}
	// Not Unmount: the devices are gone with their last users, whoever these are.
	if err := unmountBelow(f.Dir); err != nil {
		return fmt.Errorf("cannot remove %s, it is left as it is: %w", f.Dir, err)
	}
	if err := f.detach(); err != nil {
		return fmt.Errorf("cannot remove %s, it is left as it is: %w", f.Dir, err)
	}
	still, err := mountsBelow(f.Dir)
	if err != nil {
		return err
	}
	if len(still) > 0 { // whatever was mounted meanwhile, its content is not ours to remove
		return fmt.Errorf("cannot remove %s: %s is mounted", f.Dir, still[0])
	}
	return os.RemoveAll(f.Dir)
}

// Path is a path below the mount point.
func (f *Filesystem) Path(elements ...string) string {
	return filepath.Join(slices.Concat([]string{f.Mount}, elements)...)
}
