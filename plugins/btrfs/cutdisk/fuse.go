package cutdisk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileSystem answers the kernel's requests about a file system that is one file, a Device.
type fileSystem struct {
	kernel *os.File // /dev/fuse
	device Device
	in     []byte
	out    []byte
}

func newFileSystem(kernel *os.File, d Device) *fileSystem {
	return &fileSystem{kernel, d, make([]byte, maxTransfer+64<<10), make([]byte, outHeaderSize+maxTransfer)}
}

var native = binary.NativeEndian

// serve answers until the file system is gone, which is no error.
func (s *fileSystem) serve() error {
	fd := int(s.kernel.Fd())
	for {
		n, err := unix.Read(fd, s.in)
		switch err {
		case nil:
		case unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: the request was withdrawn
			continue
		case unix.ENODEV: // unmounted
			return nil
		default:
			return fmt.Errorf("cannot read from the kernel: %w", err)
		}
		if n < inHeaderSize || int(native.Uint32(s.in)) != n {
			return fmt.Errorf("the kernel sent %d bytes that are no request", n)
		}
		size, errno, answer := s.handle(native.Uint32(s.in[4:]), s.in[inHeaderSize:n])
		if !answer {
			continue
		}
		if errno != 0 {
			size = 0
		}
		native.PutUint32(s.out, uint32(outHeaderSize+size))
		native.PutUint32(s.out[4:], uint32(-int32(errno)))
		copy(s.out[8:16], s.in[8:16]) // which request it answers
		if _, err := unix.Write(fd, s.out[:outHeaderSize+size]); err != nil && err != unix.ENOENT {
			return fmt.Errorf("cannot answer the kernel: %w", err)
		}
	}
}

// handle does what a request asks for, and puts size bytes of answer behind the header of out.
func (s *fileSystem) handle(op uint32, in []byte) (size int, errno unix.Errno, answer bool) {
	out := s.out[outHeaderSize:]
	clear(out[:attrOutSize])
	switch op {
	case opForget, opBatchForget, opInterrupt:
		return 0, 0, false
	case opInit:
		if len(in) < 16 || native.Uint32(in) != fuseMajor {
			return 0, unix.EPROTO, true
		}
		s.init(in, out)
		return initOutSize, 0, true
	case opGetattr, opSetattr:
		s.attributes(out)
		return attrOutSize, 0, true
	case opOpen:
		native.PutUint32(out[8:], openDirect)
		return openOutSize, 0, true
	case opStatfs:
		native.PutUint32(out[40:], Block) // bsize
		native.PutUint32(out[44:], 255)   // namelen
		return statfsOutSize, 0, true
	case opRelease, opFlush, opDestroy: // a flush of a file is what close does, not what a disk does
		return 0, 0, true
	case opFsync:
		return 0, asErrno(s.device.Flush()), true
	case opRead, opWrite, opFallocate:
		size, errno = s.transfer(op, in, out)
		return size, errno, true
	}
	return 0, unix.ENOSYS, true
}

func (s *fileSystem) init(in, out []byte) {
	native.PutUint32(out, fuseMajor)
	native.PutUint32(out[4:], fuseMinor)
	native.PutUint32(out[8:], native.Uint32(in[8:])) // max_readahead
	native.PutUint32(out[12:], native.Uint32(in[12:])&(initAsyncRead|initBigWrites|initMaxPages))
	native.PutUint16(out[16:], 64)          // max_background
	native.PutUint16(out[18:], 48)          // congestion_threshold
	native.PutUint32(out[20:], maxTransfer) // max_write
	native.PutUint32(out[24:], 1)           // time_gran
	native.PutUint16(out[28:], uint16(maxTransfer/os.Getpagesize()))
}

func (s *fileSystem) attributes(out []byte) {
	size := uint64(s.device.Size())
	attr := out[16:] // behind how long they are valid: not at all
	native.PutUint64(attr, 1)
	native.PutUint64(attr[8:], size)
	native.PutUint64(attr[16:], size/512)
	native.PutUint32(attr[60:], unix.S_IFREG|0o600)
	native.PutUint32(attr[64:], 1) // nlink
	native.PutUint32(attr[80:], Block)
}

// The modes of fallocate that make a part of the file read as zeroes: falloc.h.
const clearing = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_ZERO_RANGE

func (s *fileSystem) transfer(op uint32, in, out []byte) (int, unix.Errno) {
	if len(in) < 32 {
		return 0, unix.EINVAL
	}
	at := native.Uint64(in[8:])
	if op == opFallocate {
		length, mode := native.Uint64(in[16:]), native.Uint32(in[24:])
		switch {
		case mode&clearing == 0:
			return 0, unix.EOPNOTSUPP
		case !s.inside(at, length):
			return 0, unix.EINVAL
		}
		return 0, asErrno(s.device.Clear(int64(at), int64(length)))
	}
	length := native.Uint32(in[16:])
	if op == opRead {
		size := uint64(s.device.Size())
		if at >= size {
			return 0, 0
		}
		n := int(min(uint64(length), maxTransfer, size-at))
		return n, asErrno(s.device.ReadAt(out[:n], int64(at)))
	}
	switch {
	case len(in) != ioInSize+int(length):
		return 0, unix.EINVAL
	case !s.inside(at, uint64(length)):
		return 0, unix.ENOSPC
	}
	if err := s.device.WriteAt(in[ioInSize:], int64(at)); err != nil {
		return 0, asErrno(err)
	}
	native.PutUint32(out, length)
	return writeOutSize, 0
}

func (s *fileSystem) inside(at, length uint64) bool {
	size := uint64(s.device.Size())
	return at <= size && length <= size-at
}

func asErrno(err error) unix.Errno {
	var errno unix.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return errno
	}
	return unix.EIO
}
