package subvolume

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// pinPrivate is what Apply does: one item for each change, in the same order.
type pinPrivate struct {
	Filesystem string
	Items      []pinItem
	Output     PinOutput
}

// pinItem is what becomes of the pin of one holder on one subvolume.
type pinItem struct {
	UUID kernel.UUID
	Path string
	Who  string
	Hold *volume.Hold // nil: it is taken away
}

type pinPlan = sdk.Planned[PinOutput, pinPrivate]

// pinFacts is what a plan rests on.
type pinFacts struct {
	Filesystem string    `json:"filesystem"`
	Members    []pinFact `json:"members"`
}

type pinFact struct {
	Subvolume string        `json:"subvolume"`
	Held      []volume.Hold `json:"held"` // the holder's own pin, if it has one
}

// holdsAttribute is the part of a change that tells the pins of a subvolume, before or after.
type holdsAttribute struct {
	Holds *volume.Holds `json:"holds"` // never nil where a change is about pins
}

func encodeHolds(all volume.Holds) json.RawMessage {
	if all == nil {
		all = volume.Holds{}
	}
	data, err := json.Marshal(holdsAttribute{&all})
	if err != nil {
		panic(err) // its times were read from JSON
	}
	return data
}

// planPin decides for pin, and for unpin if there is no hold.
func planPin(m *machine, given []string, instant time.Time, hold *volume.Hold, who string) (pinPlan, error) {
	if err := m.mayTouch(); err != nil {
		return pinPlan{}, err
	}
	planned := pinPlan{Outputs: PinOutput{Subvolumes: []PinnedSubvolume{}}}
	facts := pinFacts{Filesystem: m.uuid, Members: []pinFact{}}
	var errs []error
	seen := map[string]bool{}
	for i, g := range given {
		input := volume.At("subvolumes", i)
		s, there, err := m.wanted(input, g)
		if err == nil && !there && hold != nil {
			err = volume.Invalid(input, "\"coppice snapshots list\" shows what there is", "there is no subvolume %q", g)
		}
		gone := !there && err == nil && m.gone(g, &s)
		if err == nil && (there || gone) {
			err = m.readableHolds(input, s)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !there && !gone || seen[s.Path] { // what has none needs no pin taken away
			continue
		}
		seen[s.Path] = true
		facts.Members = append(facts.Members, planPinOf(m, &planned, s, instant, hold, who))
	}
	if len(errs) > 0 {
		return pinPlan{}, errors.Join(errs...)
	}
	if len(planned.Changes) > 0 && m.readOnly {
		return pinPlan{}, m.readOnlyError("no pin can be written or taken away")
	}
	if len(planned.Changes) == 0 {
		planned.Summary = "nothing is pinned by " + who
		if hold != nil {
			planned.Summary = "pinned already"
		}
	}
	planned.Facts = facts
	planned.Private.Filesystem, planned.Private.Output = m.uuid, planned.Outputs
	return planned, nil
}

// gone makes of a UUID what stands for a subvolume that does not exist any more: its pins are left, under the name of their file.
func (m *machine) gone(given string, s *subvolume) bool {
	id, err := kernel.ParseUUID(given)
	holds, read := m.state.holds[id]
	if err != nil || !m.things[holdPath(id)].found || read && len(holds) == 0 {
		return false
	}
	s.UUID, s.Path = id, holdPath(id)
	return true
}

func planPinOf(m *machine, planned *pinPlan, s subvolume, instant time.Time, hold *volume.Hold, who string) pinFact {
	before := m.holdsOf(s)
	own, has := before.Of(who)
	fact := pinFact{Subvolume: s.fact(instant), Held: []volume.Hold{}}
	if has {
		fact.Held = append(fact.Held, own)
	}
	after := before
	change := sdk.Change{Kind: sdk.Update, Resource: m.resource(s.Path, s.id())}
	switch {
	case hold == nil && has:
		after = before.Without(who)
		change.Summary = fmt.Sprintf("not pinned by %s any more", who)
		change.Reason = own.Reason
	case hold != nil && !(has && own.Reason == hold.Reason && own.Until.Equal(hold.Until)):
		after = before.With(*hold)
		change.Summary = "pinned by " + who
		if !hold.Until.IsZero() {
			change.Summary += " until " + volume.Moment(hold.Until)
		}
		change.Reason = hold.Reason
	default:
		reason := "not pinned"
		if len(before) > 0 {
			reason = before.String()
		}
		planned.Kept = append(planned.Kept, sdk.Kept{Resource: m.resource(s.Path, s.id()), Reason: reason})
		change.Kind = ""
	}
	if hold == nil && len(after) > 0 {
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("set who to take that one away: "+after[0].Who, "%q stays %s", s.Path, after))
	}
	if s.planned {
		planned.Unknown = append(planned.Unknown, fmt.Sprintf("/subvolumes/%d/uuid", len(planned.Outputs.Subvolumes)))
	}
	planned.Outputs.Subvolumes = append(planned.Outputs.Subvolumes, PinnedSubvolume{Path: s.Path, UUID: sdk.UUID(s.id()), Pins: pinsOf(after)})
	if change.Kind != "" {
		change.Before, change.After = encodeHolds(before), encodeHolds(after)
		planned.Changes = append(planned.Changes, change)
		planned.Private.Items = append(planned.Private.Items, pinItem{UUID: s.UUID, Path: s.Path, Who: who, Hold: hold})
	}
	return fact
}

// readableHolds says why the pins of a subvolume can't be changed: nobody writes what he could not read.
func (m *machine) readableHolds(input string, s subvolume) error {
	if s.planned {
		return nil
	}
	t := m.things[holdPath(s.UUID)]
	if _, read := m.state.holds[s.UUID]; t.err == nil && (read || !t.found) {
		return nil
	}
	return volume.Invalid(input, "repair the file or, if it holds nothing back, remove it",
		"the pins of %q can't be read: %s is no file of holds", s.Path, holdPath(s.UUID))
}

// holdsOf are the pins of a subvolume, those of earlier steps of the preview included.
func (m *machine) holdsOf(s subvolume) volume.Holds {
	if s.planned {
		return m.pinned[s.Path]
	}
	return m.state.holds[s.UUID]
}

// overlayHolds lays a planned change of pins over what was observed.
func (m *machine) overlayHolds(c sdk.Change) {
	var a holdsAttribute
	if json.Unmarshal(c.After, &a) != nil || a.Holds == nil {
		return
	}
	if id, err := kernel.ParseUUID(c.Resource.ID); err == nil {
		if m.state.holds == nil {
			m.state.holds = map[kernel.UUID]volume.Holds{}
		}
		m.state.holds[id] = *a.Holds // none: they were read, as readableHolds asks
		return
	}
	if m.pinned == nil {
		m.pinned = map[string]volume.Holds{}
	}
	m.pinned[c.Resource.Name] = *a.Holds
}

// PinsAfter are the pins of a subvolume after a change of them; false if it is about something else.
func PinsAfter(c sdk.Change) (volume.Holds, bool) {
	var a holdsAttribute
	if c.Kind != sdk.Update || json.Unmarshal(c.After, &a) != nil || a.Holds == nil {
		return nil, false
	}
	return *a.Holds, true
}
