package loopfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// Damage flips bits of the image with that index wherever the marker stands, as a bad disk does, and returns how many
// places that are. Of those that come first so many are spared. The filesystem must be unmounted (Unmount), and what is to
// be damaged on disk by then.
func (f *Filesystem) Damage(image int, marker []byte, spare int) (places int, err error) {
	if len(f.loops) > 0 {
		return 0, errors.New("cannot damage an image that is attached")
	}
	file, err := os.OpenFile(f.Image[image], os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	offsets, err := find(file, marker)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", f.Image[image], err)
	}
	flipped := make([]byte, len(marker))
	for i, b := range marker {
		flipped[i] = ^b
	}
	for _, at := range offsets[min(spare, len(offsets)):] {
		if _, err := file.WriteAt(flipped, at); err != nil {
			return places, err
		}
		places++
	}
	return places, file.Sync()
}

// find returns the offsets of a marker, ascending. Holes of the sparse file are passed over.
func find(file *os.File, marker []byte) ([]int64, error) {
	const seekData, seekHole = 3, 4 // SEEK_DATA and SEEK_HOLE, man lseek
	var offsets []int64
	for at := int64(0); ; {
		start, err := file.Seek(at, seekData)
		if err != nil { // ENXIO: no more data
			return offsets, nil
		}
		end, err := file.Seek(start, seekHole)
		if err != nil {
			return nil, err
		}
		data := make([]byte, end-start)
		if _, err := file.ReadAt(data, start); err != nil {
			return nil, err
		}
		for i := 0; ; i += len(marker) {
			next := bytes.Index(data[i:], marker)
			if next < 0 {
				break
			}
			i += next
			offsets = append(offsets, start+int64(i))
		}
		at = end
	}
}
