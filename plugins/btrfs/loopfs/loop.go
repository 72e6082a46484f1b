package loopfs

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attach puts every image behind a loop device.
func (f *Filesystem) attach() error {
	f.Loop = nil
	for _, image := range f.Image {
		loop, err := attach(image)
		if err != nil {
			return errors.Join(fmt.Errorf("cannot attach %s to a loop device: %w", image, err), f.detach())
		}
		f.loops = append(f.loops, loop)
		f.Loop = append(f.Loop, loop.Name())
	}
	return nil
}

// detach makes the kernel forget the devices (it remembers those of filesystems with several) and lets go of them.
func (f *Filesystem) detach() error {
	var errs []error
	for _, loop := range f.loops {
		if len(f.loops) > 1 {
			// ENOENT: it is not known. EBUSY: the filesystem is still open elsewhere.
			if err := control(iocForgetDev, loop.Name()); err != nil && err != unix.ENOENT && err != unix.EBUSY {
				errs = append(errs, err)
			}
		}
		errs = append(errs, loop.Close())
	}
	f.loops, f.Loop = nil, nil
	return errors.Join(errs...)
}

// attaching keeps goroutines from racing for the same free device.
var attaching sync.Mutex

func attach(image string) (*os.File, error) {
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	return Attach(backing, image)
}

// Attach puts a file that is open for reading and writing behind a loop device, which is gone with its last user: the
// caller closes it. The name is what losetup shows of the file. The file may be closed.
func Attach(backing *os.File, name string) (*os.File, error) {
	attaching.Lock()
	defer attaching.Unlock()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &MissingError{"btrfs", "this kernel has no loop devices"}
	}
	if err != nil {
		return nil, err
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd())}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR // gone with its last user
	copy(config.Info.File_name[:63], name)
	// Others look for a free device at the same time, so that the one found may be taken by then.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		loop, err := tryAttach(control, &config)
		taken := errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOSPC) || errors.Is(err, os.ErrNotExist)
		if taken && time.Now().Before(deadline) {
			continue
		}
		return loop, err
	}
}

func tryAttach(control *os.File, config *unix.LoopConfig) (*os.File, error) {
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("finding a free loop device: %w", err)
	}
	loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlLoopConfigure(int(loop.Fd()), config); err != nil {
		return nil, errors.Join(fmt.Errorf("configuring %s: %w", loop.Name(), err), loop.Close())
	}
	return loop, nil
}

// Requests of /dev/btrfs-control, linux/btrfs.h.
const (
	iocScanDev   = 1<<30 | 4096<<16 | 0x94<<8 | 4 // BTRFS_IOC_SCAN_DEV
	iocForgetDev = 1<<30 | 4096<<16 | 0x94<<8 | 5 // BTRFS_IOC_FORGET_DEV
)

type volArgs struct { // btrfs_ioctl_vol_args, linux/btrfs.h
	_    int64
	name [4088]byte
}

var _ = [1]int{}[unsafe.Sizeof(volArgs{})-4096]

// Forget makes the kernel forget what btrfs it has seen on an unmounted device; nothing happens if that is none. Else
// it takes an older state of the same filesystem on another device for a mistake.
func Forget(device string) error {
	if err := control(iocForgetDev, device); err != nil && err != unix.ENOENT {
		return fmt.Errorf("cannot make the kernel forget %s: %w", device, err)
	}
	return nil
}

// Free waits until nobody has a device mounted, and makes the kernel forget what was on it. Where a mount is copied into
// another namespace, or made without a place, it ends a moment after the processes that have it; until then the
// filesystem writes. Waited for are five minutes, then it is an error.
func Free(device string) error {
	const pause, patience = 10 * time.Millisecond, 5 * time.Minute
	for waited := time.Duration(0); ; waited += pause {
		fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err == nil {
			return errors.Join(unix.Close(fd), Forget(device))
		}
		if err != unix.EBUSY || waited >= patience {
			return fmt.Errorf("%s is still in use: %w", device, err)
		}
		time.Sleep(pause)
	}
}

// control tells the btrfs of the kernel about a device; the error is a bare errno if the kernel refuses.
func control(request uintptr, device string) error {
	f, err := os.OpenFile("/dev/btrfs-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	args := new(volArgs)
	copy(args.name[:len(args.name)-1], device)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(args)))
	runtime.KeepAlive(f)
	if errno != 0 {
		return errno
	}
	return nil
}
