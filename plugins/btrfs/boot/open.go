package boot

import (
	"context"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// open opens the filesystem, which need not be mounted. One that is not is mounted by this (ours), privately, and writable
// unless readOnly. The caller closes it.
func (m machine) open(ctx context.Context, c circumstances, given sdk.Filesystem, readOnly bool) (f *kernel.Filesystem, ours bool, err error) {
	ref := string(given)
	if ref == "/" && c.Initrd {
		if !c.HasRoot {
			return nil, false, volume.Invalid("/filesystem", "name the filesystem: UUID=…",
				"neither the kernel's command line nor the initrd's fstab says what is mounted as the root")
		}
		ref = c.Root.Device
	}
	f, err = kernel.Open(ctx, ref)
	named := strings.HasPrefix(ref, "UUID=") || strings.HasPrefix(ref, "LABEL=") || strings.HasPrefix(ref, "PART")
	if err != nil && (named && errors.Is(err, kernel.ErrNotFound) || errors.Is(err, kernel.ErrNotMounted)) {
		device := m.device(ref)
		if _, missing := os.Stat(device); missing != nil {
			return nil, false, volume.Refuse("when the initrd has found all devices it is there; is it encrypted, or is a driver missing?",
				"there is no filesystem %s: nothing mounted has that name, and there is no device %s", ref, device)
		}
		f, err = kernel.OpenDevice(ctx, device, readOnly)
		ours = true
	}
	if err != nil {
		return nil, false, volume.ExplainOpen(err)
	}
	if id, is := strings.CutPrefix(ref, "UUID="); is && !strings.EqualFold(id, f.UUID().String()) {
		f.Close()
		return nil, false, volume.Refuse("", "the device of %s has btrfs %v on it", ref, f.UUID())
	}
	return f, ours, nil
}

// roots reports whether what the machine mounts as its root is on f.
func (m machine) roots(c circumstances, f *kernel.Filesystem) bool {
	if !c.HasRoot {
		return false
	}
	name := c.Root.Device
	if id, is := strings.CutPrefix(name, "UUID="); is {
		return strings.EqualFold(strings.Trim(id, `"`), f.UUID().String())
	}
	if want, is := strings.CutPrefix(name, "LABEL="); is {
		label, err := f.Label()
		return err == nil && label == strings.Trim(want, `"`)
	}
	number, ok := blockNumber(m.device(name))
	if !ok {
		return false
	}
	devices, err := f.Devices()
	if err != nil {
		return false
	}
	for _, d := range devices {
		if n, ok := blockNumber(d.Path); ok && n == number {
			return true
		}
	}
	return false
}

func blockNumber(path string) (uint64, bool) {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, false
	}
	return uint64(st.Rdev), true
}
