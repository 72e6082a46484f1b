package volume

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// causes says what the errors of the kernel package mean for the user. The first that fits counts.
var causes = []struct {
	is     error
	reason sdk.Reason
	advice string
}{
	{kernel.ErrNotPermitted, sdk.NotPermitted, "run as root (CAP_SYS_ADMIN)"},
	{kernel.ErrNotMounted, sdk.Failed, "mount the filesystem first"},
	{kernel.ErrAmbiguous, sdk.Failed, "say which one with UUID=…"},
	{kernel.ErrBusy, sdk.Busy, "wait until the other process is done"},
	{kernel.ErrChanged, sdk.Drifted, "make a new plan"},
	{kernel.ErrUnsupported, sdk.Failed, "Linux 5.7 or newer with btrfs is needed"},
	{kernel.ErrReadOnly, sdk.Failed, "make it writable first; when the kernel made the filesystem read-only after an error, \"dmesg\" says why"},
	{kernel.ErrSymlink, sdk.Failed, "symbolic links inside the filesystem are never followed: use the real path"},
	{kernel.ErrInUse, sdk.Failed, "end that use first"},
	{kernel.ErrNotEmpty, sdk.Failed, "delete or move what is in it first"},
	{unix.ENOSPC, sdk.Failed, "free some space: deleting works on a full filesystem, so btrfs.prune does too"},
	{unix.EDQUOT, sdk.Failed, "raise the limit of the quota group, or free space in it"},
	{unix.EIO, sdk.Failed, "the filesystem or its device is damaged: look at \"dmesg\" and \"btrfs device stats\""},
}

// Explain makes an error of the kernel package one for the user. path is the input it is about, "" for none. Errors for
// the user, and those of a context, are returned as they are.
func Explain(path string, err error) error {
	var done *sdk.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	e := &sdk.Error{Reason: sdk.Failed, Path: path, Summary: err.Error()}
	for _, c := range causes {
		if errors.Is(err, c.is) {
			e.Reason, e.Advice = c.reason, c.advice
			break
		}
	}
	return e
}

// ExplainOpen is explain for the filesystem itself, with the input that names it.
func ExplainOpen(err error) error {
	explained := Explain("/filesystem", err)
	var e *sdk.Error
	if !errors.As(explained, &e) || e.Reason == sdk.NotPermitted {
		return explained
	}
	if errors.Is(err, kernel.ErrInvalid) { // all else is the machine: another one may have it
		e.Reason = sdk.Invalid
	}
	switch {
	case errors.Is(err, kernel.ErrNotBtrfs):
		e.Advice = "name a btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it; \"findmnt -t btrfs\" lists what is mounted"
	case errors.Is(err, kernel.ErrNotFound) && e.Advice == "":
		e.Advice = "\"findmnt -t btrfs\" lists the btrfs filesystems that are mounted"
	}
	return e
}

// Refuse is a failure with advice.
func Refuse(advice, format string, args ...any) *sdk.Error {
	return &sdk.Error{Reason: sdk.Failed, Summary: fmt.Sprintf(format, args...), Advice: advice}
}

// Invalid is a wrong input with advice.
func Invalid(path, advice, format string, args ...any) *sdk.Error {
	e := sdk.InvalidInput(path, format, args...)
	e.Advice = advice
	return e
}

// Drifted says that the machine is not as it was when the plan was made.
func Drifted(format string, args ...any) *sdk.Error {
	return &sdk.Error{Reason: sdk.Drifted, Summary: fmt.Sprintf(format, args...), Advice: "make a new plan"}
}

// ItemError makes an error about one item a diagnostic, so that the plan goes on with the others.
func ItemError(err error) sdk.Diagnostic { return sdk.Diagnose(err)[0] }

// Warn is a warning with advice.
func Warn(advice, format string, args ...any) sdk.Diagnostic {
	d := sdk.Warning(format, args...)
	d.Advice = advice
	return d
}
