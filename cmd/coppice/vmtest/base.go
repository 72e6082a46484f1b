package vmtest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

//go:embed build.sh
var buildScript string

const (
	// kernelPackage has btrfs and virtio, and is less than half of the generic one.
	kernelPackage = "linux-image-cloud-amd64"
	// rootPackages are what is in the machine beside the essential ones: with what builds an initrd, of either kind. usr-is-merged keeps
	// usrmerge out, which needs all of perl.
	rootPackages = "systemd,systemd-sysv,dbus,udev,kmod,btrfs-progs,usr-is-merged,dracut-core,initramfs-tools-core,busybox,cpio,zstd"
	diskSize     = 3 << 30 // sparse
	// initrdModules are loaded before the root is mounted.
	initrdModules = "btrfs virtio_pci virtio_blk virtio_console crc32c_intel"
)

// Base is what machines start from. All of it is only read.
type Base struct {
	Kernel  string // file
	Release string // of the kernel, as in /lib/modules
	Modules string // folder: those that the initrd loads, by name in that order
	Disk    string // raw image
	Tree    string // what is in the disk's subvolume root, as a tar file
}

// cacheDir holds the bases, one folder each, named by what it was made from.
func cacheDir() (string, error) {
	if dir := os.Getenv("COPPICE_VM_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "coppice-vm"), err
}

// GetBase finds the base in the cache, or builds it: about half a minute. Whoever else wants to, waits.
func GetBase(t T) Base {
	t.Helper()
	Need(t)
	b, err := getBase()
	if err != nil {
		t.Fatalf("cannot get what virtual machines start from: %v", err)
	}
	return b
}

func getBase() (Base, error) {
	cache, err := cacheDir()
	if err != nil {
		return Base{}, err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return Base{}, err
	}
	lock, err := lockCache(cache)
	if err != nil {
		return Base{}, err
	}
	defer lock.Close()
	release, _ := os.ReadFile("/etc/os-release")
	key := sha256.Sum256([]byte(strings.Join([]string{buildScript, kernelPackage, rootPackages, initrdModules, string(release)}, "\x00")))
	dir := filepath.Join(cache, fmt.Sprintf("base-%x", key[:6]))
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		err = build(cache, dir)
		if err != nil {
			return Base{}, err
		}
	} else if err != nil {
		return Base{}, err
	}
	version, err := os.ReadFile(filepath.Join(dir, "kernel"))
	return Base{Kernel: filepath.Join(dir, "vmlinuz"), Release: strings.TrimSpace(string(version)),
		Modules: filepath.Join(dir, "modules"), Disk: filepath.Join(dir, "disk.img"),
		Tree: filepath.Join(dir, "root.tar")}, err
}

// lockCache waits until nobody else builds anything. Closing the file lets go of the lock.
func lockCache(cache string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// build builds a base beside its place, and moves it there when it is whole.
func build(cache, dir string) error {
	old, _ := filepath.Glob(filepath.Join(cache, "build-*")) // of builds that were killed: nobody else has the lock
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			return err
		}
	}
	out, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	fs, err := loopfs.New(loopfs.Options{Size: diskSize, MkfsArgs: []string{"-L", "tank"}, MountOptions: "noatime", Dir: cache})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*patience)
	defer stop()
	c := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", buildScript, "build.sh", out, fs.Mount, kernelPackage, rootPackages, initrdModules)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, log)
	}
	if err == nil {
		err = os.Link(fs.Image[0], filepath.Join(out, "disk.img")) // stays when the rest is gone
	}
	if err := errors.Join(err, fs.Close()); err != nil {
		return err
	}
	return os.Rename(out, dir)
}
