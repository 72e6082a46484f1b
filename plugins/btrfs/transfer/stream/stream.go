// Package stream reads the streams that btrfs sends: it passes their bytes on and makes sure meanwhile that they are whole. It
// applies nothing of them.
//
// Words:
//
//   - Command: a part of a stream, with a checksum of its own (linux/btrfs send.h, btrfs_cmd_header).
//   - Begin: the first command, which says which snapshot follows, and changes to which other one it is sent as.
//   - End: the last command. A stream without it was cut off.
package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// What linux/btrfs send.h says of a stream. All numbers in it are little-endian.
const (
	magic      = "btrfs-stream\x00"
	headerSize = len(magic) + 4 // the version follows the magic
	cmdHeader  = 10             // length 4, command 2, checksum 4
	maxVersion = 2
	maxCommand = 16 << 20 // more than any kernel writes: 64 KiB of data in version 1, some hundred KiB in version 2

	cmdSubvol       = 1
	cmdSnapshot     = 2
	cmdEnd          = 21
	cmdUpdateExtent = 22

	attrUUID         = 1
	attrSize         = 4
	attrPath         = 15
	attrCloneUUID    = 20
	attrCloneTransID = 21
)

// ErrCut is the error of a stream that ends before its end.
var ErrCut = errors.New("the stream is cut off")

// Begin is what the first command says.
type Begin struct {
	Name   string      // of the snapshot where it was sent from
	UUID   kernel.UUID // that its copies have as received UUID
	Parent kernel.UUID // zero: the stream is a full one
}

// Reader passes on a stream that it reads. Read returns io.EOF only after the end of a whole stream of which each command had
// the right checksum. What was passed on before an error was right.
type Reader struct {
	from    io.Reader
	rename  string
	want    Begin
	out     []byte // checked, not yet passed on
	buffer  []byte // of one command
	started bool
	ended   bool
	err     error

	// Data is how many bytes of file contents a stream without them (kernel.SendSpec, NoData) stands for, so far.
	Data int64
	// Ended is called once, after the last command has been read; nil: nobody wants to know.
	Ended func()
}

