package cutdisk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
)

// Cut is a moment at which the power goes, and what the disks made of their caches then.
type Cut struct {
	Boundary int    // how many records were before it
	Seed     uint64 // 0: everything had reached the platters; else some, by this seed
}

func (c Cut) String() string {
	if c.Seed == 0 {
		return fmt.Sprint(c.Boundary)
	}
	return fmt.Sprintf("%d:%d", c.Boundary, c.Seed)
}

// Platter makes the states that a tape's cuts leave behind. Making them in ascending order is quick; going back starts
// from the beginning. What is written to a state stays in it until the next is made.
type Platter struct {
	tape    *Tape
	base    []*os.File
	dir     string // holds what it writes
	flushed []*os.File
	next    []int // of each disk: the first record that is not in flushed
	states  []*layer
	scratch []*os.File
}

// NewPlatter makes the disks of a tape, from the images as they were when it began. They are not written to. The folder,
// which must exist, takes its files, which have no names: as much as the base images, and what is written. The caller calls
// Close; tape and images stay the caller's.
func NewPlatter(t *Tape, dir string, base ...*os.File) (_ *Platter, err error) {
	if len(base) < t.disks {
		return nil, fmt.Errorf("the tape has %d disks, and there are images of %d", t.disks, len(base))
	}
	p := &Platter{tape: t, base: base, dir: dir, next: make([]int, len(base)), flushed: make([]*os.File, len(base))}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	for i := range base {
		if err := p.rewind(i); err != nil {
			return nil, err
		}
		scratch, err := TempFile(dir)
		if err != nil {
			return nil, err
		}
		p.scratch = append(p.scratch, scratch)
		size, err := sizeOf(base[i])
		if err != nil {
			return nil, err
		}
		state, err := newLayer(p.flushed[i], size, scratch)
		if err != nil {
			return nil, err
		}
		p.states = append(p.states, state)
	}
	return p, nil
}

// Close lets go of everything.
func (p *Platter) Close() error {
	var errs []error
	for _, f := range slices.Concat(p.flushed, p.scratch) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	p.flushed, p.scratch = nil, nil
	return errors.Join(errs...)
}

// Disk is the disk with that index: in the state of the last Cut, and of what was written to it since. Before the first
// Cut it is as it was when the tape began.
func (p *Platter) Disk(index int) Device { return p.states[index] }

// rewind starts a disk from its base image.
func (p *Platter) rewind(disk int) error {
	f, err := TempFile(p.dir)
	if err != nil {
		return err
	}
	if err := Copy(f, p.base[disk]); err != nil {
		return errors.Join(err, f.Close())
	}
	if old := p.flushed[disk]; old != nil {
		err = old.Close()
	}
	p.flushed[disk], p.next[disk] = f, 0
	if disk < len(p.states) {
		p.states[disk].under = f
	}
	return err
}

// Cut makes the state after a cut. An error leaves the disks in no state.
func (p *Platter) Cut(c Cut) error {
	if c.Boundary < 0 || c.Boundary > p.tape.Len() {
		return fmt.Errorf("the tape has no boundary %d: they go from 0 to %d", c.Boundary, p.tape.Len())
	}
	fate := newFate(c)
	for disk := range p.states {
		flush := p.tape.FlushBefore(c.Boundary, disk)
		if p.next[disk] > flush {
			if err := p.rewind(disk); err != nil {
				return err
			}
		}
		if err := p.tape.play(p.next[disk], flush, disk, fileDevice{p.flushed[disk]}, nil); err != nil {
			return err
		}
		p.next[disk] = flush
		if err := p.states[disk].reset(); err != nil {
			return err
		}
		if err := p.tape.play(flush, c.Boundary, disk, p.states[disk], fate); err != nil {
			return err
		}
	}
	return nil
}

// FlushBefore is the boundary behind the last flush of a disk that is before another boundary; 0 if there is none.
func (t *Tape) FlushBefore(boundary, disk int) int {
	for i := boundary; i > 0; i-- {
		if r := t.records[i-1]; r.kind == kindFlush && int(r.disk) == disk {
			return i
		}
	}
	return 0
}

