package transfer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// receivePrivate is what Apply does.
type receivePrivate struct {
	Filesystem, Into string
	Remnants         []remnant // of the first changes, in this order
	Records          []remnant // claims of nothing: no change
	Queues           []fileQueue
}

// fileQueue is what is received of one source, one after the other.
type fileQueue struct {
	Source, Folder string
	Files          []manifest
	Change, Output int // of the first one
	Newest         int // index in Output.Newest
}

// receiveFacts is what a plan rests on.
type receiveFacts struct {
	Filesystem string       `json:"filesystem"`
	Into       string       `json:"into"`
	Remnants   []string     `json:"remnants"`
	Sources    []sourceFact `json:"sources"`
}

type receivePlan = sdk.Planned[ReceiveOutput, receivePrivate]

// receivePlanner is the state of one planReceive.
type receivePlanner struct {
	files   library
	there   content
	in      ReceiveInput
	planned receivePlan
	facts   receiveFacts
}

func planReceive(files library, there content, in ReceiveInput) (receivePlan, error) {
	p := &receivePlanner{files: files, there: there, in: in}
	p.facts = receiveFacts{Filesystem: there.Scope, Into: there.Folder, Remnants: []string{}, Sources: []sourceFact{}}
	p.planned.Outputs = ReceiveOutput{Received: []ReceivedSnapshot{}, Newest: []ReceivedSnapshot{}}
	p.planned.Private = receivePrivate{Filesystem: there.Scope, Into: there.Folder}
	if len(files.sources) == 0 {
		return receivePlan{}, volume.Invalid("/from", "name the folder that btrfs.send was given", "there are no stream files with their descriptions in %q", in.From)
	}
	wanted := files.sources
	if in.Sources != nil {
		wanted = slices.Compact(slices.Sorted(slices.Values(in.Sources)))
	}
	for i, r := range there.Remnants {
		if r.UUID.IsZero() {
			p.planned.Private.Records = append(p.planned.Private.Records, there.Remnants[i])
			continue
		}
		if there.Switch != "" {
			p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.resource(r.Path, r.UUID), Reason: "nothing is deleted: " + there.Switch})
			continue
		}
		p.planned.Private.Remnants = append(p.planned.Private.Remnants, r)
		p.facts.Remnants = append(p.facts.Remnants, r.Path)
		p.planned.Changes = append(p.planned.Changes, removal(p.resource(r.Path, r.UUID)))
	}
	for _, source := range wanted {
		if err := p.source(source); err != nil {
			p.planned.Diagnostics = append(p.planned.Diagnostics, volume.ItemError(err))
			p.facts.Sources = append(p.facts.Sources, sourceFact{Source: source, Send: []sendFact{}, Wrong: err.Error()})
		}
	}
	p.planned.Facts = p.facts
	if len(p.planned.Changes) > 0 && there.ReadOnly {
		return receivePlan{}, volume.Refuse("mount it writable", "the filesystem is read-only, so nothing can be received")
	}
	return p.planned, nil
}

func (p *receivePlanner) resource(path string, id kernel.UUID) sdk.Resource {
	r := sdk.Resource{Type: volume.ResourceType, Scope: p.there.Scope, Name: path}
	if !id.IsZero() {
		r.ID = id.String()
	}
	return r
}

// source decides about one source. An error plans nothing for it.
func (p *receivePlanner) source(source string) *sdk.Error {
	files := p.files.files[source]
	if len(files) == 0 {
		return volume.Invalid("/sources", "there are files of "+quoted(p.files.sources), "there are no files of %q", source)
	}
	files, err := sentFrom(source, files, p.in.Sender)
	if err != nil {
		return err
	}
	want := files[len(files)-1]
	if p.in.Snapshot != "newest" {
		i := slices.IndexFunc(files, func(m manifest) bool { return m.Stamp == p.in.Snapshot })
		if i < 0 {
			return volume.Invalid("/snapshot", fmt.Sprintf("there are %d, from %s to %s", len(files), files[0].Stamp, want.Stamp),
				"there is no snapshot %q of %q that could be made", p.in.Snapshot, source)
		}
		want = files[i]
	}
	byUUID := map[kernel.UUID]manifest{}
	for _, m := range files {
		byUUID[m.UUID] = m
	}
	way := upTo(byUUID, want.UUID)
	folder := subvolume.FolderOf(source)
	copies := p.there.Copies[folder]
	newest := ReceivedSnapshot{Source: source, Path: p.there.Folder + "/" + folder + "/" + want.Stamp}
	for i, m := range slices.Backward(way) {
		j := slices.IndexFunc(copies, func(r replica) bool { return r.key() == m.UUID.String() })
		if j < 0 {
			continue
		}
		p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.resource(copies[j].Path, copies[j].UUID), Reason: "received already"})
		if m.UUID == want.UUID {
			newest.Path = copies[j].Path
			if copies[j].planned == "" {
				newest.UUID = sdk.UUID(copies[j].UUID.String())
			}
		}
		way = way[i+1:]
		break
	}
	for _, m := range way {
		if slices.Contains(p.there.Taken[folder], m.Stamp) || slices.ContainsFunc(copies, func(r replica) bool { return r.Name == m.Stamp }) {
			return volume.Refuse("choose another folder as \"into\"", "cannot receive %q of %q: something else has this name in %q", m.Stamp, source, p.there.Folder+"/"+folder)
		}
	}
	q := fileQueue{Source: source, Folder: folder, Files: way, Change: len(p.planned.Changes), Output: len(p.planned.Outputs.Received), Newest: len(p.planned.Outputs.Newest)}
	fact := sourceFact{Source: source, Common: want.UUID.String(), Send: []sendFact{}}
	for _, m := range way {
		path := p.there.Folder + "/" + folder + "/" + m.Stamp
		p.planned.Changes = append(p.planned.Changes, sdk.Change{Kind: sdk.Create, Resource: p.resource(path, kernel.UUID{}),
			Summary: "from " + filepath.Join(string(p.in.From), folder, m.Stamp+streamSuffix), After: subvolume.AfterReceive(source, m.Stamp, m.UUID.String(), 0)})
		p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/received/%d/uuid", len(p.planned.Outputs.Received)))
		p.planned.Outputs.Received = append(p.planned.Outputs.Received, ReceivedSnapshot{Source: source, Path: path})
		fact.Send = append(fact.Send, sendFact{Snapshot: m.UUID.String(), Parent: parentFact(m)})
	}
	if newest.UUID == "" {
		p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/newest/%d/uuid", len(p.planned.Outputs.Newest)))
	}
	p.planned.Outputs.Newest = append(p.planned.Outputs.Newest, newest)
	p.facts.Sources = append(p.facts.Sources, fact)
	if len(way) > 0 {
		p.planned.Private.Queues = append(p.planned.Private.Queues, q)
	}
	return nil
}

func parentFact(m manifest) string {
	if m.Parent.IsZero() {
		return ""
	}
	return m.Parent.String()
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(all, ", ")
}
