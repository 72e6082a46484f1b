package kernel

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// sysfs is the path of a file in which the kernel tells about this filesystem. There is none where /sys is not mounted.
func (f *Filesystem) sysfs(name string) string {
	return "/sys/fs/btrfs/" + f.uuid.String() + "/" + name
}

func (f *Filesystem) sysfsNumber(name string) (uint64, error) {
	text, err := os.ReadFile(f.sysfs(name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// ExclusiveOperation is what is under way of those operations of which the kernel allows one at a time, in its own words
// ("balance", "balance paused", "device remove", "resize" …), whoever started it; "" if none is. A scrub is none of them.
// Where /sys can't tell (not mounted, or a kernel before 5.10), only a balance is seen.
func (f *Filesystem) ExclusiveOperation() (string, error) {
	text, err := os.ReadFile(f.sysfs("exclusive_operation"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		status, found, err := f.BalanceStatus()
		switch {
		case err != nil || !found:
			return "", err
		case status.Running:
			return "balance", nil
		}
		return "balance paused", nil
	case err != nil:
		return "", fail("read the exclusive operation of filesystem", f.uuid.String(), err)
	}
	if now := strings.TrimSpace(string(text)); now != "none" {
		return now, nil
	}
	return "", nil
}
