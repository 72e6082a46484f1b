package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/transfer/stream"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/unit"
)

// sender carries out one plan.
type sender struct {
	h       volume.Host
	c       *sdk.Call
	f       *kernel.Filesystem
	in      SendInput
	private sendPrivate
	place   place
	out     SendOutput
	all     account
}

func applySend(ctx context.Context, h volume.Host, c *sdk.Call, in SendInput, private sendPrivate) (SendOutput, error) {
	s := &sender{h: h, c: c, in: in, private: private, all: account{c: c}}
	if err := c.PlannedOutputs(&s.out); err != nil {
		return s.out, err
	}
	planned := s.out.Sent
	s.out.Sent = []SentSnapshot{}
	if len(private.Queues)+len(private.Remnants) == 0 {
		return s.out, nil
	}
	if err := s.open(ctx); err != nil {
		return s.out, err
	}
	defer s.f.Close()
	defer s.place.close()
	if err := s.clean(ctx); err != nil {
		return s.out, err
	}
	defer func() {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer stop()
		if err := s.await(ctx, nil); err != nil {
			c.Logf("warn", "what waited to be sent stays held until the next transfer: %v", err)
		}
	}()
	// On a full disk that fails, and a copy is worth more than that it may have to be begun again.
	if err := s.await(ctx, s.waiting()); ctx.Err() != nil {
		return s.out, ctx.Err()
	} else if err != nil {
		c.Warn(volume.Warn("", "what waits to be sent may expire meanwhile: %v", err))
	}
	s.estimate(ctx)
	var errs []error
	for _, q := range private.Queues {
		err := s.queue(ctx, q, planned)
		if err != nil {
			errs = append(errs, volume.Explain("", err))
		}
		if ctx.Err() != nil || errors.Is(err, unix.ENOSPC) || isAbsent(err) { // it is the same for all that follow
			break
		}
	}
	if n := len(s.out.Sent); n > 0 {
		s.c.Summarize("%d of %d sent, %s", n, len(planned), unit.FormatSize(s.all.done))
	}
	return s.out, errors.Join(errs...)
}

func isAbsent(err error) bool {
	_, is := errors.AsType[*absentError](err)
	return is
}

// open opens both sides and makes sure that they are those of the plan.
func (s *sender) open(ctx context.Context) error {
	to, bad := parseTarget(s.in.To)
	if bad != nil {
		return bad
	}
	f, err := volume.OpenPlanned(ctx, s.in.Target, s.private.Filesystem)
	if err != nil {
		return err
	}
	p, err := opener{h: s.h, log: s.c.Logf}.open(ctx, to, s.in, f.UUID())
	if err != nil {
		return errors.Join(volume.Explain("/to", err), f.Close())
	}
	now, err := p.observe(ctx, query{})
	if id := (placeID{now.Kind, now.Scope, now.Folder}); err == nil && id != s.private.Place {
		err = volume.Drifted("the target %s is another one now: %s %s %q", s.in.To, now.Kind, now.Scope, now.Folder)
	}
	if err == nil && s.private.Known && !now.Standing.known() {
		err = volume.Drifted("the target %s has neither copies nor a mark any more: was its disk unmounted?", s.in.To)
	}
	if err != nil {
		return errors.Join(err, p.close(), f.Close())
	}
	s.f, s.place = f, p
	return nil
}

