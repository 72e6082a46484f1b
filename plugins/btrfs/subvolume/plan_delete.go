package subvolume

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// deletePrivate is what Apply deletes: what is at the same index of Output.Deleted and of the changes.
type deletePrivate struct {
	Filesystem string
	Into       string
	Items      []doomed
	Output     DeleteOutput
}

type deletePlan = sdk.Planned[DeleteOutput, deletePrivate]

// deleteFacts is what a plan rests on.
type deleteFacts struct {
	Filesystem string       `json:"filesystem"`
	Held       bool         `json:"held"`
	Members    []memberFact `json:"members"` // in the order of the inputs; what is gone is left out
}

// wanted is an input of btrfs.delete: a UUID, or else a path.
type wanted struct {
	id   kernel.UUID
	path string
	bad  error
}

func parseWanted(input, given string) wanted {
	if id, err := kernel.ParseUUID(given); err == nil {
		return wanted{id: id}
	}
	path, bad := volume.CleanPath(input, given)
	switch {
	case bad != nil:
		return wanted{bad: bad}
	case path == "":
		return wanted{bad: sdk.InvalidInput(input, "%q is the filesystem's top level", given)}
	}
	return wanted{path: path}
}

func planDelete(m *machine, in DeleteInput, into string, instant time.Time) (deletePlan, error) {
	shown := clock{Now: instant} // times are only shown here
	if err := m.mayDelete(); err != nil {
		return deletePlan{}, err
	}
	planned := deletePlan{Outputs: DeleteOutput{Deleted: []DeletedSnapshot{}}}
	held := m.held()
	facts := deleteFacts{Filesystem: m.uuid, Held: held != "", Members: []memberFact{}}
	chosen, err := chooseDeleted(m, in, into, m.trust("system", instant))
	if err != nil {
		return deletePlan{}, err
	}
	if held != "" {
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("remove the hold switch when deleting is safe again", "nothing is deleted: %s", held))
	}
	for _, s := range chosen {
		facts.Members = append(facts.Members, memberFact{Snapshot: s.fact(instant), Deleted: held == ""})
		if held != "" {
			planned.Kept = append(planned.Kept, sdk.Kept{Resource: m.resource(s.Path, s.id()), Reason: held})
			continue
		}
		if s.planned {
			planned.Unknown = append(planned.Unknown, fmt.Sprintf("/deleted/%d/uuid", len(planned.Outputs.Deleted)))
		}
		planned.Outputs.Deleted = append(planned.Outputs.Deleted, DeletedSnapshot{Path: s.Path, UUID: sdk.UUID(s.id())})
		planned.Changes = append(planned.Changes, sdk.Change{
			Kind:     sdk.Delete,
			Resource: m.resource(s.Path, s.id()),
			Summary:  "taken " + volume.Moment(m.takenAt(s, shown)),
			Reason:   "named in the playbook",
			Before: attributes{
				Source: s.source, ParentUUID: uuidText(s.ParentUUID), ReadOnly: s.ReadOnly, Managed: true, Created: m.takenAt(s, shown),
			}.encode(),
		})
		planned.Private.Items = append(planned.Private.Items, doomed{ID: s.ID, UUID: s.UUID, Path: s.Path, Source: s.source})
	}
	if len(planned.Changes) > 0 && m.readOnly {
		return deletePlan{}, m.readOnlyError("nothing can be deleted")
	}
	planned.Facts = facts
	planned.Private.Filesystem, planned.Private.Into, planned.Private.Output = m.uuid, into, planned.Outputs
	return planned, nil
}

// chooseDeleted finds the snapshots that the inputs name, each once, or returns an error for every one that must not be
// deleted.
func chooseDeleted(m *machine, in DeleteInput, into string, clock clock) ([]subvolume, error) {
	var chosen []subvolume
	var errs []error
	inputs := map[string]string{} // the input that names a snapshot, by path
	for i, given := range in.Subvolumes {
		input := volume.At("subvolumes", i)
		s, there, err := m.wanted(input, given)
		if err == nil && there {
			err = m.deletable(input, s, into, clock)
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case there && inputs[s.Path] == "":
			inputs[s.Path] = input
			chosen = append(chosen, s)
		}
	}
	for _, last := range m.lastOnes(chosen, into, clock) {
		errs = append(errs, volume.Invalid(inputs[last.Path], "take another snapshot first, or keep this one",
			"%q is the last snapshot of %q that would be left", last.Path, last.source))
	}
	return chosen, errors.Join(errs...)
}

// wanted finds the snapshot that an input names. One that is not there is no error.
func (m *machine) wanted(input, given string) (subvolume, bool, error) {
	w := parseWanted(input, given)
	if w.bad != nil {
		return subvolume{}, false, w.bad
	}
	if !w.id.IsZero() {
		s, there := m.withUUID(w.id)
		return s, there, nil
	}
	if s, there := m.at(w.path); there {
		return s, true, nil
	}
	if err := m.things[w.path].err; err != nil {
		return subvolume{}, false, volume.Explain(input, err)
	}
	if kind, there := m.other(w.path); there {
		return subvolume{}, false, sdk.InvalidInput(input, "%q is a %v, not a subvolume", w.path, kind)
	}
	return subvolume{}, false, nil
}

// deletable says why a subvolume must not be deleted.
func (m *machine) deletable(input string, s subvolume, into string, clock clock) error {
	switch {
	case !volume.Inside(into, s.Path):
		return volume.Invalid(input, "coppice deletes snapshots only; \"btrfs subvolume delete\" deletes anything", "%q is not in the folder of snapshots %q", s.Path, into)
	case s.unmanaged != "":
		return volume.Invalid(input, "coppice deletes only snapshots that it took itself; \"btrfs subvolume delete\" deletes anything", "%q is no managed snapshot: %s", s.Path, s.unmanaged)
	case !s.belongs(into):
		return sdk.InvalidInput(input, "%q is not in the folder %q of its source", s.Path, into+"/"+FolderOf(s.source))
	}
	if all := m.protections(s, clock); len(all) > 0 {
		return sdk.InvalidInput(input, "%q must stay: %s", s.Path, all[0].words)
	}
	return nil
}

// lastOnes returns the newest of the chosen snapshots of each source of which no other valid snapshot would be left.
func (m *machine) lastOnes(chosen []subvolume, into string, clock clock) []subvolume {
	going := map[string]bool{}
	newest := map[string]subvolume{}
	for _, s := range chosen {
		going[s.Path] = true
		if last, ok := newest[s.source]; !ok || cmp.Or(s.OTime.Compare(last.OTime), cmp.Compare(s.OTransID, last.OTransID)) > 0 {
			newest[s.source] = s
		}
	}
	var all []subvolume
	for source, last := range newest {
		stays := func(s subvolume) bool { return !going[s.Path] && m.valid(s, clock) }
		if !slices.ContainsFunc(m.snapshotsOf(source, into), stays) {
			all = append(all, last)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}
