package kernel

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BalanceFilter says which chunks of one kind are relocated. There is no way to say all of them.
type BalanceFilter struct {
	// UsedBelow: only those of which less than this percentage is used; 0: only empty ones.
	UsedBelow uint8
	Limit     uint32 // at most so many; 0: all that fit
	Before    uint64 // only those that begin before this logical address; 0: everywhere
}

// Balance says what to relocate; a kind that is nil is left alone. Where data and metadata share chunks (Usage.Mixed) both
// must be given, and be equal.
type Balance struct{ Data, Metadata *BalanceFilter }

// BalanceProgress counts chunks.
type BalanceProgress struct{ Expected, Considered, Relocated uint64 }

// BalanceStatus is that of a balance that runs or is paused.
type BalanceStatus struct {
	BalanceProgress
	Running bool // false: paused
}

// Balance relocates chunks and blocks until that is done. It gives report, unless nil, the status every now and then.
//
// When ctx ends, the balance is cancelled: the kernel finishes or undoes the step at hand, what was relocated stays, and
// nothing of the balance is left that would go on by itself. The error is that of ctx. One that is cancelled or paused by
// somebody else is ErrCancelled. When another balance or another exclusive operation is under way, the error is ErrBusy and
// names it. A filesystem without room to relocate a chunk is ENOSPC. Progress counts also beside an error.
func (f *Filesystem) Balance(ctx context.Context, b Balance, every time.Duration, report func(BalanceStatus)) (BalanceProgress, error) {
	args := new(balanceArgs)
	if b.Data != nil {
		args.flags |= balanceData
		args.data = b.Data.encode()
	}
	if b.Metadata != nil {
		args.flags |= balanceMetadata
		args.meta = b.Metadata.encode()
	}
	if args.flags == 0 {
		return BalanceProgress{}, refuse("balance filesystem", f.uuid.String(), ErrInvalid, "it is not said which kind of chunks")
	}
	return f.balance(ctx, args, every, report)
}

// ResumeBalance is Balance for going on with one that is paused; none is ErrNotFound.
func (f *Filesystem) ResumeBalance(ctx context.Context, every time.Duration, report func(BalanceStatus)) (BalanceProgress, error) {
	return f.balance(ctx, &balanceArgs{flags: balanceResume}, every, report)
}

func (b BalanceFilter) encode() balanceFilter {
	// With the flag for one bound, the kernel takes what is used less than it; 0 means what is not used at all.
	e := balanceFilter{flags: filterUsage, usage: uint64(b.UsedBelow)}
	if b.Limit > 0 {
		// Not the older filter with one number: that number is also taken for the least, which mixed chunks never reach.
		e.flags |= filterLimit
		e.limitMax = b.Limit
	}
	if b.Before > 0 {
		e.flags |= filterVRange
		e.vend = b.Before
	}
	return e
}

func (f *Filesystem) balance(ctx context.Context, args *balanceArgs, every time.Duration, report func(BalanceStatus)) (BalanceProgress, error) {
	if err := ctx.Err(); err != nil {
		return BalanceProgress{}, err
	}
	var refused uintptr
	var err error
	finished := make(chan struct{})
	go func() {
		refused, err = ioctlResult(f.top, iocBalance, unsafe.Pointer(args))
		close(finished)
	}()
	// The kernel's cancel blocks until the balance has stopped. It is waited for: one that comes late would stop the next one.
	var canceller sync.WaitGroup
	defer canceller.Wait()
	stop := ctx.Done()
	ticker := time.NewTicker(max(every, time.Millisecond))
	defer ticker.Stop()
	last := BalanceProgress{} // on some errors the kernel does not fill the result in
	for {
		select {
		case <-finished:
			canceller.Wait()
			if err = f.balanceError(ctx, refused, err); err == nil || args.considered >= last.Considered && args.expected > 0 {
				last = args.progress()
			}
			return last, err
		case <-stop:
			stop = nil
			canceller.Go(func() { f.cancelBalanceUntil(finished) })
		case <-ticker.C:
			if now, found, err := f.BalanceStatus(); err == nil && found {
				last = now.BalanceProgress
				if report != nil {
					report(now)
				}
			}
		}
	}
}

