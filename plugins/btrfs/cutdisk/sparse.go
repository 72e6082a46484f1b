package cutdisk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Copy copies an image to a new file, and leaves its holes what they are. Where the file system can share data between
// files, that is what happens.
func Copy(to, from string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot copy %s to %s: %w", from, to, err)
		}
	}()
	in, size, err := openImage(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
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
