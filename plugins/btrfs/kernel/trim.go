package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Trim tells the devices which of their blocks are not in use, and returns how many bytes that were. It can't be stopped.
// ErrUnsupported if no device of the filesystem knows how. It works through a read-only mount too.
func (f *Filesystem) Trim() (uint64, error) {
	args := &trimRange{length: ^uint64(0)}
	switch err := ioctl(f.top, iocTrim, unsafe.Pointer(args)); err {
	case nil:
		return args.length, nil
	case unix.EOPNOTSUPP, unix.ENOTTY:
		return 0, &Error{Op: "trim filesystem", Subject: f.uuid.String(), Kind: ErrUnsupported, Fact: "none of its devices can discard blocks", Err: err}
	default:
		return 0, fail("trim filesystem", f.uuid.String(), err)
	}
}

// CanDiscard reports whether a block device can discard blocks; known is false if the kernel does not say.
func CanDiscard(device string) (can, known bool) {
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return false, false
	}
	dir := fmt.Sprintf("/sys/dev/block/%d:%d/", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
	text, err := os.ReadFile(dir + "queue/discard_max_bytes")
	if errors.Is(err, os.ErrNotExist) { // a partition: the queue is the disk's
		text, err = os.ReadFile(dir + "../queue/discard_max_bytes")
	}
	if err != nil {
		return false, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n > 0, err == nil
}
