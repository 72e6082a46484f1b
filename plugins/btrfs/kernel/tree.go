package kernel

import "os"

// OpenSubvolume opens the root directory of the subvolume at a path from the top level, which must have that UUID:
// ErrChanged otherwise. The caller closes it. Whoever walks on from it with openat(2) stays below it as long as no link is
// followed.
func (f *Filesystem) OpenSubvolume(path string, uuid UUID) (*os.File, error) {
	return f.openSubvolume("open the subvolume", path, 0, uuid)
}
