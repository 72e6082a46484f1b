package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/hbohlen/coppice/sdk"
)

// refuse is a failure about the unit, with advice.
func refuse(advice, format string, args ...any) *sdk.Error {
	return &sdk.Error{Reason: sdk.Failed, Path: "/unit", Summary: fmt.Sprintf(format, args...), Advice: advice}
}

// drifted says that a unit is not as it was when the plan was made.
func drifted(format string, args ...any) *sdk.Error {
	return &sdk.Error{Reason: sdk.Drifted, Path: "/unit", Summary: fmt.Sprintf(format, args...), Advice: "make a new plan"}
}

func warning(advice, format string, args ...any) sdk.Diagnostic {
	d := sdk.Warning(format, args...)
	d.Path, d.Advice = "/unit", advice
	return d
}

// causes says what the manager's errors mean for the user, see src/libsystemd/sd-bus/bus-common-errors.h of systemd.
var causes = map[string]struct {
	reason sdk.Reason
	advice string
}{
	"org.freedesktop.DBus.Error.AccessDenied":                     {sdk.NotPermitted, "run as root"},
	"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired": {sdk.NotPermitted, "run as root"},
	"org.freedesktop.systemd1.ShuttingDown":                       {sdk.Busy, "the machine is shutting down"},
	"org.freedesktop.systemd1.TransactionIsDestructive":           {sdk.Busy, "\"systemctl list-jobs\" shows the jobs that can't be replaced; the machine may be shutting down"},
	"org.freedesktop.systemd1.UnitExists":                         {sdk.Busy, "\"systemctl status\" shows it; stop it, or wait for its end"},
	"org.freedesktop.systemd1.NoSuchUnit":                         {sdk.Failed, ""},
	"org.freedesktop.DBus.Error.FileExists":                       {sdk.Failed, "move that file away, or leave it as it is"},
	"org.freedesktop.DBus.Error.PropertyReadOnly":                 {sdk.Failed, "this systemd is too old for that setting"},
}

// explain makes an error of the manager one for the user; what says what was tried. Errors for the user, and those of a
// context, are returned as they are.
func explain(what string, err error) error {
	var done *sdk.Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &sdk.Error{Reason: sdk.Failed, Path: "/unit", Summary: "cannot " + what, Err: err}
	var remote dbus.Error
	if errors.As(err, &remote) {
		e.Err = errors.New(message(remote))
		if c, known := causes[remote.Name]; known {
			e.Reason, e.Advice = c.reason, c.advice
		}
	}
	if errors.Is(err, dbus.ErrClosed) {
		e.Err, e.Advice = errors.New("systemd has closed the connection"), "systemd may have been replaced by a new version meanwhile: run it again"
	}
	return e
}

func message(e dbus.Error) string {
	if len(e.Body) > 0 {
		if text, ok := e.Body[0].(string); ok && text != "" {
			return strings.TrimSuffix(text, ".")
		}
	}
	return e.Name
}

// missing is the error for a unit that does not exist.
func (v *View) missing(name string) error {
	e := sdk.InvalidInput("/unit", "there is no unit %s", name)
	e.Reason = sdk.Failed // another machine may have it
	if near := closest(name, v.names()); len(near) > 0 {
		e.Advice = "did you mean " + strings.Join(near, " or ") + "?"
	} else {
		e.Advice = "\"systemctl list-unit-files\" lists those that there are; after adding a file, systemd.daemon_reload makes it known"
	}
	return e
}

// usable makes sure that a unit is there and can be started or reloaded.
func (v *View) usable(u *Unit, asked string) error {
	switch u.Load {
	case "loaded":
		return nil
	case "not-found":
		return v.missing(asked)
	case "masked":
		return refuse("systemd.unmask, or \"systemctl unmask "+u.ID+"\", takes the mask away", "%s is masked: nothing can start it", u.ID)
	}
	return refuse("\"systemd-analyze verify "+u.ID+"\" says more", "the file of %s can't be used: %s", u.ID, orElse(u.LoadError, u.Load))
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
