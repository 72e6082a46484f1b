package cutdisk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// TempFile makes a file without a name in a folder: it is gone with the last process that has it open.
func TempFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir+"/(unnamed)"), nil
	}
	if err != unix.EOPNOTSUPP && err != unix.EISDIR { // not every file system has files without a name
		return nil, fmt.Errorf("cannot make a file in %s: %w", dir, err)
	}
	f, err := os.CreateTemp(dir, "coppice-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Copy copies an image to an empty file, and leaves its holes what they are. Where the file system can share data between
// files, that is what happens.
func Copy(to, from *os.File) error {
	err := copySparse(to, from)
	if err != nil {
		err = fmt.Errorf("cannot copy an image: %w", err)
	}
	return err
}

func copySparse(out, in *os.File) error {
	size, err := sizeOf(in)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	return eachExtent(in, func(at, length int64) error {
		_, err := io.Copy(io.NewOffsetWriter(out, at), io.NewSectionReader(in, at, length))
		return err
	})
}

// eachExtent calls do for each part of a file that is no hole, ascending.
func eachExtent(f *os.File, do func(at, length int64) error) error {
	for at := int64(0); ; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no more data
			return nil
		}
		if err != nil {
			return err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := do(start, end-start); err != nil {
			return err
		}
		at = end
	}
}

// punch makes a part of a file a hole, which reads as zeroes.
func punch(f *os.File, at, length int64) error {
	if length == 0 {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, length)
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	zeroes := make([]byte, min(length, 1<<20))
	for length > 0 {
		n := min(length, int64(len(zeroes)))
		if _, err := f.WriteAt(zeroes[:n], at); err != nil {
			return err
		}
		at, length = at+n, length-n
	}
	return nil
}
