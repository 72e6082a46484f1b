package transfer

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// The talk between two machines: requests to one side and replies to the other, each a JSON object on a line of its own. The
// stream of a copy follows its request in frames: the length in four bytes, big-endian, then as many bytes; a length of 0 ends
// it. What is only cut off has no such end. Paths are data in it, so that nothing has to be quoted for any shell.

const wireVersion = 1

// request is one call of a method of place; open comes first.
type request struct {
	Open  *openRequest `json:",omitempty"`
	Query *query       `json:",omitempty"`
	Clean []remnant    `json:",omitempty"`
	Keep  *job         `json:",omitempty"`
	Hold  *heldCopy    `json:",omitempty"`
	Stall time.Duration
}

type openRequest struct {
	Version int
	Path    string
	Source  kernel.UUID // the filesystem that is sent from
}

// reply answers one request.
type reply struct {
	Version int              `json:",omitempty"`
	Content *content         `json:",omitempty"`
	Gone    []int            `json:",omitempty"`
	Kept    *kept            `json:",omitempty"`
	Failed  []sdk.Diagnostic `json:",omitempty"`
	Absent  bool             `json:",omitempty"` // the folder is not there
	Full    bool             `json:",omitempty"` // there is no space left
}

// fail puts an error into a reply.
func (r *reply) fail(err error) {
	r.Failed = sdk.Diagnose(volume.Explain("", err))
	_, r.Absent = errors.AsType[*absentError](err)
	r.Full = errors.Is(err, unix.ENOSPC)
}

// err is the error in a reply.
func (r *reply) err(where string) error {
	var all []error
	for _, d := range r.Failed {
		e := &sdk.Error{Reason: d.Reason, Path: d.Path, Summary: where + ": " + d.Summary, Advice: d.Advice}
		if r.Full {
			all = append(all, fullError{e})
		} else {
			all = append(all, e)
		}
	}
	err := errors.Join(all...)
	if r.Absent && err != nil {
		return &absentError{err}
	}
	return err
}

// fullError is an error of another machine that has no space left.
type fullError struct{ said *sdk.Error }

func (e fullError) Error() string { return e.said.Error() }

func (e fullError) Unwrap() []error { return []error{e.said, unix.ENOSPC} }

// maxLine is the most bytes of a request or a reply: there can be many snapshots.
const maxLine = 64 << 20

// readLine reads one JSON object.
func readLine(r *bufio.Reader, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return errors.New("the other side says too much at once")
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && len(line) > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		return json.Unmarshal(line, v)
	}
}

func writeLine(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// maxFrame is the most bytes of a frame.
const maxFrame = 1 << 20

// writeFrames writes a stream, and its end if it came to one.
func writeFrames(w io.Writer, from io.Reader) error {
	buffer := make([]byte, 4+256<<10)
	for {
		n, err := from.Read(buffer[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buffer, uint32(n))
			if _, err := w.Write(buffer[:4+n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_, err := w.Write(make([]byte, 4))
			return err
		}
		if err != nil {
			return err
		}
	}
}

// copyFrames passes on what writeFrames has written; io.ErrUnexpectedEOF if the end is missing.
func copyFrames(w io.Writer, from io.Reader) error {
	buffer := make([]byte, maxFrame)
	for {
		var length [4]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return unexpected(err)
		}
		n := binary.BigEndian.Uint32(length[:])
		switch {
		case n == 0:
			return nil
		case n > maxFrame:
			return fmt.Errorf("a frame of %d bytes", n)
		}
		if _, err := io.ReadFull(from, buffer[:n]); err != nil {
			return unexpected(err)
		}
		if _, err := w.Write(buffer[:n]); err != nil {
			return err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