// cancelBalanceUntil goes on until it is over: the balance may not have begun yet.
func (f *Filesystem) cancelBalanceUntil(finished <-chan struct{}) {
	for {
		_ = f.balanceControl(balanceCancel)
		select {
		case <-finished:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *Filesystem) balanceError(ctx context.Context, refused uintptr, err error) error {
	const op = "balance filesystem"
	subject := f.uuid.String()
	switch {
	case refused > 0:
		what, _ := f.ExclusiveOperation()
		if what == "" {
			what = "another exclusive operation"
		}
		return refuse(op, subject, ErrBusy, "%s is under way", what)
	case err == nil:
		return nil
	case err == unix.EINPROGRESS:
		fact := "another balance is under way"
		if now, found, statusErr := f.BalanceStatus(); statusErr == nil && found && !now.Running {
			fact = "another balance is paused"
		}
		return &Error{Op: op, Subject: subject, Kind: ErrBusy, Fact: fact, Err: err}
	case (err == unix.ECANCELED || err == unix.EINTR) && ctx.Err() != nil:
		return ctx.Err()
	case err == unix.ECANCELED:
		fact := "somebody else has cancelled it"
		if now, found, statusErr := f.BalanceStatus(); statusErr == nil && found && !now.Running {
			fact = "somebody else has paused it"
		}
		return &Error{Op: op, Subject: subject, Kind: ErrCancelled, Fact: fact, Err: err}
	case err == unix.ENOTCONN:
		return &Error{Op: op, Subject: subject, Kind: ErrNotFound, Fact: "no balance is paused", Err: err}
	}
	return fail(op, subject, err)
}

// BalanceStatus returns that of the balance that runs or is paused, whoever started it; found is false if there is none.
func (f *Filesystem) BalanceStatus() (status BalanceStatus, found bool, err error) {
	args := new(balanceArgs)
	switch err := ioctlAgain(f.top, iocBalanceProgress, unsafe.Pointer(args)); err {
	case nil:
		return BalanceStatus{args.progress(), args.state&balanceRunning != 0}, true, nil
	case unix.ENOTCONN:
		return BalanceStatus{}, false, nil
	default:
		return BalanceStatus{}, false, fail("read the status of the balance of filesystem", f.uuid.String(), err)
	}
}

// PauseBalance pauses the balance that runs, and returns when it has. It is ErrNotFound if none runs.
func (f *Filesystem) PauseBalance() error { return f.controlled("pause", balancePause) }

// CancelBalance cancels the balance that runs or is paused, and returns when that is done. It is ErrNotFound if there is
// none.
func (f *Filesystem) CancelBalance() error { return f.controlled("cancel", balanceCancel) }

func (f *Filesystem) controlled(verb string, command uintptr) error {
	switch err := f.balanceControl(command); err {
	case nil:
		return nil
	case unix.ENOTCONN:
		return &Error{Op: verb + " the balance of filesystem", Subject: f.uuid.String(), Kind: ErrNotFound, Fact: "there is none", Err: err}
	default:
		return fail(verb+" the balance of filesystem", f.uuid.String(), err)
	}
}

// balanceControl gives the command by value.
func (f *Filesystem) balanceControl(command uintptr) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.top.Fd(), iocBalanceControl, command)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func (a *balanceArgs) progress() BalanceProgress {
	return BalanceProgress{Expected: a.expected, Considered: a.considered, Relocated: a.completed}
}

func (p BalanceProgress) String() string {
	return fmt.Sprintf("%d of %d chunks looked at, %d relocated", p.Considered, p.Expected, p.Relocated)
}
