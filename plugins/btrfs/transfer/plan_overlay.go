package transfer

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// lay lays what earlier steps have planned in a place, and nobody has made yet, over what it has: of whatever machine it is.
func (c *content) lay(prior []sdk.Change, who string) {
	for _, change := range prior {
		r := change.Resource
		switch {
		case r.Type == subvolume.HoldType && r.Scope == c.Scope && c.Kind == "btrfs":
			c.layHold(change, who)
			continue
		case r.Type == FileType && c.Kind == "files":
		case r.Type == volume.ResourceType && r.Scope == c.Scope && c.Kind == "btrfs":
		default:
			continue
		}
		folder, name, inside := strings.Cut(strings.TrimPrefix(r.Name, c.Folder+"/"), "/")
		switch {
		case change.Kind == sdk.Delete:
			c.forget(r)
		case change.Kind == sdk.Run && bytes.Equal(change.After, subvolume.Removed):
			c.Remnants = slices.DeleteFunc(c.Remnants, func(left remnant) bool { return left.Path == r.Name })
		case change.Kind == sdk.Create && inside && volume.Inside(c.Folder, r.Name):
			c.layCopy(change, folder, name)
		}
	}
}

// layCopy lays what will be at a name in a folder of a source.
func (c *content) layCopy(change sdk.Change, folder, name string) {
	if c.Kind == "files" {
		name = strings.TrimSuffix(name, streamSuffix)
	}
	origin, needs := subvolume.ReceivedAs(change.After)
	if origin == "" || strings.Contains(name, "/") {
		c.Taken[folder] = append(c.Taken[folder], name)
		return
	}
	c.Copies[folder] = append(c.Copies[folder], replica{Name: name, Path: change.Resource.Name, Needs: needs, planned: origin})
	c.Standing.Used = true
}

// forget takes out what will be deleted.
func (c *content) forget(r sdk.Resource) {
	id, err := kernel.ParseUUID(r.ID)
	gone := func(have replica) bool {
		if err == nil {
			return have.UUID == id
		}
		return have.planned != "" && have.Path == r.Name
	}
	for _, all := range []map[string][]replica{c.Copies, c.Holds} {
		for folder, have := range all {
			all[folder] = slices.DeleteFunc(have, gone)
		}
	}
}

// layHold lays a change of a hold in the place.
func (c *content) layHold(change sdk.Change, who string) {
	var before, after subvolume.HeldSnapshot
	if json.Unmarshal(change.After, &after) != nil || after.Hold.Who != who {
		return
	}
	folder := filepath.Base(volume.ParentOf(after.Path))
	if json.Unmarshal(change.Before, &before) == nil {
		c.Holds[folder] = slices.DeleteFunc(c.Holds[folder], func(r replica) bool { return r.Path == before.Path })
	}
	for _, r := range c.Copies[folder] {
		if r.Path == after.Path {
			c.Holds[folder] = append(c.Holds[folder], r)
		}
	}
}

// layHolds lays the changes of holds that earlier steps have planned over those of a filesystem, by the keys of what they are on.
func layHolds(holds map[kernel.UUID]volume.Holds, scope string, prior []sdk.Change) map[string]volume.Holds {
	all := make(map[string]volume.Holds, len(holds))
	for id, h := range holds {
		all[id.String()] = h
	}
	key := func(h subvolume.HeldSnapshot) string {
		if h.Snapshot.IsZero() {
			return h.Path
		}
		return h.Snapshot.String()
	}
	for _, change := range prior {
		if change.Resource.Scope != scope {
			continue
		}
		switch change.Resource.Type {
		case subvolume.HoldType:
			var before, after subvolume.HeldSnapshot
			if json.Unmarshal(change.Before, &before) == nil && before.Path != "" {
				all[key(before)] = all[key(before)].Without(before.Hold.Who)
			}
			if json.Unmarshal(change.After, &after) == nil && after.Path != "" {
				all[key(after)] = all[key(after)].With(after.Hold)
			}
		case volume.ResourceType:
			if h, is := subvolume.PinsAfter(change); is {
				id := change.Resource.ID
				if id == "" {
					id = change.Resource.Name
				}
				all[id] = h
			}
		}
	}
	return all
}
