package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// SwapFile is a file that the kernel swaps to.
type SwapFile struct {
	Path string // in the running system
	// Subvolume is the ID of the one that it lies in.
	Subvolume uint64
	// Certain is false if the file could not be looked at: it may be in any subvolume, and Subvolume is 0.
	Certain bool
}

// SwapFiles returns the active swap files on this filesystem, and those of which it can't be said where they are.
func (f *Filesystem) SwapFiles() ([]SwapFile, error) {
	data, err := os.ReadFile("/proc/swaps")
	if errors.Is(err, os.ErrNotExist) { // a kernel without swap
		return nil, nil
	}
	if err != nil {
		return nil, fail("read the list of", "swap files", err)
	}
	var all []SwapFile
	for _, path := range swapPaths(string(data)) {
		s, _, err := f.SubvolumeAt(path)
		switch {
		case err == nil:
			all = append(all, SwapFile{Path: path, Subvolume: s.ID, Certain: true})
		case errors.Is(err, ErrOtherFilesystem), errors.Is(err, ErrNotBtrfs):
		default:
			all = append(all, SwapFile{Path: path})
		}
	}
	return all, nil
}

// swapPaths are the paths of the lines of /proc/swaps that are about files: path, kind, size, used, priority, where the path has
// its blanks escaped (mm/swapfile.c, swap_show).
func swapPaths(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) >= 5 && fields[1] == "file" {
			all = append(all, mountinfo.Unescape(fields[0]))
		}
	}
	return all
}

func (s SwapFile) String() string {
	if !s.Certain {
		return fmt.Sprintf("the active swap file %q, which can't be looked at and may be anywhere", s.Path)
	}
	return fmt.Sprintf("the active swap file %q", s.Path)
}
