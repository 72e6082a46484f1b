package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Host is what the plugin asks of the machine besides the filesystem. A test has one of its own.
type Host struct {
	HoldFile string                 // a hold switch, if there is anything at this path
	Cmdline  string                 // the file with the kernel's command line
	Fstab    string                 // the file that says what is to be mounted; "": none
	Root     string                 // where the filesystem of the system itself is; "": nobody asks
	Clock    func() (string, error) // why the system's clock is not synchronised, "" if it is
	Now      func() time.Time       // for pacing, and for records of when something ended; never for a decision
	LockWait time.Duration          // how long Apply waits for a lock
	Locks    *Locks                 // what the runner has this process hold

	// Together takes a group once.
	Together func(f *kernel.Filesystem, markerDir string, specs []kernel.SnapshotSpec) kernel.SnapshotGroup
}

// Live is the machine that this process runs on.
func Live() Host {
	return Host{
		HoldFile: "/etc/coppice/hold",
		Cmdline:  "/proc/cmdline",
		Fstab:    "/etc/fstab",
		Root:     "/",
		Clock:    synchronised,
		Now:      kernel.Now,
		LockWait: 30 * time.Second,
		Locks:    &Locks{},
		Together: (*kernel.Filesystem).SnapshotTogether,
	}
}

// synchronised asks the kernel whether something (NTP, PTP) keeps its clock; see man adjtimex.
func synchronised() (string, error) {
	if kernel.ClockGiven() {
		return "", nil // it is right by definition
	}
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return "", fmt.Errorf("cannot ask the kernel about its clock: %w", err)
	}
	if t.Status&unix.STA_UNSYNC != 0 {
		return "the system clock is not synchronised", nil
	}
	return "", nil
}

// Switches returns the hold switches of the host that are on, in words. What can't be read counts as on.
func (h Host) Switches() []string {
	var on []string
	switch _, err := os.Lstat(h.HoldFile); {
	case err == nil:
		on = append(on, h.HoldFile)
	case !errors.Is(err, fs.ErrNotExist):
		on = append(on, fmt.Sprintf("%s, which cannot be looked at (%v)", h.HoldFile, err))
	}
	line, err := os.ReadFile(h.Cmdline)
	switch {
	case err == nil:
		if parameter := holdParameter(string(line)); parameter != "" {
			on = append(on, parameter+" on the kernel command line")
		}
	case !errors.Is(err, fs.ErrNotExist):
		on = append(on, fmt.Sprintf("the kernel command line, which cannot be read (%v)", err))
	}
	return on
}

// SwitchesOn returns those that are on for a filesystem: the host's, and its own.
func (h Host) SwitchesOn(f *kernel.Filesystem) []string {
	on := h.Switches()
	switch there, err := f.Exists(HoldPath); {
	case err != nil:
		on = append(on, fmt.Sprintf("%s on the filesystem, which can't be looked at (%v)", HoldPath, err))
	case there:
		on = append(on, HoldPath+" on the filesystem")
	}
	return on
}

// holdParameter returns the parameter that switches the hold on, "" if there is none. As with most parameters, the last
// one counts.
func holdParameter(cmdline string) string {
	on := ""
	for _, p := range strings.Fields(cmdline) {
		switch name, value, _ := strings.Cut(p, "="); {
		case name != "coppice.hold":
		case value == "0" || value == "no" || value == "off" || value == "false":
			on = ""
		default:
			on = p
		}
	}
	return on
}
