package kernel

import (
	"context"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DataFile is an open regular file whose place on the devices is of interest.
type DataFile struct {
	file  *os.File
	shown string
	Size  int64  // in bytes
	Links uint64 // how many names it has
	Inode uint64
}

// OpenData opens the regular file that a name in d stands for; anything else is ErrInvalid.
func (d *Dir) OpenData(name string) (*DataFile, error) {
	const op = "open file"
	shown := quote(joinPath(d.path, name))
	file, err := openBeneath(d.file, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fail(op, shown, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		file.Close()
		return nil, fail(op, shown, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		file.Close()
		return nil, refuse(op, shown, ErrInvalid, "it is not a regular file")
	}
	return &DataFile{file: file, shown: shown, Size: st.Size, Links: uint64(st.Nlink), Inode: st.Ino}, nil
}

// Close lets go of the file.
func (d *DataFile) Close() error { return d.file.Close() }

// Extents are the pieces that a file lies in.
type Extents struct {
	Count  int
	Shared bool // at least one of them is also part of another file or snapshot
	Inline bool // so small that it lies within metadata
}

// Extents reads them; data that is only in memory is written first.
func (d *DataFile) Extents() (Extents, error) {
	var e Extents
	for start := uint64(0); ; {
		args := &fiemapArgs{start: start, length: ^uint64(0) - start, flags: fiemapSync, count: fiemapRows}
		if err := ioctlAgain(d.file, iocFiemap, unsafe.Pointer(args)); err != nil {
			return e, fail("read the extents of file", d.shown, err)
		}
		if args.mapped == 0 {
			return e, nil
		}
		for _, x := range args.extents[:min(args.mapped, fiemapRows)] {
			e.Count++
			e.Shared = e.Shared || x.flags&fiemapExtentShared != 0
			e.Inline = e.Inline || x.flags&fiemapExtentInline != 0
			start = x.logical + x.length
			if x.flags&fiemapExtentLast != 0 {
				return e, nil
			}
		}
	}
}

// Compression is an algorithm for Defragment; its number is BTRFS_COMPRESS_* of the kernel.
type Compression uint32

const (
	CompressNot Compression = iota // leave it as it is
	CompressZlib
	CompressLZO
	CompressZstd
)

// defragWindow is how much of a file the kernel works on before ctx is looked at: twice its largest extent.
const defragWindow = 256 << 20

// Defragment writes extents that are smaller than target bytes (0: the kernel's 256 KiB) into larger ones, where there are neighbours to join them
// with. What it writes is a copy: extents that are shared with a snapshot are not shared any more afterwards. A swap file, and a
// file of a read-only subvolume, are errors. report, unless nil, gets the bytes of the file that are done.
func (d *DataFile) Defragment(ctx context.Context, target uint32, c Compression, report func(done int64)) error {
	for start := int64(0); start < d.Size; start += defragWindow {
		if err := ctx.Err(); err != nil {
			return err
		}
		args := &defragArgs{start: uint64(start), length: defragWindow, flags: defragStartIO, extentThresh: target}
		if c != CompressNot {
			args.flags |= defragCompress
			args.compressType = uint32(c)
		}
		if err := withoutSignals(func() error { return ioctlAgain(d.file, iocDefragRange, unsafe.Pointer(args)) }); err != nil {
			return fail("defragment file", d.shown, err)
		}
		if report != nil {
			report(min(start+defragWindow, d.Size))
		}
	}
	return nil
}

// withoutSignals calls with all signals of the thread blocked: defragmenting ends early, and says so only if nothing was
// done yet, when any signal is pending, and Go's runtime sends one to every thread that is busy for long.
func withoutSignals(call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return call()
}
