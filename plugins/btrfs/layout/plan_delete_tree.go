package layout

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// deleteTreePrivate is what Apply does: one operation for each change, in the same order.
type deleteTreePrivate struct {
	Filesystem string
	Operations []operation
}

// operation makes one subvolume writable, or deletes it.
type operation struct {
	Path   string
	UUID   kernel.UUID
	Open   bool // make it writable, so that what is in it can go
	Output int  // index in the output of what is deleted
}

type deleteTreePlan = sdk.Planned[DeleteTreeOutput, deleteTreePrivate]

type deleteTreeFacts struct {
	Filesystem string   `json:"filesystem"`
	Held       bool     `json:"held"`
	Deleted    []string `json:"deleted"` // in order
	Opened     []string `json:"opened"`
}

func planDeleteTree(v *subvolume.View, swaps []kernel.SwapFile, in DeleteTreeInput, instant time.Time) (deleteTreePlan, error) {
	planned := deleteTreePlan{Outputs: DeleteTreeOutput{Deleted: []DeletedSubvolume{}}}
	if err := v.MayDelete(); err != nil {
		return planned, err
	}
	going, named, err := chooseTrees(v, in)
	if err != nil {
		return planned, err
	}
	g := guard{v: v, swaps: swaps, going: going, instant: instant}
	var errs []error
	for _, s := range going {
		if words, advice := g.stays(s); words != "" {
			errs = append(errs, volume.Invalid(named[s.Path], advice, "%q must stay: %s", s.Path, words))
		}
	}
	for _, source := range v.Last(going, instant) {
		errs = append(errs, volume.Invalid("/subvolumes", "take another snapshot of it first, or keep this one", "no valid snapshot of %q would be left", source))
	}
	if err := errors.Join(errs...); err != nil {
		return planned, err
	}
	if len(going) > 0 {
		if err := v.Writable("nothing can be deleted"); err != nil {
			return planned, err
		}
	}
	held := v.Held()
	facts := deleteTreeFacts{Filesystem: v.UUID(), Held: held != "", Deleted: []string{}, Opened: []string{}}
	planned.Private.Filesystem = v.UUID()
	if held != "" && len(going) > 0 {
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("remove the hold switch when deleting is safe again", "nothing is deleted: %s", held))
	}
	opened := map[string]bool{}
	for _, s := range going {
		facts.Deleted = append(facts.Deleted, s.Fact(instant))
		if held != "" {
			planned.Kept = append(planned.Kept, sdk.Kept{Resource: v.Resource(s), Reason: held})
			continue
		}
		if around, sealed := v.Sealed(s.Path); sealed && !opened[around.Path] {
			opened[around.Path] = true
			facts.Opened = append(facts.Opened, around.Fact(instant))
			planOpening(v, &planned, around, s)
		}
		planDeletion(v, &planned, s, named)
	}
	planned.Facts = facts
	return planned, nil
}

// planOpening plans to make one writable so that another one in it can go.
func planOpening(v *subvolume.View, planned *deleteTreePlan, around, s subvolume.Known) {
	yes, no := true, false
	c := subvolume.UpdateOf(v.Resource(around), "writable", subvolume.Properties{ReadOnly: &yes}, subvolume.Properties{ReadOnly: &no})
	c.Reason = fmt.Sprintf("so that %s in it can be deleted", s.Path)
	planned.Changes = append(planned.Changes, c)
	planned.Private.Operations = append(planned.Private.Operations, operation{Path: around.Path, UUID: around.UUID, Open: true})
}

func planDeletion(v *subvolume.View, planned *deleteTreePlan, s subvolume.Known, named map[string]string) {
	n := len(planned.Outputs.Deleted)
	if s.Planned {
		planned.Unknown = append(planned.Unknown, fmt.Sprintf("/deleted/%d/uuid", n))
	}
	reason := "named in the playbook"
	if named[s.Path] == nestedInput {
		reason = "lies in one that is named"
	}
	planned.Changes = append(planned.Changes, sdk.Change{
		Kind: sdk.Delete, Resource: v.Resource(s), Summary: describe(s), Reason: reason, Before: subvolume.BeforeDelete(s),
	})
	planned.Outputs.Deleted = append(planned.Outputs.Deleted, DeletedSubvolume{Path: s.Path, UUID: sdk.UUID(s.IDText())})
	planned.Private.Operations = append(planned.Private.Operations, operation{Path: s.Path, UUID: s.UUID, Output: n})
}

