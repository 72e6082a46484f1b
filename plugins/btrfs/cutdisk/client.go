package cutdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Server is a process that serves disks. Its methods may be called concurrently.
type Server struct {
	mu      sync.Mutex
	command *exec.Cmd
	control *os.File
	in      *json.Decoder
	out     *json.Encoder
	mounts  []*mounted
	files   []*os.File
	closed  bool
}

// Recording is a Server whose disks are recorded.
type Recording struct{ *Server }

// Replaying is a Server whose disks are those of a Platter.
type Replaying struct{ *Server }

// Record starts a process that serves a Recorder of these images, with its tape in an empty file. The files stay the
// caller's. The command, not yet started, is one that calls Serve
// and ends; its ExtraFiles are set here. It gets mounts of its own, which are those of now: what is mounted now can't be
// unmounted for good while it lives. The caller calls Close.
func Record(command *exec.Cmd, tape *os.File, limit int64, images ...*os.File) (*Recording, error) {
	s, err := start(command, job{Disks: len(images), Limit: limit}, tape, images)
	if err != nil {
		return nil, err
	}
	return &Recording{s}, nil
}

// Replay starts a process that serves a Platter of the tape, from the images as they were at its start. The folder takes
// its files. The command is as for Record. The caller calls Close.
func Replay(command *exec.Cmd, tape *os.File, dir string, base ...*os.File) (*Replaying, error) {
	s, err := start(command, job{Disks: len(base), Dir: dir}, tape, base)
	if err != nil {
		return nil, err
	}
	return &Replaying{s}, nil
}

// Mark puts a text on the tape, behind everything that has been acknowledged.
func (r *Recording) Mark(text string) error { return r.ask(request{Mark: &text}) }

// End is the error for which the tape is not whole; nil if it is.
func (r *Recording) End() error { return r.ask(request{End: true}) }

// Cut puts the disks into the state after a cut. Nobody may have them in use; a loop device on one must be made anew, or it
// shows what it has in its cache.
func (r *Replaying) Cut(c Cut) error { return r.ask(request{Cut: &c}) }

// Save writes the present state of a disk to a new image file.
func (r *Replaying) Save(disk int, path string) error { return r.ask(request{Save: &save{disk, path}}) }

// Disk is the disk with that index, as a file. It belongs to the server.
func (s *Server) Disk(index int) *os.File { return s.files[index] }

// PID is the server's process.
func (s *Server) PID() int { return s.command.Process.Pid }

func start(command *exec.Cmd, j job, tape *os.File, images []*os.File) (_ *Server, err error) {
	s := &Server{command: command}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s.control = os.NewFile(uintptr(pair[0]), "control")
	socket := os.NewFile(uintptr(pair[1]), "control")
	theirs := []*os.File{socket}
	handed := []*os.File{socket, tape}
	// Our ends of theirs have to go whatever happens: an end of /dev/fuse that is open keeps its disk waiting.
	defer func() {
		for _, f := range theirs {
			err = errors.Join(err, f.Close())
		}
	}()
	for range images {
		kernel, err := openKernel()
		if err != nil {
			return nil, err
		}
		theirs, handed = append(theirs, kernel), append(handed, kernel)
		m, err := mountFile(kernel)
		if err != nil {
			return nil, err
		}
		s.mounts = append(s.mounts, m)
	}
	command.ExtraFiles = append(handed, images...)
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true // a Ctrl-C is for us; the server goes when we do
	// Who is the last in a mount namespace unmounts what is mounted there, before its files are closed: a server that is
	// killed together with all others would wait for its own disk.
	command.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNS
	if err := command.Start(); err != nil {
		s.command = nil
		return nil, fmt.Errorf("cannot start the server of disks: %w", err)
	}
	s.in, s.out = json.NewDecoder(s.control), json.NewEncoder(s.control)
	if err := s.send(j); err != nil {
		return nil, err
	}
	for _, m := range s.mounts {
		f, err := m.open()
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	return s, nil
}

func (s *Server) ask(q request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(q)
}

func (s *Server) send(message any) error {
	if err := s.out.Encode(message); err != nil {
		return fmt.Errorf("the server of disks has ended: %w", err)
	}
	var r reply
	if err := s.in.Decode(&r); err != nil {
		return fmt.Errorf("the server of disks has ended: %w", err)
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	return nil
}

// Close ends the server. Whoever still uses its disks gets errors from then on. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	for _, m := range s.mounts {
		errs = append(errs, m.close())
	}
	if s.control != nil {
		errs = append(errs, s.control.Close()) // the server sees that, and ends
	}
	if s.command != nil && s.command.Process != nil {
		errs = append(errs, s.command.Wait())
	}
	return errors.Join(errs...)
}
