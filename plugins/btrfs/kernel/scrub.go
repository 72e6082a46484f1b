package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ScrubCounters are what a scrub of one device has counted. Errors are counted in sectors for data, in blocks for metadata.
type ScrubCounters struct {
	DataBytes, TreeBytes uint64 // read and compared
	ReadErrors           uint64 // the device did not give the block
	ChecksumErrors       uint64 // the checksum of data is wrong
	VerifyErrors         uint64 // a block of metadata is not what should be there
	SuperErrors          uint64 // a superblock is wrong
	MemoryErrors         uint64 // the kernel had no memory to look; the block may be good
	Uncorrectable        uint64 // there is no good copy
	// Corrected are those that were repaired from a good copy, or in a read-only scrub could be.
	Corrected  uint64
	Unverified uint64 // wrong at first, and right when read again
	// LastPhysical is where a scrub that was stopped goes on, in bytes on the device.
	LastPhysical uint64
}

// ScrubPart is one device to scrub, from a position on.
type ScrubPart struct {
	Device uint64 // ID
	Start  uint64 // in bytes; 0, or LastPhysical of a scrub that was stopped
}

// ScrubOutcome is how the scrub of one device ended. Counters count from Start, also beside an error.
type ScrubOutcome struct {
	Counters ScrubCounters
	Err      error
}

// Scrub reads everything on the given devices, all at the same time, and compares it with its checksums; without readOnly
// it repairs what has a good copy. It gives report, unless nil, the counters by the index of parts every now and then.
//
// When ctx ends, the scrub stops within a moment, and the error of each device that was not through is that of ctx. The
// kernel knows only one scrub of a device (ErrBusy), and it can only stop all devices of a filesystem at once: while one
// stops, a scrub of somebody else on another device of the same filesystem stops too. One that was stopped by somebody else is
// ErrCancelled. A device that is missing is ErrNotFound.
func (f *Filesystem) Scrub(ctx context.Context, parts []ScrubPart, readOnly bool, every time.Duration, report func([]ScrubCounters)) []ScrubOutcome {
	outcomes := make([]ScrubOutcome, len(parts))
	finished := make(chan struct{})
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			if err := ctx.Err(); err != nil {
				outcomes[i] = ScrubOutcome{ScrubCounters{LastPhysical: part.Start}, err}
				return
			}
			args := &scrubArgs{devid: part.Device, start: part.Start, end: ^uint64(0)}
			args.progress.lastPhysical = part.Start
			if readOnly {
				args.flags = scrubReadOnly
			}
			err := scrubError(ctx, part.Device, ioctl(f.top, iocScrub, unsafe.Pointer(args)))
			outcomes[i] = ScrubOutcome{args.progress.counters(), err}
		})
	}
	go func() {
		running.Wait()
		close(finished)
	}()
	// The kernel's cancel blocks until the scrub has stopped. It is waited for: one that comes late would stop the next scrub.
	var canceller sync.WaitGroup
	defer canceller.Wait()
	stop := ctx.Done()
	ticker := time.NewTicker(max(every, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-finished:
			return outcomes
		case <-stop:
			stop = nil
			canceller.Go(func() { f.cancelScrubUntil(finished) })
		case <-ticker.C:
			if report != nil {
				report(f.scrubCounters(parts))
			}
		}
	}
}

