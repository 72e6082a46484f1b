package cutdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// What the server's process finds open: one end of a socket, the tape, /dev/fuse once for each disk, and the images.
const (
	controlFd = 3
	tapeFd    = 4
	firstFd   = 5
)

// job is the first message to the server: what it serves.
type job struct {
	Disks int
	Limit int64  // of the tape; 0: it is there, and replayed
	Dir   string // of a replay, for its files
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
type disks interface{ Disk(index int) Device }

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
	d, err := j.open()
	if err != nil {
		return errors.Join(err, out.Encode(reply{err.Error()}))
	}
	var gate gate
	failed := make(chan error, j.Disks)
	for i := range j.Disks {
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
		err := q.do(d)
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

func (j job) open() (disks, error) {
	tape := os.NewFile(tapeFd, "tape")
	var images []*os.File
	for i := range j.Disks {
		images = append(images, os.NewFile(uintptr(firstFd+j.Disks+i), fmt.Sprintf("disk %d", i)))
	}
	if j.Limit > 0 {
		return NewRecorder(tape, j.Limit, images...)
	}
	t, err := ReadTape(tape)
	if err != nil {
		return nil, err
	}
	return NewPlatter(t, j.Dir, images...)
}

func (q request) do(d disks) error {
	recorder, recording := d.(*Recorder)
	platter, replaying := d.(*Platter)
	switch {
	case q.Mark != nil && recording:
		return recorder.Mark(*q.Mark)
	case q.Cut != nil && replaying:
		return platter.Cut(*q.Cut)
	case q.Save != nil && replaying:
		return platter.Save(q.Save.Disk, q.Save.Path)
	case q.End && recording:
		return recorder.Err()
	}
	return errors.New("not a request that is served")
}