// clean removes remnants: an error about one of them keeps nothing from being sent.
func (s *sender) clean(ctx context.Context) error {
	all := slices.Concat(s.private.Remnants, s.private.Records)
	if len(all) == 0 {
		return nil
	}
	gone, err := s.place.clean(ctx, all)
	for _, i := range gone {
		if i < len(s.private.Remnants) {
			s.c.Done(i)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.c.Warn(volume.Warn("", "%v", err))
	}
	return nil
}

// queue sends the snapshots of one source until one fails.
func (s *sender) queue(ctx context.Context, q queue, planned []SentSnapshot) error {
	for i, it := range q.Items {
		s.all.count++
		bytes, err := s.item(ctx, q, it)
		if err != nil {
			if left := len(q.Items) - i - 1; left > 0 && ctx.Err() == nil {
				s.c.Logf("warn", "%d more snapshots of %q wait for the next run", left, q.Source)
			}
			return err
		}
		sent := planned[it.Output]
		sent.Bytes = bytes
		s.out.Sent = append(s.out.Sent, sent)
		s.c.Done(it.Change)
		// Now, not at the end: whatever cuts this off, the next transfer finds what it needs.
		if i < len(q.Items)-1 {
			switch err := s.hold(ctx, q, it.UUID, it.Origin); {
			case err == nil:
				q.Release = append(q.Release, it.UUID)
			case !isUnheld(err): // of a full disk the next copy asks again
				return err
			}
		}
	}
	if err := s.hold(ctx, q, q.Held, q.Origin); isUnheld(err) {
		return volume.Refuse("free some space: deleting works on a full filesystem, so btrfs.prune does too",
			"the snapshots of %q are sent, but the disk that they are on is too full to hold the newest for the next transfer: %v", q.Source, err)
	} else if err != nil {
		return err
	}
	for _, change := range []int{q.Hold, q.HoldCopy} {
		if change >= 0 {
			s.c.Done(change)
		}
	}
	return nil
}

// hold moves the holds on both sides to a snapshot that both have.
func (s *sender) hold(ctx context.Context, q queue, id, origin kernel.UUID) error {
	unlock, err := volume.LockNames(ctx, patient(s.h), s.f)
	if err != nil {
		return err
	}
	release := slices.Clone(q.Release)
	for _, it := range q.Items {
		release = append(release, it.UUID)
	}
	err = moveHold(s.f, id, release, commonHold(s.in, s.c.Instant))
	unlock()
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	switch {
	case full && len(q.Release) > 0: // the pair that is held stays so, on both sides: the next transfer can begin with it
		return &unheldError{err}
	case err != nil && !full:
		return err
	case s.private.Place.Kind == "btrfs":
		if err := s.holdCopy(ctx, q, origin); err != nil {
			return err
		}
	}
	if full {
		return &unheldError{err}
	}
	return nil
}

// unheldError is a hold that the disk with the snapshots has no space for.
type unheldError struct{ err error }

func (e *unheldError) Error() string { return e.err.Error() }

func isUnheld(err error) bool {
	_, is := errors.AsType[*unheldError](err)
	return is
}

// holdCopy moves the hold in the place.
func (s *sender) holdCopy(ctx context.Context, q queue, origin kernel.UUID) error {
	return s.place.hold(ctx, heldCopy{Folder: q.Folder, Source: q.Source, Who: keeper(s.private.Filesystem), Reason: copyReason, Origin: origin})
}

// patient is a host that waits longer for the lock on names: hours of work may hang on it.
func patient(h volume.Host) volume.Host {
	h.LockWait *= patience
	return h
}

// item sends one snapshot and returns how many bytes that took.
func (s *sender) item(ctx context.Context, q queue, it item) (int64, error) {
	failed := func(err error) error {
		return fmt.Errorf("cannot send %q: %w", it.Path, err)
	}
	now, err := s.f.ByUUID(it.UUID)
	switch {
	case errors.Is(err, kernel.ErrNotFound):
		return 0, volume.Drifted("cannot send %q: it does not exist any more", it.Path)
	case err != nil:
		return 0, failed(err)
	case !now.ReadOnly:
		return 0, volume.Drifted("cannot send %q: it is writable now", it.Path)
	}
	j := job{Run: s.c.Run, Source: q.Source, Folder: q.Folder, Stamp: it.Stamp, Origin: it.Origin, Parent: it.ParentOrigin, Sender: s.f.UUID(),
		Untrusted: it.Untrusted, Created: it.Created.UTC().Format(time.RFC3339Nano)}
	if s.in.Verify == "content" {
		d, err := digestOf(ctx, s.f, now.Path, now.UUID)
		if err != nil {
			return 0, failed(err)
		}
		j.Content = &d
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pipe, ended, err := s.start(kernel.SendSpec{Source: it.UUID, Parent: it.Parent})
	if err != nil {
		return 0, failed(err)
	}
	defer context.AfterFunc(ctx, func() { pipe.Close() })() // a read that hangs ends
	m := newMeter(ctx, pipe, int64(s.in.RateLimit), s.all.teller(fmt.Sprintf("%s (%d of %d)", it.Path, s.all.count, s.all.of)))
	limit := time.Duration(s.in.StallTimeout)
	go m.watch(ctx, limit, func() {
		stop(fmt.Errorf("%w: %v", errStalled, limit))
	})
	_, err = s.place.keep(ctx, j, m)
	pipe.Close() // if it is not at its end, the kernel's next write fails
	sendErr := join(ended)
	switch {
	case sendErr != nil && !errors.Is(sendErr, unix.EPIPE):
		return 0, failed(sendErr)
	case err != nil && errors.Is(context.Cause(ctx), errStalled):
		return 0, failed(context.Cause(ctx))
	case err != nil && isAbsent(err):
		return 0, &absentError{failed(err)}
	case err != nil:
		return 0, failed(err)
	}
	return m.count(), nil
}

// start lets the kernel send into a pipe. ended gets its error, once.
func (s *sender) start(spec kernel.SendSpec) (from *os.File, ended chan error, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	// A bigger pipe lets the kernel and the receiver work at the same time; F_SETPIPE_SZ is only a wish.
	// (Not by r.Fd, which would make it blocking, and a read that is blocked can't be ended.)
	if raw, err := r.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
	ended = make(chan error, 1)
	go func() {
		err := s.f.Send(spec, w)
		w.Close()
		ended <- err
	}()
	return r, ended, nil
}

// joinTime is how long the kernel may take to notice that nobody reads any more: it looks with each command.
const joinTime = 10 * time.Second

// join waits for the kernel's end of a send.
func join(ended chan error) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(joinTime):
		return errors.New("the kernel does not end the sending: is its disk stuck?")
	}
}

// estimateTime is how long finding out how much there is to send may take, for all of it.
const estimateTime = 3 * time.Second

// estimate finds out how much there is to send, so that progress has an end: by streams without data. Where that takes too
// long the total is not known.
func (s *sender) estimate(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, estimateTime)
	defer stop()
	total := int64(0)
	for _, q := range s.private.Queues {
		s.all.of += len(q.Items)
	}
	for _, q := range s.private.Queues {
		for _, it := range q.Items {
			pipe, ended, err := s.start(kernel.SendSpec{Source: it.UUID, Parent: it.Parent, NoData: true})
			if err != nil {
				return
			}
			end := context.AfterFunc(ctx, func() { pipe.Close() })
			m := newMeter(ctx, pipe, 0, nil)
			r := stream.NewReader(m, stream.Begin{UUID: it.Origin, Parent: it.ParentOrigin}, "")
			err = drain(r)
			end()
			pipe.Close()
			if join(ended) != nil || err != nil {
				return
			}
			total += m.count() + r.Data
		}
	}
	s.all.total = total
}
