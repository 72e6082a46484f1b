package subvolume

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// adoptedBy is who has taken the members of a record of adopted snapshots.
const adoptedBy = "btrfs.adopt"

// adoptPrivate is what Apply writes down: one item for each change.
type adoptPrivate struct {
	Filesystem string
	Source     string
	Stamp      string
	Items      []adoptItem
	Output     AdoptOutput
}

type adoptItem struct {
	Path string
	UUID kernel.UUID
}

type adoptPlan = sdk.Planned[AdoptOutput, adoptPrivate]

// adoptFacts is what a plan rests on.
type adoptFacts struct {
	Filesystem string   `json:"filesystem"`
	Adopted    []string `json:"adopted"` // UUIDs
}

// adopter is the state of one planAdopt.
type adopter struct {
	m       *machine
	into    string
	source  string
	others  map[string]string // the other sources that coppice has snapshots of, by the folder of these
	instant time.Time
	planned adoptPlan
}

func planAdopt(m *machine, in AdoptInput, into, folder string, instant time.Time) (adoptPlan, error) {
	if err := m.mayTouch(); err != nil {
		return adoptPlan{}, err
	}
	if len(m.state.corrupt) > 0 {
		return adoptPlan{}, volume.Refuse("repair the file, or remove it: then the snapshots that it lists are foreign, and can be adopted",
			"a record of the catalogue can't be read, so nobody knows what is adopted already: %v", m.state.corrupt[0])
	}
	a := &adopter{m: m, into: into, instant: instant}
	a.planned.Outputs = AdoptOutput{Adopted: []AdoptedSnapshot{}, Left: []LeftSnapshot{}}
	switch s := m.sources[0]; {
	case s.problem != nil:
		s.problem.Path = "/source"
		return adoptPlan{}, s.problem
	case s.missing:
		return adoptPlan{}, volume.Invalid("/source", "name it by its path from the filesystem's top level", "%q does not exist, so nobody knows which subvolume it means", s.given)
	default:
		a.source = s.path
	}
	a.knowOthers()
	chosen, err := a.named(in.Subvolumes)
	if err == nil && folder != "" {
		var more []subvolume
		more, err = a.of(folder, in.Prefix)
		chosen = append(chosen, more...)
	}
	if err != nil {
		return adoptPlan{}, err
	}
	sort.Slice(chosen, func(i, j int) bool { return chosen[i].Path < chosen[j].Path })
	chosen = slices.CompactFunc(chosen, func(a, b subvolume) bool { return a.Path == b.Path })
	facts := adoptFacts{Filesystem: m.uuid, Adopted: []string{}}
	for _, s := range chosen {
		a.adopt(s)
		facts.Adopted = append(facts.Adopted, s.key())
	}
	if len(a.planned.Changes) > 0 && m.readOnly {
		return adoptPlan{}, m.readOnlyError("no record can be written")
	}
	sort.Slice(a.planned.Outputs.Left, func(i, j int) bool { return a.planned.Outputs.Left[i].Path < a.planned.Outputs.Left[j].Path })
	a.planned.Facts = facts
	a.planned.Private.Filesystem, a.planned.Private.Source, a.planned.Private.Stamp = m.uuid, a.source, StampOf(instant)
	a.planned.Private.Output = a.planned.Outputs
	return a.planned, nil
}

// named finds those that the inputs name, each of which must be adoptable.
func (a *adopter) named(given []string) (chosen []subvolume, err error) {
	var errs []error
	for i, g := range given {
		input := volume.At("subvolumes", i)
		s, there, err := a.m.wanted(input, g)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case !there:
			errs = append(errs, volume.Invalid(input, "\"btrfs subvolume list\" shows what there is", "there is no subvolume %q", g))
			continue
		}
		why, done := a.unfit(s)
		switch other, is := a.otherSource(s); {
		case done:
			a.leave(s, why)
		case why != "":
			errs = append(errs, sdk.InvalidInput(input, "%q can't be adopted: %s", s.Path, why))
		default:
			if is {
				a.planned.Diagnostics = append(a.planned.Diagnostics, volume.Warn("check the source", "%q is a snapshot of %q", s.Path, other))
			}
			chosen = append(chosen, s)
		}
	}
	return chosen, errors.Join(errs...)
}

