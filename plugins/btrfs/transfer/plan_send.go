package transfer

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// FileType is the type of resource of a stream file. Its scope is the target as the input names it.
const FileType = "btrfs.stream"

// sides is everything that a plan looks at: both ends.
type sides struct {
	uuid     string
	readOnly bool
	sources  []shelved
	holds    map[string]volume.Holds // by the keys of what they are on
	to       string                  // as the input says
	who      string                  // whose holds
	local    bool                    // the target is of this machine
	content  content
}

// shelved is a source with its snapshots, the oldest first.
type shelved struct {
	name, folder string
	snapshots    []subvolume.Known
}

// sendPrivate is what Apply does.
type sendPrivate struct {
	Filesystem string
	Place      placeID
	Known      bool      // the place has a mark, or copies
	Remnants   []remnant // of the first changes, in this order
	Records    []remnant // claims of nothing: no change
	Queues     []queue
}

// placeID is what a place is known by.
type placeID struct{ Kind, Scope, Folder string }

// queue is what is sent of one source, one after the other.
type queue struct {
	Source, Folder string
	Items          []item
	Held           kernel.UUID   // the snapshot that is held at the end; zero: nothing is
	Origin         kernel.UUID   // its origin
	Release        []kernel.UUID // snapshots whose holds go then
	Hold           int           // the change on the source; -1: none
	HoldCopy       int           // the change in the place; -1: none
}

// item is one transfer.
type item struct {
	Path, Stamp, Copy, Untrusted string
	UUID, Origin                 kernel.UUID // zero in a preview, for what is planned
	Parent, ParentOrigin         kernel.UUID
	Created                      time.Time
	Change, Output               int
}

// sendFacts is what a plan rests on. What an earlier step of the run makes is named by its path.
type sendFacts struct {
	Filesystem string       `json:"filesystem"`
	Place      placeID      `json:"place"`
	Held       bool         `json:"held"`
	Remnants   []string     `json:"remnants"`
	Sources    []sourceFact `json:"sources"`
}

type sourceFact struct {
	Source string     `json:"source"`
	Common string     `json:"common,omitempty"`
	Copy   string     `json:"copy,omitempty"` // path of its copy
	Send   []sendFact `json:"send"`
	Wrong  string     `json:"wrong,omitempty"`
}

type sendFact struct {
	Snapshot string `json:"snapshot"`
	Parent   string `json:"parent,omitempty"`
}

type sendPlan = sdk.Planned[SendOutput, sendPrivate]

// sendPlanner is the state of one planSend.
type sendPlanner struct {
	s       sides
	in      SendInput
	instant time.Time
	planned sendPlan
	facts   sendFacts
}

func planSend(s sides, in SendInput, instant time.Time) (sendPlan, error) {
	p := &sendPlanner{s: s, in: in, instant: instant}
	id := placeID{s.content.Kind, s.content.Scope, s.content.Folder}
	p.facts = sendFacts{Filesystem: s.uuid, Place: id, Held: s.content.Switch != "", Remnants: []string{}, Sources: []sourceFact{}}
	p.planned.Private = sendPrivate{Filesystem: s.uuid, Place: id, Known: s.content.Standing.known()}
	p.planned.Outputs = SendOutput{Present: true, Kind: s.content.Kind, Folder: s.content.Folder, Sources: []string{}, Sent: []SentSnapshot{}}
	if s.local && s.content.Kind == "btrfs" {
		p.planned.Outputs.Filesystem = "UUID=" + s.content.Scope
	}
	p.remnants()
	for _, src := range s.sources {
		p.planned.Outputs.Sources = append(p.planned.Outputs.Sources, src.name)
		p.source(src)
	}
	p.planned.Facts = p.facts
	if n := p.planned.Outputs.Waiting; n > 0 {
		p.planned.Summary = fmt.Sprintf("%d more wait for the next run", n)
	}
	switch {
	case len(p.planned.Changes) == 0:
	case s.content.ReadOnly:
		return sendPlan{}, volume.Refuse("mount it writable", "the filesystem of %q is read-only, so nothing can be sent there", in.To)
	case s.readOnly:
		return sendPlan{}, volume.Refuse("mount it writable", "the filesystem of the snapshots is read-only, so what the target needs can't be held")
	}
	return p.planned, nil
}

