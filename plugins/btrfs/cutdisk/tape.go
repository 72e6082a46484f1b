package cutdisk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// kind is what a record is of.
type kind uint8

const (
	kindWrite kind = iota + 1
	kindClear
	kindFlush
	kindMark
)

// A record on the tape is a head and, of a write or a mark, its data. The numbers are little-endian.
//
//	0  kind     u8
//	1  disk     u8
//	2  -        6 bytes
//	8  offset   u64  on the disk
//	16 length   u64  on the disk; of a mark, of its text
const headSize = 24

// maxRecord bounds the data of a record: more than any request of the kernel.
const maxRecord = 16 << 20

// record is the head of a record, and where its data is on the tape.
type record struct {
	at, length int64 // on the disk
	data       int64 // on the tape
	kind       kind
	disk       uint8
}

func (r record) head() []byte {
	head := make([]byte, headSize)
	head[0], head[1] = byte(r.kind), r.disk
	binary.LittleEndian.PutUint64(head[8:], uint64(r.at))
	binary.LittleEndian.PutUint64(head[16:], uint64(r.length))
	return head
}

// stored is how many bytes of data follow the head.
func (r record) stored() int64 {
	if r.kind == kindWrite || r.kind == kindMark {
		return r.length
	}
	return 0
}

// Tape reads what a Recorder has written. It holds a few words for each record in memory, and the data on disk.
type Tape struct {
	file    *os.File
	records []record
	disks   int
}

// ReadTape reads the tape in a file, which stays the caller's and open. What a recorder that was killed had begun to write
// at its end is left out.
func ReadTape(f *os.File) (*Tape, error) {
	t := &Tape{file: f}
	if err := t.index(); err != nil {
		return nil, fmt.Errorf("cannot read the tape %s: %w", f.Name(), err)
	}
	return t, nil
}

func (t *Tape) index() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(t.file, 0, info.Size()), 1<<20)
	head := make([]byte, headSize)
	for at := int64(0); ; {
		if _, err := io.ReadFull(in, head); err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		} else if err != nil {
			return err
		}
		r := record{kind: kind(head[0]), disk: head[1], at: int64(binary.LittleEndian.Uint64(head[8:])),
			length: int64(binary.LittleEndian.Uint64(head[16:])), data: at + headSize}
		if err := r.check(); err != nil {
			return fmt.Errorf("record %d, at byte %d: %w", len(t.records), at, err)
		}
		if r.data+r.stored() > info.Size() {
			return nil
		}
		if _, err := in.Discard(int(r.stored())); err != nil {
			return err
		}
		at = r.data + r.stored()
		t.records = append(t.records, r)
		t.disks = max(t.disks, int(r.disk)+1)
	}
}

func (r record) check() error {
	switch {
	case r.kind < kindWrite || r.kind > kindMark:
		return fmt.Errorf("unknown kind %d", r.kind)
	case r.at < 0 || r.length < 0 || r.at+r.length < 0:
		return errors.New("it is out of range")
	case r.stored() > maxRecord:
		return fmt.Errorf("its data has %d bytes, more than %d", r.length, maxRecord)
	}
	return nil
}

// Len is how many records there are: the last boundary.
func (t *Tape) Len() int { return len(t.records) }

// Size is how many bytes of the tape the records before a boundary take: a limit by which another Recorder ends there, if all goes
// the same way.
func (t *Tape) Size(boundary int) int64 {
	if boundary == 0 {
		return 0
	}
	r := t.records[boundary-1]
	return r.data + r.stored()
}

// payload reads the data of a write or the text of a mark.
func (t *Tape) payload(r record) ([]byte, error) {
	data := make([]byte, r.stored())
	_, err := t.file.ReadAt(data, r.data)
	return data, err
}

// Count is how many records of each kind there are.
type Count struct {
	Writes, Clears, Flushes, Marks int
	Bytes                          int64 // of all writes
}

// Count counts.
func (t *Tape) Count() (c Count) {
	for _, r := range t.records {
		switch r.kind {
		case kindWrite:
			c.Writes++
			c.Bytes += r.length
		case kindClear:
			c.Clears++
		case kindFlush:
			c.Flushes++
		case kindMark:
			c.Marks++
		}
	}
	return c
}

// Marks are the texts of the marks before a boundary, in order.
func (t *Tape) Marks(boundary int) ([]string, error) {
	var all []string
	for _, r := range t.records[:boundary] {
		if r.kind != kindMark {
			continue
		}
		text, err := t.payload(r)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, nil
}