// NewReader makes a Reader of a stream that has to begin with want; the name in it counts for nothing. rename is the name that
// the snapshot gets instead of its own, "" to leave the stream as it is.
func NewReader(from io.Reader, want Begin, rename string) *Reader {
	return &Reader{from: from, want: want, rename: rename}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil && len(r.out) == 0 {
			return 0, r.err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// next reads one command into out.
func (r *Reader) next() error {
	switch {
	case r.ended:
		// Nothing may follow, and whoever sends learns that all was read.
		var more [1]byte
		switch n, err := io.ReadFull(r.from, more[:]); {
		case n > 0:
			return errors.New("there is more after the end of the stream")
		default:
			return err
		}
	case !r.started:
		header := make([]byte, headerSize)
		if err := r.full(header); err != nil {
			return err
		}
		if string(header[:len(magic)]) != magic {
			return errors.New("it is not a btrfs stream")
		}
		if v := binary.LittleEndian.Uint32(header[len(magic):]); v < 1 || v > maxVersion {
			return fmt.Errorf("it is a btrfs stream of version %d; known are 1 to %d", v, maxVersion)
		}
		first, err := r.command()
		if err != nil {
			return err
		}
		if first, err = r.begin(first); err != nil {
			return err
		}
		r.started = true
		r.out = append(header, first...)
		return nil
	}
	c, err := r.command()
	if err != nil {
		return err
	}
	switch binary.LittleEndian.Uint16(c[4:]) {
	case cmdEnd:
		r.ended = true
		if r.Ended != nil {
			r.Ended()
		}
	case cmdSubvol, cmdSnapshot:
		return errors.New("the stream has a second snapshot in it")
	case cmdUpdateExtent:
		if all, err := attributes(c); err == nil && len(all[attrSize]) == 8 {
			r.Data += int64(binary.LittleEndian.Uint64(all[attrSize]))
		}
	}
	r.out = c
	return nil
}

// full fills p; the end before that is ErrCut.
func (r *Reader) full(p []byte) error {
	_, err := io.ReadFull(r.from, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrCut
	}
	return err
}

// command reads a whole command and checks it.
func (r *Reader) command() ([]byte, error) {
	var header [cmdHeader]byte
	if err := r.full(header[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header[:])
	if size > maxCommand {
		return nil, fmt.Errorf("the stream is damaged: a command of %d bytes", size)
	}
	if n := cmdHeader + int(size); cap(r.buffer) < n {
		r.buffer = make([]byte, n)
	}
	c := r.buffer[:cmdHeader+int(size)]
	copy(c, header[:])
	if err := r.full(c[cmdHeader:]); err != nil {
		return nil, err
	}
	if got, want := checksum(c), binary.LittleEndian.Uint32(c[6:]); got != want {
		return nil, fmt.Errorf("the stream is damaged: a command has the checksum %08x, not %08x", got, want)
	}
	return c, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum of a command, with zero in the place of its checksum. The kernel's crc32c begins with 0 and does not invert at the
// end; crc32.Update does both, so it is undone.
func checksum(c []byte) uint32 {
	crc := ^uint32(0)
	crc = crc32.Update(crc, castagnoli, c[:6])
	crc = crc32.Update(crc, castagnoli, []byte{0, 0, 0, 0})
	return ^crc32.Update(crc, castagnoli, c[cmdHeader:])
}

// begin checks the first command, and gives the snapshot another name.
func (r *Reader) begin(c []byte) ([]byte, error) {
	got, kind, err := decodeBegin(c)
	switch {
	case err != nil:
		return nil, err
	case got.UUID != r.want.UUID:
		return nil, fmt.Errorf("the stream is of the snapshot with UUID %v, not %v", got.UUID, r.want.UUID)
	case got.Parent != r.want.Parent:
		return nil, fmt.Errorf("the stream has the changes to %s, not to %s", parentWord(got.Parent), parentWord(r.want.Parent))
	case r.rename == "":
		return c, nil
	}
	renamed := make([]byte, cmdHeader)
	binary.LittleEndian.PutUint16(renamed[4:], kind)
	for rest := c[cmdHeader:]; len(rest) > 0; {
		attr, value, after, err := attribute(rest)
		if err != nil {
			return nil, err
		}
		if attr == attrPath {
			value = []byte(r.rename)
		}
		renamed = binary.LittleEndian.AppendUint16(renamed, attr)
		renamed = binary.LittleEndian.AppendUint16(renamed, uint16(len(value)))
		renamed = append(renamed, value...)
		rest = after
	}
	binary.LittleEndian.PutUint32(renamed, uint32(len(renamed)-cmdHeader))
	binary.LittleEndian.PutUint32(renamed[6:], checksum(renamed))
	return renamed, nil
}

func parentWord(id kernel.UUID) string {
	if id.IsZero() {
		return "nothing"
	}
	return "the snapshot with UUID " + id.String()
}

func decodeBegin(c []byte) (b Begin, kind uint16, err error) {
	kind = binary.LittleEndian.Uint16(c[4:])
	if kind != cmdSubvol && kind != cmdSnapshot {
		return b, kind, errors.New("the stream does not begin with a snapshot")
	}
	all, err := attributes(c)
	if err != nil {
		return b, kind, err
	}
	b.Name = string(all[attrPath])
	if copy(b.UUID[:], all[attrUUID]) != len(b.UUID) || b.Name == "" {
		return b, kind, errors.New("the stream does not say which snapshot it is of")
	}
	if kind == cmdSnapshot && copy(b.Parent[:], all[attrCloneUUID]) != len(b.Parent) {
		return b, kind, errors.New("the stream does not say what it has the changes to")
	}
	return b, kind, nil
}

// attributes of a command by their number.
func attributes(c []byte) (map[uint16][]byte, error) {
	all := map[uint16][]byte{}
	for rest := c[cmdHeader:]; len(rest) > 0; {
		attr, value, after, err := attribute(rest)
		if err != nil {
			return nil, err
		}
		all[attr], rest = value, after
	}
	return all, nil
}

// attribute reads the first one. In version 2 the last one, data, has no length: nobody here reads it.
func attribute(b []byte) (attr uint16, value, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, nil, errors.New("the stream is damaged: half an attribute")
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if len(b) < 4+size {
		return 0, nil, nil, errors.New("the stream is damaged: an attribute is longer than its command")
	}
	return binary.LittleEndian.Uint16(b), b[4 : 4+size], b[4+size:], nil
}