// remnants plans to remove what transfers that were cut off have left.
func (p *sendPlanner) remnants() {
	for _, r := range p.s.content.Remnants {
		switch {
		case p.s.content.Kind == "btrfs" && r.UUID.IsZero():
			p.planned.Private.Records = append(p.planned.Private.Records, r)
		case p.s.content.Switch != "":
			p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.copyResource(r.Path, r.UUID), Reason: "nothing is deleted: " + p.s.content.Switch})
		default:
			p.facts.Remnants = append(p.facts.Remnants, r.Path)
			p.planned.Private.Remnants = append(p.planned.Private.Remnants, r)
			p.change(removal(p.copyResource(r.Path, r.UUID)))
		}
	}
}

// removal says that a remnant is removed. It is no deletion: nothing that ever was a snapshot goes.
func removal(r sdk.Resource) sdk.Change {
	return sdk.Change{Kind: sdk.Run, Resource: r, Summary: "remove what a transfer that was cut off has left", After: subvolume.Removed}
}

// change adds one and returns its index.
func (p *sendPlanner) change(c sdk.Change) int {
	p.planned.Changes = append(p.planned.Changes, c)
	return len(p.planned.Changes) - 1
}

func (p *sendPlanner) copyResource(path string, id kernel.UUID) sdk.Resource {
	r := sdk.Resource{Type: volume.ResourceType, Scope: p.s.content.Scope, Name: path}
	if p.s.content.Kind != "btrfs" {
		r.Type, r.Scope = FileType, p.s.to
	}
	if !id.IsZero() {
		r.ID = id.String()
	}
	return r
}

// source decides about one source.
func (p *sendPlanner) source(src shelved) {
	fact := sourceFact{Source: src.name, Send: []sendFact{}}
	defer func() { p.facts.Sources = append(p.facts.Sources, fact) }()
	copies := map[string]replica{}
	for _, r := range p.s.content.Copies[src.folder] {
		copies[r.key()] = r
	}
	common := -1
	for i, s := range src.snapshots {
		if r, there := copies[s.OriginKey()]; there {
			common = i
			fact.Common, fact.Copy = p.named(s), r.Path
		}
	}
	missing := src.snapshots[common+1:]
	if err := p.refused(src, common, missing); err != nil {
		if p.s.content.Others[src.folder] != "" && len(src.snapshots) > 0 { // what is there is not for this playbook to expire
			p.planned.Outputs.Sources = p.planned.Outputs.Sources[:len(p.planned.Outputs.Sources)-1]
		}
		fact.Wrong = err.Error()
		p.planned.Diagnostics = append(p.planned.Diagnostics, volume.ItemError(err))
		return
	}
	p.shared(src)
	if p.in.What == "newest" && len(missing) > 1 {
		missing = missing[len(missing)-1:]
	}
	if more := len(missing) - p.in.Max; p.in.Max > 0 && more > 0 {
		p.planned.Outputs.Waiting += more
		missing = missing[:p.in.Max]
	}
	q := queue{Source: src.name, Folder: src.folder, Hold: -1, HoldCopy: -1}
	var last *subvolume.Known // what the place has in the end
	needs := 0                // how many files that takes
	if common >= 0 {
		last = &src.snapshots[common]
		there := copies[last.OriginKey()]
		needs = there.Needs
		p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.copyResource(there.Path, there.UUID), Reason: "the newest that is there already"})
	}
	for i := range missing {
		s := &missing[i]
		if p.taken(src, *s) {
			err := volume.Refuse("move it away", "cannot send %q: something else is called %q in the target's folder %q already", s.Path, s.Name(), src.folder)
			fact.Wrong = err.Error()
			p.planned.Diagnostics = append(p.planned.Diagnostics, volume.ItemError(err))
			break // those after it would be sent, and it would never be
		}
		parent := last
		if p.s.content.Kind == "files" && p.in.FullEvery > 0 && needs >= p.in.FullEvery {
			parent, needs = nil, 0
		}
		needs++
		fact.Send = append(fact.Send, p.send(&q, *s, parent, needs))
		last = s
	}
	if last != nil {
		p.hold(&q, src, *last)
	}
	if len(q.Items) > 0 || q.Hold >= 0 || q.HoldCopy >= 0 {
		p.planned.Private.Queues = append(p.planned.Private.Queues, q)
	}
}

