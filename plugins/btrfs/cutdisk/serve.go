package cutdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// What the server's process finds open: one end of a socket, then /dev/fuse once for each disk.
const (
	controlFd = 3
	firstFd   = 4
)

// job is the first message to the server: what it serves.
type job struct {
	Images []string // of a recording the disks; of a replay what they were at its start
	Tape   string
	Limit  int64  // of the tape; 0: it is there, and replayed
	Dir    string // of a replay, for its files
}

// request is a later one. One field is set.
type request struct {
	Mark *string `json:",omitempty"`
	Cut  *Cut    `json:",omitempty"`
	Save *save   `json:",omitempty"`
	End  bool    `json:",omitempty"`
}

type save struct {
	Disk int
	Path string
}

type reply struct{ Error string }

// disks are what the server serves: a Recorder or a Platter.
type disks interface {
	Disk(index int) Device
	Close() error
}

// Serve is the main of a serving process: Record and Replay start one. It returns when whoever started it is gone, and
// its process must end at once then: that alone makes the kernel give up what still waits for its disks.
func Serve() error {
	debug.SetGCPercent(100)
	control := os.NewFile(controlFd, "control")
	in, out := json.NewDecoder(control), json.NewEncoder(control)
	var j job
	if err := in.Decode(&j); err != nil {
		return fmt.Errorf("cannot serve disks: %w", err)
	}
	d, closing, err := j.open()
	if err != nil {
		return errors.Join(err, out.Encode(reply{err.Error()}))
	}
	var gate gate
	failed := make(chan error, len(j.Images))
	for i := range j.Images {
		s := newFileSystem(os.NewFile(uintptr(firstFd+i), "/dev/fuse"), &gated{d.Disk(i), &gate})
		go func() { failed <- s.serve() }()
	}
	if err := out.Encode(reply{}); err != nil {
		return err
	}
	go func() { // a disk that can't be served is one that has died
		if err := <-failed; err != nil {
			fmt.Fprintln(os.Stderr, "cutdisk:", err)
			os.Exit(1)
		}
	}()
	for {
		var q request
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		gate.Lock()
		err := q.do(d, closing)
		gate.Unlock()
		if err := out.Encode(reply{text(err)}); err != nil {
			return err
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (j job) open() (disks, func() error, error) {
	if j.Limit > 0 {
		r, err := NewRecorder(j.Tape, j.Limit, j.Images...)
		if err != nil {
			return nil, nil, err
		}
		return r, r.Err, nil
	}
	t, err := OpenTape(j.Tape)
	if err != nil {
		return nil, nil, err
	}
	p, err := NewPlatter(t, j.Dir, j.Images...)
	if err != nil {
		return nil, nil, err
	}
	return p, func() error { return nil }, nil
}

func (q request) do(d disks, end func() error) error {
	recorder, recording := d.(*Recorder)
	platter, replaying := d.(*Platter)
	switch {
	case q.Mark != nil && recording:
		return recorder.Mark(*q.Mark)
	case q.Cut != nil && replaying:
		return platter.Cut(*q.Cut)
	case q.Save != nil && replaying:
		return platter.Save(q.Save.Disk, q.Save.Path)
	case q.End:
		return end()
	}
	return errors.New("not a request that is served")
}
