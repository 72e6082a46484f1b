package cutdisk

import (
	"fmt"
	"os"
	"sync"
)

// Recorder writes what happens to one or more disks to one tape, in the order in which it is acknowledged. It may be
// used concurrently.
type Recorder struct {
	mu    sync.Mutex
	tape  *os.File
	size  int64
	limit int64
	err   error // the first failure: nothing is recorded, or written, after it
	disks []*recorded
}

// NewRecorder begins a tape in an empty file, for disks whose content are the images. They are written to as the disks
// are. A tape is at most limit bytes long: a write beyond that fails. The files stay the caller's.
func NewRecorder(tape *os.File, limit int64, images ...*os.File) (*Recorder, error) {
	if len(images) == 0 || len(images) > 255 {
		return nil, fmt.Errorf("cannot record %d disks", len(images))
	}
	r := &Recorder{tape: tape, limit: limit}
	for i, image := range images {
		size, err := sizeOf(image)
		if err != nil {
			return nil, err
		}
		r.disks = append(r.disks, &recorded{r, image, size, uint8(i)})
	}
	return r, nil
}

// sizeOf is the size of a file that can be a disk.
func sizeOf(image *os.File) (int64, error) {
	info, err := image.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size()%Block != 0) {
		err = fmt.Errorf("cannot use %s as a disk: it must be a file of whole blocks of %d bytes", image.Name(), Block)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Disk is the disk with that index.
func (r *Recorder) Disk(index int) Device { return r.disks[index] }

// Mark puts a text on the tape: what happens from there on.
func (r *Recorder) Mark(text string) error {
	return r.put(record{kind: kindMark, length: int64(len(text))}, []byte(text), nil)
}

// Err is why nothing is recorded any more; nil if all is well.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// put writes a record, and then does what it is of.
func (r *Recorder) put(head record, data []byte, do func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if r.size+headSize+int64(len(data)) > r.limit {
		r.err = fmt.Errorf("more was written than the %d bytes that are recorded", r.limit)
		return r.err
	}
	line := append(head.head(), data...)
	if _, err := r.tape.WriteAt(line, r.size); err != nil {
		r.err = fmt.Errorf("cannot write the tape: %w", err)
		return r.err
	}
	r.size += int64(len(line))
	if do != nil {
		r.err = do()
	}
	return r.err
}

// recorded is a disk of a Recorder.
type recorded struct {
	r     *Recorder
	image *os.File
	size  int64
	index uint8
}

func (d *recorded) Size() int64 { return d.size }

func (d *recorded) ReadAt(p []byte, at int64) error {
	_, err := d.image.ReadAt(p, at)
	return err
}

func (d *recorded) WriteAt(p []byte, at int64) error {
	return d.r.put(record{kind: kindWrite, disk: d.index, at: at, length: int64(len(p))}, p, func() error {
		_, err := d.image.WriteAt(p, at)
		return err
	})
}

func (d *recorded) Clear(at, length int64) error {
	return d.r.put(record{kind: kindClear, disk: d.index, at: at, length: length}, nil, func() error {
		return punch(d.image, at, length)
	})
}

func (d *recorded) Flush() error {
	return d.r.put(record{kind: kindFlush, disk: d.index}, nil, nil)
}