// refused says why nothing of a source can be sent.
func (p *sendPlanner) refused(src shelved, common int, missing []subvolume.Known) *sdk.Error {
	if len(src.snapshots) == 0 {
		return volume.Invalid("/sources", "take one first, with btrfs.snapshot", "there are no snapshots of %q in %q", src.name, p.in.Snapshots)
	}
	if common >= 0 || len(missing) == 0 || p.in.Full != "first" {
		return nil
	}
	if other := p.s.content.Others[src.folder]; other != "" {
		return volume.Refuse("give each filesystem a folder of its own; if this one has taken the place of that, set full: allow",
			"the target has copies of %q of another filesystem, %s, and both would be expired as one", src.name, other)
	}
	if len(p.s.content.Copies[src.folder]) > 0 {
		return volume.Refuse("are they of another filesystem? Give each a folder of its own; to send everything again, set full: allow",
			"the target has copies of %q, but of no snapshot that is still here", src.name)
	}
	for _, s := range src.snapshots {
		if _, held := p.s.holds[s.Key()].Of(p.s.who); held {
			return volume.Refuse("is it the right disk? To send everything again, set full: allow",
				"%q was sent to this target before (%s is held for it), but the target has no snapshot of it any more", src.name, s.Path)
		}
	}
	return nil
}

// shared sees to it that no later step expires what another filesystem has sent into the same folder.
func (p *sendPlanner) shared(src shelved) {
	other := p.s.content.Others[src.folder]
	if other == "" || p.s.content.Kind != "btrfs" {
		return
	}
	out := &p.planned.Outputs
	out.Sources = out.Sources[:len(out.Sources)-1]
	p.planned.Diagnostics = append(p.planned.Diagnostics, volume.Warn(
		fmt.Sprintf("give each filesystem a folder of its own; if that one is gone for ever, take its hold away: \"coppice snapshots unpin --who %s\"", keeper(other)),
		"copies of %q of another filesystem, %s, are in the same folder of the target: no copies of that source are expired", src.name, other))
}

// taken reports whether something else has the name of a copy.
func (p *sendPlanner) taken(src shelved, s subvolume.Known) bool {
	return slices.Contains(p.s.content.Taken[src.folder], s.Name()) ||
		slices.ContainsFunc(p.s.content.Copies[src.folder], func(r replica) bool { return r.Name == s.Name() && r.key() != s.OriginKey() })
}

// send plans one transfer. needs is how many files it takes to make the snapshot then.
func (p *sendPlanner) send(q *queue, s subvolume.Known, parent *subvolume.Known, needs int) sendFact {
	out := SentSnapshot{Source: q.Source, Snapshot: s.Path, Copy: p.s.content.Folder + "/" + q.Folder + "/" + s.Name()}
	if p.s.content.Kind == "files" {
		out.Copy += streamSuffix
	} else {
		needs = 0
	}
	n := len(p.planned.Outputs.Sent)
	p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/sent/%d/bytes", n))
	it := item{Path: s.Path, Stamp: s.Name(), Copy: out.Copy, Untrusted: s.Untrusted, Created: s.OTime, Output: n}
	if s.Planned {
		p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/sent/%d/uuid", n))
	} else {
		it.UUID, it.Origin, out.UUID = s.UUID, s.Origin(), s.UUID.String()
	}
	fact := sendFact{Snapshot: p.named(s)}
	summary := "full copy of " + s.Path
	if parent != nil {
		summary = fmt.Sprintf("copy of %s, as changes to %s", s.Path, parent.Name())
		fact.Parent = p.named(*parent)
		if parent.Planned {
			p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/sent/%d/parent", n))
		} else {
			it.Parent, it.ParentOrigin, out.Parent = parent.UUID, parent.Origin(), parent.UUID.String()
		}
	}
	it.Change = p.change(sdk.Change{Kind: sdk.Create, Resource: p.copyResource(out.Copy, kernel.UUID{}), Summary: summary,
		After: subvolume.AfterReceive(q.Source, s.Name(), s.OriginKey(), needs)})
	p.planned.Outputs.Sent = append(p.planned.Outputs.Sent, out)
	q.Items = append(q.Items, it)
	return fact
}

