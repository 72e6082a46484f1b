package subvolume

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// snapshotPrivate is what Apply takes.
type snapshotPrivate struct {
	Filesystem string
	Stamp      string
	Into       string
	Items      []snapshotItem // one for each change, in the same order
	Output     SnapshotOutput // what is known of it
	Untrusted  string         // why the clock that dates the snapshots can't be believed; "" if it can
}

type snapshotItem struct {
	Source     string
	SourceUUID kernel.UUID
	Path       string
	Output     int // index in Output.Snapshots
}

// snapshotFacts is what a plan rests on. A source that an earlier step of the same run made is known by its path only.
type snapshotFacts struct {
	Filesystem string       `json:"filesystem"`
	Sources    []sourceFact `json:"sources"`
}

type sourceFact struct {
	Path  string `json:"path"`
	UUID  string `json:"uuid,omitempty"`
	State string `json:"state"` // take, taken, missing or wrong
}

// coarse is more than creation times can lag behind the clock: they are those of the kernel's last tick.
const coarse = 20 * time.Millisecond

type snapshotPlan = sdk.Planned[SnapshotOutput, snapshotPrivate]

// snapshotPlanner is the state of one planSnapshot.
type snapshotPlanner struct {
	m       *machine
	in      SnapshotInput
	into    string
	run     string
	instant time.Time
	stamp   string
	planned snapshotPlan
	facts   snapshotFacts
}

func planSnapshot(m *machine, in SnapshotInput, into, run string, instant time.Time) (snapshotPlan, error) {
	p := &snapshotPlanner{m: m, in: in, into: into, run: run, instant: instant, stamp: StampOf(instant)}
	p.planned.Outputs = SnapshotOutput{Stamp: p.stamp, Snapshots: []TakenSnapshot{}, Missing: []string{}}
	if err := p.refused(); err != nil {
		return snapshotPlan{}, err
	}
	for i, s := range m.sources {
		p.source(i, s)
	}
	taken := len(p.planned.Outputs.Snapshots)
	switch {
	case taken == 0 && len(p.planned.Outputs.Missing) == len(m.sources):
		return snapshotPlan{}, p.noneExists()
	case taken == 0:
		return snapshotPlan{}, wrongItems(p.planned.Diagnostics)
	case len(p.planned.Changes) > 0 && m.readOnly:
		return snapshotPlan{}, m.readOnlyError("no snapshot can be taken")
	}
	p.finish()
	return p.planned, nil
}

// refused returns everything that is wrong with the inputs as such: then nothing is taken.
func (p *snapshotPlanner) refused() error {
	var errs []error
	if t := p.m.things[p.into]; t.err != nil {
		errs = append(errs, volume.Explain("/into", t.err))
	} else if kind, there := p.m.other(p.into); there && kind != kernel.EntryDir {
		errs = append(errs, sdk.InvalidInput("/into", "%q is a %v, not a folder", p.into, kind))
	}
	folders := map[string]int{}
	for i, s := range p.m.sources {
		switch {
		case s.problem != nil:
			errs = append(errs, s.problem)
			continue
		case s.missing:
			continue
		}
		folder := FolderOf(s.path)
		if len(folder) > volume.NameMax {
			errs = append(errs, sdk.InvalidInput(volume.At("sources", i), "the folder for the snapshots of %q would have a name of %d bytes; %d is the most", s.path, len(folder), volume.NameMax))
		}
		first, taken := folders[folder]
		switch {
		case !taken:
			folders[folder] = i
		case p.m.sources[first].path == s.path:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "name each source once", "%q and %q are the same subvolume", p.m.sources[first].given, s.given))
		default:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "take them in two steps with different folders in \"into\"",
				"%q and %q would have the same folder %q for their snapshots", p.m.sources[first].path, s.path, folder))
		}
	}
	return errors.Join(errs...)
}

// source decides about one source.
func (p *snapshotPlanner) source(i int, s source) {
	input := volume.At("sources", i)
	sub, exists := p.m.at(s.path)
	fact := sourceFact{Path: s.path, State: "missing"}
	defer func() { p.facts.Sources = append(p.facts.Sources, fact) }()
	if s.missing || !exists {
		if kind, there := p.m.other(s.path); there {
			fact.State = "wrong"
			p.diagnose(volume.Invalid(input, "only subvolumes can be snapshotted", "%q is a %v, not a subvolume", s.path, kind))
			return
		}
		if err := p.m.things[s.path].err; err != nil {
			fact.State = "wrong"
			p.diagnose(volume.Explain(input, err))
			return
		}
		p.missing(input, s)
		return
	}
	if !sub.planned && sub.OTime.Before(p.instant.Add(-coarse)) {
		fact.UUID = sub.id()
	}
	folder := p.into + "/" + FolderOf(s.path)
	dest := folder + "/" + p.stamp
	taken := TakenSnapshot{Source: s.path, Path: dest}
	state, err := p.destination(input, folder, dest, s.path, &taken)
	fact.State = state
	switch state {
	case "wrong":
		p.diagnose(err)
		return
	case "take":
		p.take(sub, taken)
	}
	p.planned.Outputs.Snapshots = append(p.planned.Outputs.Snapshots, taken)
}

