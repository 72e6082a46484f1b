package upkeep

import (
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Types of the resources of this package's changes. Their scope is the filesystem's UUID.
const (
	scrubType      = "btrfs.scrub"
	balanceType    = "btrfs.balance"
	trimType       = "btrfs.trim"
	syncType       = "btrfs.sync"
	devicesType    = "btrfs.device-errors"
	defragmentType = "btrfs.defragmentation"
)

// named is a filesystem as its resources and messages call it.
type named struct {
	id    string // UUID
	label string
}

func nameOf(f *kernel.Filesystem) (named, error) {
	label, err := f.Label()
	if err != nil {
		return named{}, volume.Explain("", err)
	}
	return named{f.UUID().String(), label}, nil
}

// name is the label, or the UUID where there is none.
func (n named) name() string {
	if n.label != "" {
		return n.label
	}
	return n.id
}

func (n named) resource(kind string) sdk.Resource {
	return sdk.Resource{Type: kind, Scope: n.id, Name: n.name(), ID: n.id}
}

// planned reports whether an earlier step of a preview does the same.
func (n named) planned(kind string, prior []sdk.Change) bool {
	return slices.ContainsFunc(prior, func(c sdk.Change) bool { return c.Resource.Type == kind && c.Resource.Scope == n.id })
}

// readOnlyError says why an action can't be.
func (n named) readOnlyError(consequence, advice string) error {
	if advice == "" {
		advice = "make it writable (mount -o remount,rw); when the kernel made it read-only after an error, \"dmesg\" says why"
	}
	return volume.Refuse(advice, "btrfs %s is read-only: %s", n.name(), consequence)
}

// busyError names what is under way.
func (n named) busyError(consequence, what, advice string) error {
	return &sdk.Error{Reason: sdk.Busy, Summary: "btrfs " + n.name() + " " + consequence + ": " + what, Advice: advice}
}

// exclusiveProblem is what an exclusive operation of the kernel ("balance paused", "device remove") means for the user; what
// is "" if it keeps nobody from anything.
func exclusiveProblem(operation string) (what, advice string) {
	switch operation {
	case "", "none", "swap activate":
		return "", ""
	case "balance":
		return "a balance is running", "wait for it, or stop it with \"btrfs balance cancel\""
	case "balance paused":
		return "a balance is paused", "finish it with \"btrfs balance resume\", or drop it with \"btrfs balance cancel\""
	}
	return "the kernel is at work on another exclusive operation, " + operation, "wait until it is over; \"btrfs device usage\" and \"btrfs replace status\" show how it goes"
}