// cancelScrubUntil goes on until it is over: a device may not have been registered yet.
func (f *Filesystem) cancelScrubUntil(finished <-chan struct{}) {
	for {
		_ = ioctlAgain(f.top, iocScrubCancel, nil)
		select {
		case <-finished:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// scrubCounters are those of the devices that are being scrubbed; of one that is over they are zero.
func (f *Filesystem) scrubCounters(parts []ScrubPart) []ScrubCounters {
	all := make([]ScrubCounters, len(parts))
	for i, part := range parts {
		all[i], _, _ = f.ScrubProgress(part.Device)
	}
	return all
}

// ScrubProgress returns how far the scrub of a device is, whoever started it; running is false if there is none.
func (f *Filesystem) ScrubProgress(device uint64) (now ScrubCounters, running bool, err error) {
	args := &scrubArgs{devid: device}
	switch err := ioctlAgain(f.top, iocScrubProgress, unsafe.Pointer(args)); err {
	case nil:
		return args.progress.counters(), true, nil
	case unix.ENOTCONN, unix.ENODEV:
		return ScrubCounters{}, false, nil
	default:
		return ScrubCounters{}, false, fail("read the progress of the scrub of device", fmt.Sprint(device), err)
	}
}

// CancelScrub stops all scrubs of the filesystem, whoever started them, and waits until they have stopped. It is no error
// if there is none.
func (f *Filesystem) CancelScrub() error {
	if err := ioctlAgain(f.top, iocScrubCancel, nil); err != nil && err != unix.ENOTCONN {
		return fail("stop the scrub of filesystem", f.uuid.String(), err)
	}
	return nil
}

func scrubError(ctx context.Context, device uint64, err error) error {
	const op = "scrub device"
	subject := fmt.Sprint(device)
	switch {
	case err == nil:
		return nil
	case err == unix.ECANCELED && ctx.Err() != nil:
		return ctx.Err()
	case err == unix.ECANCELED:
		return &Error{Op: op, Subject: subject, Kind: ErrCancelled, Fact: "somebody else has stopped it", Err: err}
	case err == unix.EINPROGRESS:
		return &Error{Op: op, Subject: subject, Kind: ErrBusy, Fact: "it is being scrubbed or replaced already", Err: err}
	case err == unix.ENODEV:
		return &Error{Op: op, Subject: subject, Kind: ErrNotFound, Fact: "it is missing", Err: err}
	}
	return fail(op, subject, err)
}

func (c scrubCounters) counters() ScrubCounters {
	return ScrubCounters{
		DataBytes: c.dataBytes, TreeBytes: c.treeBytes,
		ReadErrors: c.readErrors, ChecksumErrors: c.csumErrors, VerifyErrors: c.verifyErrors, SuperErrors: c.superErrors,
		MemoryErrors: c.mallocErrors, Uncorrectable: c.uncorrectable, Corrected: c.corrected, Unverified: c.unverified,
		LastPhysical: c.lastPhysical,
	}
}

// ScrubLimit returns the most bytes a second that a scrub reads from a device; 0 is no limit. Kernel 5.14 (ErrUnsupported).
func (f *Filesystem) ScrubLimit(device uint64) (uint64, error) {
	n, err := f.sysfsNumber(scrubLimitPath(device))
	if errors.Is(err, os.ErrNotExist) {
		return 0, f.noScrubLimit(device, err)
	}
	if err != nil {
		return 0, fail("read the scrub limit of device", fmt.Sprint(device), err)
	}
	return n, nil
}

// SetScrubLimit sets it, until the filesystem is unmounted. It holds at once, for a scrub that runs too.
func (f *Filesystem) SetScrubLimit(device, bytesPerSecond uint64) error {
	err := os.WriteFile(f.sysfs(scrubLimitPath(device)), fmt.Append(nil, bytesPerSecond), 0)
	if errors.Is(err, os.ErrNotExist) {
		return f.noScrubLimit(device, err)
	}
	if err != nil {
		return fail("limit the scrub of device", fmt.Sprint(device), err)
	}
	return nil
}

func (f *Filesystem) noScrubLimit(device uint64, err error) error {
	return &Error{Op: "limit the scrub of device", Subject: fmt.Sprint(device), Kind: ErrUnsupported, Fact: "the kernel or /sys does not offer it", Err: err}
}

func scrubLimitPath(device uint64) string { return fmt.Sprintf("devinfo/%d/scrub_speed_max", device) }