// destination finds out whether the snapshot can be taken, or has been by this very run.
func (p *snapshotPlanner) destination(input, folder, dest, source string, taken *TakenSnapshot) (state string, err error) {
	n := len(p.planned.Outputs.Snapshots)
	if there, ok := p.m.at(dest); ok {
		known, recorded := p.m.state.catalogue.find(there.Subvolume)
		switch {
		case there.planned && there.source == source:
			p.unknown(n)
		case recorded && known.run == p.run && known.Source == source:
			taken.UUID, taken.Transaction = sdk.UUID(there.id()), int64(there.OTransID)
		default:
			return "wrong", volume.Refuse("", "cannot snapshot %q: a subvolume %q exists already and is not of this run", source, dest)
		}
		p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.m.resource(dest, there.id()), Reason: "taken already by this run"})
		return "taken", nil
	}
	if kind, there := p.m.other(dest); there {
		return "wrong", volume.Refuse("", "cannot snapshot %q: a %v %q is in the way", source, kind, dest)
	}
	for _, path := range []string{folder, dest} {
		if err := p.m.things[path].err; err != nil {
			return "wrong", volume.Explain(input, err)
		}
	}
	if kind, there := p.m.other(folder); there && kind != kernel.EntryDir {
		return "wrong", volume.Refuse("move it away", "cannot snapshot %q: its folder %q is a %v", source, folder, kind)
	}
	if around, sealed := p.m.sealed(dest); sealed {
		return "wrong", volume.Refuse("choose another folder as \"into\"", "cannot snapshot %q: its folder lies in the subvolume %q, which is read-only", source, around.Path)
	}
	return "take", nil
}

// take plans one snapshot.
func (p *snapshotPlanner) take(sub subvolume, taken TakenSnapshot) {
	n := len(p.planned.Outputs.Snapshots)
	p.unknown(n)
	kind := "read-only"
	if !p.in.ReadOnly {
		kind = "writable"
	}
	p.planned.Changes = append(p.planned.Changes, sdk.Change{
		Kind:     sdk.Create,
		Resource: p.m.resource(taken.Path, ""),
		Summary:  fmt.Sprintf("%s snapshot of %s", kind, taken.Source),
		After: attributes{
			Source: taken.Source, ParentUUID: sub.id(), ReadOnly: p.in.ReadOnly, Managed: p.in.ReadOnly, Created: p.instant.UTC(),
		}.encode(),
	})
	p.planned.Private.Items = append(p.planned.Private.Items, snapshotItem{
		Source: taken.Source, SourceUUID: sub.UUID, Path: taken.Path, Output: n,
	})
}

func (p *snapshotPlanner) unknown(snapshot int) {
	p.planned.Unknown = append(p.planned.Unknown,
		fmt.Sprintf("/snapshots/%d/uuid", snapshot), fmt.Sprintf("/snapshots/%d/transaction", snapshot))
}

func (p *snapshotPlanner) missing(input string, s source) {
	p.planned.Outputs.Missing = append(p.planned.Outputs.Missing, s.path)
	if p.in.OnMissing == "skip" {
		d := sdk.Warning("the subvolume %q does not exist and is skipped", s.path)
		d.Path = input
		p.planned.Diagnostics = append(p.planned.Diagnostics, d)
		return
	}
	p.diagnose(volume.Invalid(input, "correct its name; with on_missing: skip a missing source is only a warning", "the subvolume %q does not exist", s.path))
}

func (p *snapshotPlanner) diagnose(err error) {
	p.planned.Diagnostics = append(p.planned.Diagnostics, volume.ItemError(err))
}

// shownSubvolumes is how many names a message has at most.
const shownSubvolumes = 12

func (p *snapshotPlanner) noneExists() error {
	var names []string
	for _, s := range p.m.subvolumes {
		if !volume.Inside(p.into, s.Path) {
			names = append(names, fmt.Sprintf("%q", s.Path))
		}
	}
	advice := "the filesystem has no subvolumes"
	if len(names) > 0 {
		more := ""
		if len(names) > shownSubvolumes {
			more = fmt.Sprintf(" and %d more", len(names)-shownSubvolumes)
			names = names[:shownSubvolumes]
		}
		advice = "the filesystem has " + strings.Join(names, ", ") + more
	}
	return volume.Invalid("/sources", advice, "none of the sources exists: %s", quoted(p.planned.Outputs.Missing))
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(all, ", ")
}

// wrongItems makes the errors about single items one about all: nothing is left to do.
func wrongItems(all []sdk.Diagnostic) error {
	var errs []error
	for _, d := range all {
		if d.Severity == sdk.SeverityError {
			errs = append(errs, &sdk.Error{Reason: d.Reason, Path: d.Path, Summary: d.Summary, Advice: d.Advice})
		}
	}
	return errors.Join(errs...)
}

func (p *snapshotPlanner) finish() {
	out := &p.planned.Outputs
	if len(p.planned.Unknown) > 0 {
		p.planned.Unknown = append(p.planned.Unknown, "/atomic", "/attempts")
	} else {
		out.Atomic = sameTransaction(out.Snapshots)
	}
	p.facts.Filesystem = p.m.uuid
	p.planned.Facts = p.facts
	// The snapshots get their creation time from the system's clock, not from the run's instant.
	if c := p.m.trustNow(p.in.Clock); !c.Trusted {
		p.planned.Private.Untrusted = c.Why
	}
	p.planned.Private.Filesystem = p.m.uuid
	p.planned.Private.Stamp = p.stamp
	p.planned.Private.Into = p.into
	p.planned.Private.Output = *out
}

// sameTransaction reports whether all snapshots are of one moment.
func sameTransaction(all []TakenSnapshot) bool {
	for _, s := range all {
		if s.UUID == "" || s.Transaction != all[0].Transaction {
			return false
		}
	}
	return len(all) > 0
}
