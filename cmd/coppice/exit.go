package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/sdk"
)

// Exit codes. Those from 64 on are sysexits.h's, 124 is timeout(1)'s, 128+N a
// shell's for signal N.
const (
	exitOK           = 0
	exitFailed       = 1  // a step failed
	exitPending      = 2  // plan --detailed-exitcode: there are changes
	exitStale        = 3  // the machine has drifted from a saved plan
	exitAttention    = 4  // status and doctor: something needs somebody
	exitUsage        = 64 // the command line is wrong
	exitInvalid      = 65 // the playbook or its inputs are
	exitPlugin       = 69 // a plugin is missing, refused or incompatible
	exitBug          = 70 // a bug in coppice
	exitState        = 73 // what apply or resume does could not be recorded
	exitBusy         = 75 // another run holds the filesystem
	exitNotPermitted = 77
	exitTimedOut     = 124
)

// exitError ends the program with a code. err is printed unless it is nil.
type exitError struct {
	code   int
	err    error
	advice string
}

func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func exit(code int, err error) error { return exitError{code: code, err: err} }

func usage(format string, args ...any) error {
	return exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// pluginError is the exit for a plugin that can't be used.
func pluginError(err error) error {
	var missing *host.NotFoundError
	if errors.As(err, &missing) {
		return exitError{code: exitPlugin, err: err, advice: "there are: " + join(missing.Known)}
	}
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		return exitError{code: exitPlugin, err: err, advice: "a plugin belongs to root, nobody else can write to it or a folder above it, and the lock file has it where there is one"}
	}
	return exit(exitPlugin, err)
}

// signalCode is the exit code of a program that a signal, or something like one, has stopped.
func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 128 + int(syscall.SIGTERM)
}

// runCode is the exit code of a report.
func runCode(r *engine.Report, signal os.Signal) int {
	switch r.Finished.Status {
	case engine.Succeeded:
		return exitOK
	case engine.RunTimedOut:
		return exitTimedOut
	case engine.RunCancelled:
		return signalCode(signal)
	}
	for _, step := range r.Steps {
		if len(step.Made) > 0 {
			return exitFailed
		}
	}
	for _, step := range r.Steps {
		for _, d := range step.Diagnostics {
			if d.Severity == sdk.SeverityError {
				switch d.Reason {
				case sdk.NotPermitted:
					return exitNotPermitted
				case sdk.Busy:
					return exitBusy
				case sdk.Invalid:
					return exitInvalid
				}
				return exitFailed
			}
		}
	}
	return exitFailed
}

// ignoreBrokenPipe makes writes to a closed pipe fail instead of ending the
// program in the middle of a step. (Caught, not ignored: an ignored signal would
// stay ignored in children.)
func ignoreBrokenPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}
