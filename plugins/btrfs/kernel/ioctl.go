package kernel

import (
	"bytes"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctl issues one request and returns the bare errno. The positive results that some btrfs requests have are errors
// only for those that go through ioctlResult, and for some that this package does not make (device add, remove, replace, resize).
func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	runtime.KeepAlive(f)
	if errno != 0 {
		return errno
	}
	return nil
}

// ioctlResult is ioctl with what the kernel returned, which is positive (BTRFS_ERROR_DEV_* of linux/btrfs.h) when another
// exclusive operation keeps it from beginning.
func ioctlResult(f *os.File, request uintptr, arg unsafe.Pointer) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	runtime.KeepAlive(f)
	if errno != 0 {
		return 0, errno
	}
	return r, nil
}

// ioctlAgain is for requests that may be repeated after a signal without doing anything twice.
func ioctlAgain(f *os.File, request uintptr, arg unsafe.Pointer) error {
	for {
		if err := ioctl(f, request, arg); err != unix.EINTR {
			return err
		}
	}
}

// again repeats a system call that a signal interrupted.
func again[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

func isBtrfs(f *os.File) (bool, error) {
	var st unix.Statfs_t
	_, err := again(func() (struct{}, error) { return struct{}{}, unix.Fstatfs(int(f.Fd()), &st) })
	runtime.KeepAlive(f)
	return uint32(st.Type) == unix.BTRFS_SUPER_MAGIC, err
}

func fsInfo(f *os.File) (*fsInfoArgs, error) {
	args := new(fsInfoArgs)
	return args, ioctlAgain(f, iocFsInfo, unsafe.Pointer(args))
}

func getLabel(f *os.File) (string, error) {
	args := new([256]byte)
	err := ioctlAgain(f, iocGetLabel, unsafe.Pointer(args))
	return text(args[:]), err
}

// treeOf returns the ID of the subvolume that an open file or directory is in. It needs no privilege.
func treeOf(f *os.File) (uint64, error) {
	args := &inoLookupArgs{objectID: inodeRoot}
	err := ioctlAgain(f, iocInoLookup, unsafe.Pointer(args))
	return args.treeID, err
}

// inoLookup returns the path of a directory inside its subvolume, with a slash at the end.
func inoLookup(f *os.File, tree, inode uint64) (string, error) {
	args := &inoLookupArgs{treeID: tree, objectID: inode}
	err := ioctlAgain(f, iocInoLookup, unsafe.Pointer(args))
	return text(args.name[:]), err
}

// startSync begins a commit of the running transaction and does not wait for it.
func startSync(f *os.File) error {
	transid := new(uint64)
	return ioctlAgain(f, iocStartSync, unsafe.Pointer(transid))
}

func createSubvolume(dir *os.File, name string) error {
	args := new(volArgsV2)
	copy(args.name[:nameMax], name)
	return ioctl(dir, iocSubvolCreate, unsafe.Pointer(args))
}

func createSnapshot(dir *os.File, name string, source *os.File, readOnly bool) error {
	args := &volArgsV2{fd: int64(source.Fd())}
	if readOnly {
		args.flags = subvolReadOnly
	}
	copy(args.name[:nameMax], name)
	err := ioctl(dir, iocSnapCreateV2, unsafe.Pointer(args))
	runtime.KeepAlive(source)
	return err
}

// destroyByID deletes without looking at names. any is any open directory of the filesystem.
func destroyByID(any *os.File, id uint64) error {
	args := &volArgsV2{flags: subvolByID}
	*(*uint64)(unsafe.Pointer(&args.name)) = id
	return ioctl(any, iocSnapDestroyV2, unsafe.Pointer(args))
}

// send writes the stream of a read-only subvolume into a pipe and returns when it has ended. The address of the clone
// sources is inside of args as a number: they are pinned meanwhile.
func send(source, into *os.File, parent uint64, noData bool) error {
	args := &sendArgs{sendFd: int64(into.Fd()), parentRoot: parent}
	clones := []uint64{parent}
	if parent != 0 {
		args.cloneSources, args.cloneSourcesCount = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(clones)))), 1
	}
	if noData {
		args.flags |= sendNoFileData
	}
	var pinned runtime.Pinner
	pinned.Pin(unsafe.SliceData(clones))
	defer pinned.Unpin()
	err := ioctl(source, iocSend, unsafe.Pointer(args))
	runtime.KeepAlive(into)
	return err
}

// text is the string in a NUL-padded field.
func text(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}
