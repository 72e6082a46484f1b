package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// Serve is the side that keeps copies for another machine: what "coppice receive" does. It answers requests until there are
// no more, and returns nil then. under is the folder that targets have to be in, or be; "" allows every folder.
//
// Whoever may talk to it can write snapshots into those folders, and can delete nothing but what a transfer into them that
// was cut off has left.
func Serve(ctx context.Context, h volume.Host, under string, in io.Reader, out io.Writer) error {
	s := &server{h: h, under: under, in: bufio.NewReader(in), out: out}
	defer func() {
		if s.place != nil {
			s.place.close()
		}
	}()
	for {
		q, err := s.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read a request: %w", err)
		}
		var r reply
		broken := s.answer(ctx, q, &r)
		if err := writeLine(s.out, r); err != nil {
			return fmt.Errorf("cannot answer: %w", err)
		}
		if broken { // somewhere inside a stream
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// next waits for a request. At the end of ctx it returns although a read may go on: standard input can't be woken up.
func (s *server) next(ctx context.Context) (request, error) {
	type got struct {
		q   request
		err error
	}
	read := make(chan got, 1)
	go func() {
		var g got
		g.err = readLine(s.in, &g.q)
		read <- g
	}()
	select {
	case g := <-read:
		return g.q, g.err
	case <-ctx.Done():
		return request{}, context.Cause(ctx)
	}
}

type server struct {
	h     volume.Host
	under string
	in    *bufio.Reader
	out   io.Writer
	place *volumePlace
}

// answer fills in the reply. broken says that what comes next is no request.
func (s *server) answer(ctx context.Context, q request, r *reply) (broken bool) {
	var err error
	switch {
	case q.Open != nil:
		r.Version = wireVersion
		err = s.open(ctx, *q.Open)
	case s.place == nil:
		err = errors.New("no folder is open")
	case q.Query != nil:
		var c content
		c, err = s.place.observe(ctx, *q.Query)
		r.Content = &c
	case q.Clean != nil:
		r.Gone, err = s.place.clean(ctx, q.Clean)
	case q.Keep != nil:
		var k kept
		k, broken, err = s.keep(ctx, *q.Keep, q.Stall)
		r.Kept = &k
	case q.Hold != nil:
		if err = q.Hold.check(); err == nil {
			err = s.place.hold(ctx, *q.Hold)
		}
	default:
		err = errors.New("an unknown request: is coppice there older than here?")
	}
	r.fail(err)
	return broken
}

func (s *server) open(ctx context.Context, q openRequest) error {
	if q.Version != wireVersion {
		return volume.Refuse("use the same version of coppice on both machines", "the other machine speaks version %d of the transfer, this one %d", q.Version, wireVersion)
	}
	if s.under != "" {
		under, err := filepath.EvalSymlinks(s.under)
		if err != nil {
			return ifAbsent(err)
		}
		path, err := filepath.EvalSymlinks(q.Path)
		if err != nil {
			return ifAbsent(err)
		}
		if path != under && !volume.Inside(under, path) {
			return volume.Refuse("", "only targets in %q are allowed here", s.under)
		}
		q.Path = path
	}
	p, err := openVolumePlace(ctx, s.h, q.Path, func(string, string, ...any) {})
	if err != nil {
		return ifAbsent(err)
	}
	if p.f.UUID() == q.Source {
		return errors.Join(sameFilesystem(q.Path), p.close())
	}
	if s.place != nil {
		s.place.close()
	}
	s.place = p
	return nil
}

// keep receives a stream that comes in frames. One that stops coming is given up.
func (s *server) keep(ctx context.Context, j job, stall time.Duration) (k kept, broken bool, err error) {
	if err := j.check(); err != nil {
		return k, true, err
	}
	if stall <= 0 {
		return k, true, errors.New("there is no limit for how long nothing may move")
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	read, write := io.Pipe()
	frames := make(chan error, 1)
	go func() {
		err := copyFrames(write, s.in)
		write.CloseWithError(err) // nil: EOF
		frames <- err
	}()
	defer context.AfterFunc(ctx, func() { write.CloseWithError(context.Cause(ctx)) })()
	m := newMeter(ctx, read, 0, nil)
	go m.watch(ctx, stall, func() {
		err := fmt.Errorf("%w: %v", errStalled, stall)
		stop(err)
		write.CloseWithError(err)
	})
	k, err = s.place.keep(ctx, j, m)
	if err != nil {
		read.CloseWithError(err)
		return k, true, err
	}
	if err := drain(read); err != nil { // the frame that says that there are no more
		return k, true, nil
	}
	return k, <-frames != nil, nil
}

// check refuses a hold that is not a sender's: those of people are nothing that another machine may take away.
func (h heldCopy) check() error {
	if !strings.HasPrefix(h.Who, senderPrefix) {
		return fmt.Errorf("the hold would be that of %q", h.Who)
	}
	return nil
}

// check refuses a job that another machine must not ask for.
func (j job) check() error {
	source, bad := volume.CleanPath("", j.Source)
	if bad != nil || source != j.Source || source == "" {
		return fmt.Errorf("the source is called %q", j.Source)
	}
	if j.Folder != subvolume.FolderOf(j.Source) {
		return fmt.Errorf("the folder of %q is called %q", j.Source, j.Folder)
	}
	if _, strict := subvolume.ParseStamp(j.Stamp); !strict {
		return fmt.Errorf("the snapshot is called %q", j.Stamp)
	}
	if j.Origin == (kernel.UUID{}) {
		return errors.New("the snapshot has no UUID")
	}
	return nil
}
