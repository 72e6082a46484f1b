package cutdisk

import (
	"math/bits"
	"os"
)

// layer is a disk that starts as another file's content and keeps what is written to it apart, in a scratch file, so
// that starting anew costs nothing.
type layer struct {
	under   *os.File // never written to through the layer
	scratch *os.File // sparse, as large as under
	present blocks
	size    int64
}

func newLayer(under *os.File, size int64, scratch *os.File) (*layer, error) {
	if err := scratch.Truncate(size); err != nil {
		return nil, err
	}
	return &layer{under, scratch, newBlocks(size / Block), size}, nil
}

// reset forgets what was written.
func (l *layer) reset() error {
	clear(l.present)
	if err := l.scratch.Truncate(0); err != nil {
		return err
	}
	return l.scratch.Truncate(l.size)
}

func (l *layer) Size() int64 { return l.size }

func (l *layer) Flush() error { return nil }

// ReadAt reads runs of blocks that are in the same file at once.
func (l *layer) ReadAt(p []byte, at int64) error {
	for len(p) > 0 {
		file, n := l.run(at, int64(len(p)))
		if _, err := file.ReadAt(p[:n], at); err != nil {
			return err
		}
		p, at = p[n:], at+n
	}
	return nil
}

// run is the file that has the content at an offset, and for how many of the bytes that is so.
func (l *layer) run(at, length int64) (*os.File, int64) {
	own := l.present.has(at / Block)
	end := l.present.next(at/Block, l.size/Block, !own) * Block
	if own {
		return l.scratch, min(end, at+length) - at
	}
	return l.under, min(end, at+length) - at
}

func (l *layer) WriteAt(p []byte, at int64) error {
	if err := l.fill(at, int64(len(p))); err != nil {
		return err
	}
	_, err := l.scratch.WriteAt(p, at)
	return err
}

func (l *layer) Clear(at, length int64) error {
	if err := l.fill(at, length); err != nil {
		return err
	}
	return punch(l.scratch, at, length)
}

// fill takes the blocks of a range over. Those at its edges that it covers in part are copied.
func (l *layer) fill(at, length int64) error {
	if length == 0 {
		return nil
	}
	first, last := at/Block, (at+length-1)/Block
	edges := []int64{}
	if at%Block != 0 {
		edges = append(edges, first)
	}
	if (at+length)%Block != 0 && (last != first || at%Block == 0) {
		edges = append(edges, last)
	}
	for _, b := range edges {
		if l.present.has(b) {
			continue
		}
		data := make([]byte, Block)
		if _, err := l.under.ReadAt(data, b*Block); err != nil {
			return err
		}
		if _, err := l.scratch.WriteAt(data, b*Block); err != nil {
			return err
		}
	}
	l.present.add(first, last+1)
	return nil
}

// blocks are a set of blocks: a bit for each, since a disk is cleared in large pieces.
type blocks []uint64

func newBlocks(n int64) blocks { return make(blocks, (n+63)/64) }

func (b blocks) has(n int64) bool { return b[n/64]>>(n%64)&1 == 1 }

// add adds those from one up to, but without, another.
func (b blocks) add(from, to int64) {
	for from < to {
		end := min((from/64+1)*64, to)
		b[from/64] |= (^uint64(0) >> (64 - (end - from))) << (from % 64)
		from = end
	}
}

// next is the first block from one on that is in the set, or is not; n where there is none.
func (b blocks) next(from, n int64, in bool) int64 {
	for from < n {
		word := b[from/64] >> (from % 64)
		if !in {
			word = ^word
		}
		if skip := int64(bits.TrailingZeros64(word)); skip < 64-from%64 {
			return min(from+skip, n)
		}
		from = (from/64 + 1) * 64
	}
	return n
}