// of finds what can be adopted of a folder.
func (a *adopter) of(folder, prefix string) (chosen []subvolume, err error) {
	switch t := a.m.things[folder]; {
	case t.err != nil:
		return nil, volume.Explain("/folder", t.err)
	case !t.found:
		return nil, sdk.InvalidInput("/folder", "there is no folder %q", folder)
	case t.kind != kernel.EntryDir && t.kind != kernel.EntrySubvolume:
		return nil, sdk.InvalidInput("/folder", "%q is a %v", folder, t.kind)
	case folder != a.into && !volume.Inside(a.into, folder):
		return nil, volume.Invalid("/folder", "give the folder around it as snapshots, to this and to btrfs.prune", "%q is not in the folder of snapshots %q", folder, a.into)
	}
	for _, s := range a.m.subvolumes {
		name := s.Name()
		parent := volume.ParentOf(s.Path)
		if _, is := snapperPlace(s.Path); is && volume.ParentOf(parent) == folder {
			name, parent = path.Base(parent), folder
		}
		if parent != folder || !strings.HasPrefix(name, prefix) || s.planned {
			continue
		}
		why, _ := a.unfit(s)
		if other, is := a.otherSource(s); is && why == "" {
			why = fmt.Sprintf("it is a snapshot of %q", other)
		}
		if why != "" {
			a.leave(s, why)
			continue
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

// unfit says why a subvolume can't be adopted; done: because it is adopted already.
func (a *adopter) unfit(s subvolume) (why string, done bool) {
	info, snapper := snapperPlace(s.Path)
	switch {
	case s.planned:
		return "it is not made yet", false
	case s.managed() && s.source == a.source:
		return "it is a managed snapshot of that source already", true
	case s.managed():
		return fmt.Sprintf("it is a managed snapshot of %q already", s.source), false
	case s.Path == volume.StateFolder || volume.Inside(volume.StateFolder, s.Path):
		return "it lies among coppice's own records", false
	case !volume.Inside(a.into, s.Path):
		return fmt.Sprintf("it is not in the folder of snapshots %q", a.into), false
	case s.Path == a.source:
		return "it is the source itself", false
	case !s.ReadOnly:
		return "it is writable", false
	case s.UUID.IsZero():
		return "it has no UUID", false
	case snapper && a.m.things[info].err != nil:
		return fmt.Sprintf("%q can't be looked at: %v", info, a.m.things[info].err), false
	case snapper && a.m.things[info].found:
		return fmt.Sprintf("snapper has it in its books: %q lies beside it", snapperInfo), false
	case s.OTime.Unix() <= 0:
		return "it has no creation time", false
	case a.m.unsynced == "" && s.OTime.After(a.instant.Add(retention.FutureTolerance)):
		return "it was created in the future, " + volume.Moment(s.OTime), false
	}
	return "", false
}

// knowOthers finds the other sources.
func (a *adopter) knowOthers() {
	a.others = map[string]string{}
	add := func(source string) {
		if source != "" && source != a.source {
			a.others[a.into+"/"+FolderOf(source)] = source
		}
	}
	a.m.state.catalogue.members(func(known member) { add(known.Source) })
	for _, s := range a.m.subvolumes {
		if s.planned {
			add(s.source)
		}
	}
	delete(a.others, a.into+"/"+FolderOf(a.source)) // two can have the same
}

// otherSource is the subvolume that one is a snapshot of, if that is known and is not the source: by the folder that it lies in,
// that of another source, or by its parent. A parent that is a snapshot itself tells nothing, as an earlier root in an archive
// does not, unless there are snapshots of it: a root that was put back, or made of an empty one, is such a parent.
func (a *adopter) otherSource(s subvolume) (string, bool) {
	if other, is := a.others[volume.ParentOf(s.Path)]; is {
		return other, true
	}
	if s.ParentUUID.IsZero() {
		return "", false
	}
	parent, there := a.m.withUUID(s.ParentUUID)
	if !there || parent.Path == a.source || parent.ReadOnly {
		return "", false
	}
	if !parent.ParentUUID.IsZero() && a.others[a.into+"/"+FolderOf(parent.Path)] != parent.Path {
		return "", false
	}
	return parent.Path, true
}

func (a *adopter) leave(s subvolume, why string) {
	a.planned.Outputs.Left = append(a.planned.Outputs.Left, LeftSnapshot{Path: s.Path, Why: why})
	a.planned.Kept = append(a.planned.Kept, sdk.Kept{Resource: a.m.resource(s.Path, s.id()), Reason: why})
}

func (a *adopter) adopt(s subvolume) {
	if !s.ReceivedUUID.IsZero() {
		a.planned.Diagnostics = append(a.planned.Diagnostics, volume.Warn("pin what an incremental transfer still needs",
			"%q was received: its age counts from then, not from when it was taken", s.Path))
	}
	if btrbkName(s.Name()) {
		a.planned.Diagnostics = append(a.planned.Diagnostics, volume.Warn("stop btrbk, or let it keep other snapshots",
			"%q is named as btrbk does it, which deletes by name", s.Path))
	}
	created := s.OTime.UTC()
	a.planned.Outputs.Adopted = append(a.planned.Outputs.Adopted, AdoptedSnapshot{Path: s.Path, UUID: sdk.UUID(s.id()), Created: created})
	a.planned.Changes = append(a.planned.Changes, sdk.Change{
		Kind:     sdk.Update,
		Resource: a.m.resource(s.Path, s.id()),
		Summary:  fmt.Sprintf("managed, as a snapshot of %s of %s", a.source, volume.Moment(created)),
		Before:   attributes{ParentUUID: uuidText(s.ParentUUID), ReadOnly: true, Created: created}.encode(),
		After:    attributes{Source: a.source, ParentUUID: uuidText(s.ParentUUID), ReadOnly: true, Managed: true, Created: created}.encode(),
	})
	a.planned.Private.Items = append(a.planned.Private.Items, adoptItem{Path: s.Path, UUID: s.UUID})
}

// snapperPlace reports whether a subvolume is where snapper has its snapshots, N/snapshot, and where its info is then.
func snapperPlace(p string) (info string, is bool) {
	folder := volume.ParentOf(p)
	if path.Base(p) != "snapshot" || !snapperName(path.Base(folder)) {
		return "", false
	}
	return folder + "/" + snapperInfo, true
}

// overlayAdoption makes a snapshot managed that an earlier step adopts.
func (m *machine) overlayAdoption(c sdk.Change) {
	var a attributes
	id, err := kernel.ParseUUID(c.Resource.ID)
	if err != nil || json.Unmarshal(c.After, &a) != nil || !a.Managed || a.Source == "" {
		return
	}
	m.state.catalogue.add("", record{TakenBy: adoptedBy, Members: []member{{Path: c.Resource.Name, Source: a.Source, UUID: id, Adopted: true}}})
}
