package layout

import (
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// propertyPrivate is what Apply sets: nothing if Set is false.
type propertyPrivate struct {
	Filesystem  string
	Path        string
	Kind        kernel.EntryType
	Inode       uint64
	UUID        kernel.UUID // of the subvolume, if it is one
	ReadOnly    *bool       // to set, in this direction
	Compression string
	NoCow       bool
	Set         bool
	Output      PropertyOutput
}

type propertyPlan = sdk.Planned[PropertyOutput, propertyPrivate]

type propertyFacts struct {
	Filesystem string           `json:"filesystem"`
	Path       string           `json:"path"`
	Subvolume  string           `json:"subvolume,omitempty"`
	Kind       kernel.EntryType `json:"kind"`
	From       PropertyOutput   `json:"from"`
}

func planProperty(v *subvolume.View, t target, in PropertyInput, instant time.Time) (propertyPlan, error) {
	var planned propertyPlan
	w := wish{compression: in.Compression, noCow: in.NoCow}
	if bad := w.check(""); bad != nil {
		return planned, bad
	}
	switch {
	case in.ReadOnly == nil && in.Compression == "" && in.NoCow == nil:
		return planned, volume.Invalid("", "give one of read_only, compression, no_cow", "there is no property to set")
	case reserved(t.path):
		return planned, reservedError("/path", t.path)
	case !t.found:
		return planned, sdk.InvalidInput("/path", "there is nothing at %q", t.path)
	case t.unreadable != nil:
		return planned, volume.Explain("/path", t.unreadable)
	}
	from := PropertyOutput{Compression: t.compression, NoCow: t.noCow, ReadOnly: t.readOnly()}
	to, conflict := w.apply(t.storage)
	out := PropertyOutput{Compression: to.compression, NoCow: to.noCow, ReadOnly: from.ReadOnly}
	if in.ReadOnly != nil {
		out.ReadOnly = *in.ReadOnly
	}
	planned.Outputs = out
	facts := propertyFacts{Filesystem: v.UUID(), Path: t.path, Kind: t.kind, From: from}
	private := propertyPrivate{Filesystem: v.UUID(), Path: t.path, Kind: t.kind, Inode: t.inode, Compression: to.compression, NoCow: to.noCow, Output: out}
	resource := v.Named(subvolume.FileType, shownPath(t.path))
	if t.sub != nil {
		resource = v.Resource(*t.sub)
		facts.Subvolume, private.UUID = t.sub.Fact(instant), t.sub.UUID
	}
	planned.Facts, planned.Private = facts, private
	if in.ReadOnly != nil && t.sub == nil {
		return planned, t.notSubvolume()
	}
	if from == out {
		planned.Kept = []sdk.Kept{{Resource: resource, Reason: "is so already"}}
		return planned, nil
	}
	if err := t.mayStore(v, to, conflict, out.ReadOnly); err != nil {
		return planned, err
	}
	before, after, words := shapes(t.storage, to)
	changes := [2]subvolume.Properties{{Shape: before}, {Shape: after}}
	if from.ReadOnly != out.ReadOnly {
		if err := t.mayFlag(v, out.ReadOnly, instant); err != nil {
			return planned, err
		}
		planned.Private.ReadOnly = in.ReadOnly
		changes[0].ReadOnly, changes[1].ReadOnly = &from.ReadOnly, &out.ReadOnly
		words = append(words, map[bool]string{true: "read-only", false: "writable"}[out.ReadOnly])
		if where := v.Mounted(*t.sub); where != "" && out.ReadOnly {
			planned.Diagnostics = append(planned.Diagnostics, warning("/read_only", "", "%q is %s: whoever writes there fails from now on", t.path, where))
		}
	}
	if k := t.keeps(to); k != keptNothing {
		words := k.words(fmt.Sprintf("%q", shownPath(t.path)))
		if t.kind == kernel.EntryFile {
			words = fmt.Sprintf("the data that is in %q already stays as it is", t.path)
		}
		planned.Diagnostics = append(planned.Diagnostics, warning("/path", k.advice(), "%s", words))
	}
	planned.Private.Set = true
	planned.Changes = []sdk.Change{subvolume.UpdateOf(resource, strings.Join(words, ", "), changes[0], changes[1])}
	return planned, nil
}

// readOnly reports whether it can't be written to because of a subvolume.
func (t target) readOnly() bool {
	return t.sealed != nil && t.sub == nil || t.sub != nil && t.sub.ReadOnly
}

func (t target) notSubvolume() error {
	if t.path == "" {
		return sdk.InvalidInput("/read_only", "the top level stays writable: everything is in it")
	}
	return volume.Invalid("/read_only", "\"chattr +i\" keeps a single file from being changed", "%q is a %v: only subvolumes can be read-only", t.path, t.kind)
}

// mayStore says why the storage can't be changed.
func (t target) mayStore(v *subvolume.View, to storage, conflict string, readOnly bool) error {
	if err := v.Writable("no property can be set"); err != nil {
		return err
	}
	if t.storage == to {
		return nil
	}
	switch {
	case conflict != "" && to.noCow == t.noCow:
		return volume.Invalid("/compression", "give no_cow: false too", "%q can't have the compression %s: %s", shownPath(t.path), to.compression, conflict)
	case conflict != "":
		return volume.Invalid("/no_cow", "give compression: default too", "%q can't be without copy on write: %s", shownPath(t.path), conflict)
	case t.kind == kernel.EntryFile && !t.empty && t.noCow != to.noCow:
		return volume.Invalid("/no_cow", "make an empty file, set no_cow, then copy the data into it (cp --reflink=never); or set it on the folder before files are made in it",
			"there is data in the file %q: the kernel would ignore no_cow without a word", t.path)
	case t.sub == nil && t.sealed != nil:
		return sdk.InvalidInput("/path", "%q lies in the subvolume %q, which is read-only", t.path, t.sealed.Path)
	case t.sub != nil && t.sub.ReadOnly && readOnly:
		return volume.Invalid("/path", "give read_only: false too", "the subvolume %q is read-only", t.path)
	}
	return nil
}

// mayFlag says why a subvolume can't be made read-only, or writable.
func (t target) mayFlag(v *subvolume.View, readOnly bool, instant time.Time) error {
	s := *t.sub
	if err := v.MayTouch(); err != nil {
		return err
	}
	if readOnly {
		return swapError("/read_only", "could then not be switched off", s, t.swapFiles)
	}
	switch pinned := v.Pinned(s, instant); {
	case !s.ReceivedUUID.IsZero():
		return volume.Invalid("/read_only", "make a writable snapshot of it and use that one",
			"%q was received from another filesystem: writable it would go on saying that it is the same as the one that was sent, and spoil the next incremental transfer", s.Path)
	case s.Managed():
		return volume.Invalid("/read_only", "make a writable snapshot of it and use that one", "%q is a managed snapshot of %q", s.Path, s.Source)
	case pinned != "":
		return volume.Invalid("/read_only", "make a writable snapshot of it and use that one", "%q must stay as it is: %s", s.Path, pinned)
	}
	return nil
}

// swapError says which active swap file keeps a subvolume from being changed; nil: none.
func swapError(input, consequence string, s subvolume.Known, files []kernel.SwapFile) error {
	for _, file := range files {
		if !s.Planned && (file.Subvolume == s.ID || !file.Certain) {
			return volume.Invalid(input, fmt.Sprintf("\"swapoff %s\" first", file.Path), "%v in %q %s", file, s.Path, consequence)
		}
	}
	return nil
}