// writer is the part of a Device that records are played to.
type writer interface {
	WriteAt(p []byte, at int64) error
	Clear(at, length int64) error
}

// play does again what the records between two boundaries did to a disk, as far as fate lets it; nil lets everything.
func (t *Tape) play(from, to, disk int, d writer, f *fate) error {
	for i := from; i < to; i++ {
		r := t.records[i]
		if int(r.disk) != disk || r.kind == kindMark || r.kind == kindFlush {
			continue
		}
		whole, torn := f.of(r)
		var err error
		switch {
		case !whole && torn == nil:
		case r.kind == kindClear:
			err = d.Clear(r.at, r.length)
		default:
			err = t.playWrite(r, d, torn)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

// playWrite writes all of a write, or the blocks of it that torn says.
func (t *Tape) playWrite(r record, d writer, torn []bool) error {
	data, err := t.payload(r)
	if err != nil {
		return err
	}
	if torn == nil {
		return d.WriteAt(data, r.at)
	}
	for i, written := range torn {
		if !written {
			continue
		}
		from, to := r.part(i)
		if err := d.WriteAt(data[from-r.at:to-r.at], from); err != nil {
			return err
		}
	}
	return nil
}

// parts is how many blocks a record touches.
func (r record) parts() int {
	if r.length == 0 {
		return 0
	}
	return int((r.at+r.length-1)/Block - r.at/Block + 1)
}

// part is where on the disk the part of a record in its nth block is.
func (r record) part(n int) (from, to int64) {
	block := (r.at/Block + int64(n)) * Block
	return max(r.at, block), min(r.at+r.length, block+Block)
}

// fate decides what becomes of a write that was not flushed.
type fate struct {
	random *rand.Rand
	kept   float64 // how likely it reaches the platter
}

func newFate(c Cut) *fate {
	if c.Seed == 0 {
		return nil
	}
	r := rand.New(rand.NewPCG(c.Seed, uint64(c.Boundary)))
	// Most is lost, half of it, or hardly anything: faults hide in each of the three.
	return &fate{r, []float64{0.15, 0.5, 0.85}[r.IntN(3)]}
}

// of is whether a write reaches the platter whole, and if not, which of its blocks do; nil: none.
func (f *fate) of(r record) (whole bool, torn []bool) {
	if f == nil {
		return true, nil
	}
	if f.random.Float64() >= f.kept {
		return false, nil
	}
	if n := r.parts(); r.kind == kindWrite && n > 1 && f.random.IntN(4) == 0 {
		torn = make([]bool, n)
		for i := range torn {
			torn[i] = f.random.IntN(2) == 0
		}
		return false, torn
	}
	return true, nil
}

// fileDevice writes to a file.
type fileDevice struct{ *os.File }

func (f fileDevice) WriteAt(p []byte, at int64) error {
	_, err := f.File.WriteAt(p, at)
	return err
}

func (f fileDevice) Clear(at, length int64) error { return punch(f.File, at, length) }

// Save writes the state of a disk to a new image file, which is sparse as the disk is.
func (p *Platter) Save(disk int, path string) (err error) {
	s := p.states[disk]
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(s.size); err != nil {
		return err
	}
	if err := eachExtent(s.under, func(at, length int64) error {
		_, err := io.Copy(io.NewOffsetWriter(out, at), io.NewSectionReader(s.under, at, length))
		return err
	}); err != nil {
		return err
	}
	n := s.size / Block
	for from := s.present.next(0, n, true); from < n; {
		to := s.present.next(from, n, false)
		if err := punch(out, from*Block, (to-from)*Block); err != nil {
			return err
		}
		from = s.present.next(to, n, true)
	}
	return eachExtent(s.scratch, func(at, length int64) error {
		// Not all that is no hole is the layer's: file systems round.
		for from := s.present.next(at/Block, n, true); from*Block < at+length; {
			to := s.present.next(from, n, false)
			start, end := max(at, from*Block), min(at+length, to*Block)
			if _, err := io.Copy(io.NewOffsetWriter(out, start), io.NewSectionReader(s.scratch, start, end-start)); err != nil {
				return err
			}
			from = s.present.next(to, n, true)
		}
		return nil
	})
}
