package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// checksum is CRC-32C, which the processor computes.
func checksum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }

// The end of a line: ,"crc":"xxxxxxxx"}
const (
	crcStart = `,"crc":"`
	crcEnd   = `"}`
	crcSize  = len(crcStart) + 8 + len(crcEnd)
)

// head is what each line has.
type head struct {
	Format  string    `json:"format,omitempty"` // in the header only
	Version int       `json:"version,omitempty"`
	Seq     int       `json:"seq"`
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
}

// seal makes a line of a head and a JSON object.
func seal(h head, body []byte) ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if inner := bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("{")), []byte("}")); len(inner) > 0 {
		line = append(append(line, ','), inner...)
	}
	sum := checksum(line)
	return fmt.Appendf(line, "%s%08x%s\n", crcStart, sum, crcEnd), nil
}

// sealed reports whether a line, without its line break, is whole.
func sealed(line []byte) bool {
	at := len(line) - crcSize
	if at <= 0 || line[0] != '{' || !bytes.HasPrefix(line[at:], []byte(crcStart)) || !bytes.HasSuffix(line, []byte(crcEnd)) {
		return false
	}
	var sum [4]byte
	text := line[at+len(crcStart) : len(line)-len(crcEnd)]
	if _, err := hex.Decode(sum[:], text); err != nil || !bytes.Equal(text, bytes.ToLower(text)) {
		return false
	}
	want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	return checksum(line[:at]) == want
}

// scanner reads lines of any origin with bounded memory.
type scanner struct {
	r    io.Reader
	buf  []byte
	from int // buf[from:] is not yet returned
	err  error
}

func newScanner(r io.Reader) *scanner { return &scanner{r: r, buf: make([]byte, 0, 16<<10)} }

// next returns the next line without its line break; whole is false when it has none, or is too long: then line is its
// beginning. io.EOF ends. line is valid until the next call.
func (s *scanner) next() (line []byte, whole bool, err error) {
	searched := s.from
	for {
		if i := bytes.IndexByte(s.buf[searched:], '\n'); i >= 0 {
			line, s.from = s.buf[s.from:searched+i], searched+i+1
			return line, true, nil
		}
		searched = len(s.buf)
		if s.err != nil {
			line, s.from = s.buf[s.from:], len(s.buf)
			if len(line) > 0 {
				return line, false, nil
			}
			return nil, false, s.err
		}
		if len(s.buf)-s.from >= maxLine {
			return s.skip()
		}
		searched -= s.fill()
	}
}

// fill reads on, and returns how far it has moved what is in the buffer.
func (s *scanner) fill() (moved int) {
	if s.from > 0 {
		moved = s.from
		s.buf = s.buf[:copy(s.buf, s.buf[s.from:])]
		s.from = 0
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf, s.err = s.buf[:len(s.buf)+n], err
	return moved
}

// skip leaves out the rest of a line that is too long.
func (s *scanner) skip() ([]byte, bool, error) {
	start := bytes.Clone(s.buf[s.from : s.from+64])
	for {
		s.buf, s.from = s.buf[:0], 0
		if s.err != nil {
			return start, false, nil
		}
		n, err := s.r.Read(s.buf[:cap(s.buf)])
		s.buf, s.err = s.buf[:n], err
		if i := bytes.IndexByte(s.buf, '\n'); i >= 0 {
			s.from = i + 1
			return start, false, nil
		}
	}
}

// failed is the error of reading, if it was not the end.
func (s *scanner) failed() error {
	if s.err == nil || errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}