// describe says what goes.
func describe(s subvolume.Known) string {
	var words []string
	if s.ReadOnly {
		words = append(words, "read-only")
	}
	switch {
	case s.Source != "":
		words = append(words, "snapshot of "+s.Source)
	case !s.ReceivedUUID.IsZero():
		words = append(words, "received subvolume")
	case !s.ParentUUID.IsZero():
		words = append(words, "snapshot")
	default:
		words = append(words, "subvolume")
	}
	return strings.Join(words, " ") + ", made " + volume.Moment(s.OTime)
}

// nestedInput stands for the input of a subvolume that is deleted because of another one.
const nestedInput = "/subvolumes"

// chooseTrees finds what goes, innermost first, and the input that names each by path.
func chooseTrees(v *subvolume.View, in DeleteTreeInput) (going []subvolume.Known, named map[string]string, err error) {
	named = map[string]string{}
	var errs []error
	for i, given := range in.Subvolumes {
		input := volume.At("subvolumes", i)
		s, there, err := v.Wanted(input, given)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case !there:
			continue
		case named[s.Path] == "" || named[s.Path] == nestedInput:
			named[s.Path] = input
		}
		var nested []string
		for _, other := range v.All() {
			if !volume.Inside(s.Path, other.Path) {
				continue
			}
			if !slices.Contains(in.Subvolumes, other.Path) && (other.Planned || !slices.Contains(in.Subvolumes, other.UUID.String())) {
				nested = append(nested, fmt.Sprintf("%q", other.Path))
			}
			named[other.Path] = cmp.Or(named[other.Path], nestedInput)
		}
		if len(nested) > 0 && !in.Recursive {
			errs = append(errs, volume.Invalid(input, "with recursive: true they are deleted too", "other subvolumes (%d) lie in %q, such as %s", len(nested), s.Path, nested[0]))
		}
	}
	for _, s := range v.All() {
		if named[s.Path] != "" {
			going = append(going, s)
		}
	}
	depth := func(s subvolume.Known) int { return strings.Count(s.Path, "/") }
	sort.SliceStable(going, func(i, j int) bool { return depth(going[j]) < depth(going[i]) })
	return going, named, errors.Join(errs...)
}

// guard finds out what keeps a subvolume from being deleted.
type guard struct {
	v       *subvolume.View
	swaps   []kernel.SwapFile
	going   []subvolume.Known
	instant time.Time
}

// stays says why one must stay, and what could be done; "": it may go.
func (g guard) stays(s subvolume.Known) (words, advice string) {
	if reserved(s.Path) {
		return "it belongs to coppice's own records", ""
	}
	if g.v.Receiving(s) {
		return "it is being received", "wait until that is through, or stop it; what a transfer that was cut off has left, the next one removes"
	}
	if where := g.v.Mounted(s); where != "" {
		return where, "unmount it first"
	}
	if g.v.IsDefault(s) {
		return "it is the default subvolume", "choose another one first, with btrfs.set_default"
	}
	if held := g.v.Pinned(s, g.instant); held != "" {
		return held, ""
	}
	for _, file := range g.swaps {
		if !s.Planned && file.Certain && file.Subvolume == s.ID { // of others the kernel knows: it refuses
			return fmt.Sprintf("%v is in it", file), fmt.Sprintf("\"swapoff %s\" first", file.Path)
		}
	}
	if n := g.v.SnapshotsOf(s.Path); n > 0 {
		return fmt.Sprintf("it has managed snapshots (%d)", n), "if it has had its day, rename it first, with btrfs.rename; its snapshots stay"
	}
	if around, sealed := g.v.Sealed(s.Path); sealed && !slices.ContainsFunc(g.going, func(o subvolume.Known) bool { return o.Path == around.Path }) {
		return fmt.Sprintf("it lies in %q, which is read-only and stays", around.Path), "delete that one too, or make it writable first, with btrfs.property"
	}
	return "", ""
}