// named is a snapshot in the facts.
func (p *sendPlanner) named(s subvolume.Known) string {
	if taken, ok := subvolume.ParseStamp(s.Name()); s.Planned || ok && taken.Equal(p.instant.UTC().Truncate(time.Millisecond)) {
		return s.Path
	}
	return s.UUID.String()
}

// hold plans what is held in the end: what the next transfer needs, on both sides.
func (p *sendPlanner) hold(q *queue, src shelved, last subvolume.Known) {
	hold := commonHold(p.in, p.instant)
	var before *subvolume.HeldSnapshot
	right := false
	for i := range src.snapshots {
		s := &src.snapshots[i]
		h, held := p.s.holds[s.Key()].Of(p.s.who)
		switch {
		case !held:
			continue
		case s.Key() == last.Key():
			right = p.longEnough(h, hold)
			continue
		}
		q.Release = append(q.Release, s.UUID)
		before = &subvolume.HeldSnapshot{Path: s.Path, Snapshot: s.UUID, Hold: h}
	}
	q.Held, q.Origin = last.UUID, last.Origin()
	if !right || before != nil {
		q.Hold = p.change(holdChange(p.s.uuid, "held for "+p.s.to, before, subvolume.HeldSnapshot{Path: last.Path, Snapshot: last.UUID, Hold: hold}))
	}
	if p.s.content.Kind != "btrfs" {
		return
	}
	before, right = nil, false
	for _, r := range p.s.content.Holds[src.folder] {
		if r.key() == last.OriginKey() {
			right = true
			continue
		}
		before = &subvolume.HeldSnapshot{Path: r.Path, Snapshot: r.UUID, Hold: volume.Hold{Who: keeper(p.s.uuid)}}
	}
	if !right || before != nil {
		after := subvolume.HeldSnapshot{Path: p.s.content.Folder + "/" + src.folder + "/" + last.Name(), Hold: volume.Hold{Who: keeper(p.s.uuid), Reason: copyReason}}
		for _, r := range p.s.content.Copies[src.folder] {
			if r.key() == last.OriginKey() {
				after.Snapshot, after.Path = r.UUID, r.Path
			}
		}
		q.HoldCopy = p.change(holdChange(p.s.content.Scope, "held for the next one from there", before, after))
	}
}

// copyReason is the reason of a hold in the place.
const copyReason = "newest common snapshot with the sender"

// longEnough reports whether a hold is as it should be: one with an end is made anew only in its second half.
func (p *sendPlanner) longEnough(have, want volume.Hold) bool {
	if want.Until.IsZero() || have.Until.IsZero() {
		return want.Until.IsZero() && have.Until.IsZero()
	}
	return have.Until.After(p.instant.Add(time.Duration(p.in.HoldFor) / 2))
}

// holdChange says that a hold goes to a snapshot, from another one where there was one.
func holdChange(scope, what string, before *subvolume.HeldSnapshot, after subvolume.HeldSnapshot) sdk.Change {
	c := sdk.Change{Kind: sdk.Create, Resource: sdk.Resource{Type: subvolume.HoldType, Scope: scope, Name: after.Path, ID: after.Hold.Who},
		Summary: what, After: subvolume.Encode(after)}
	if before != nil {
		c.Kind, c.Before = sdk.Update, subvolume.Encode(*before)
		c.Summary += ", instead of " + path.Base(before.Path)
	}
	return c
}
