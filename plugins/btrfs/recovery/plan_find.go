package recovery

import (
	"fmt"
	"path"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// sameVersion is what two states of a thing have in common that are one version. Inodes are no part of it: an archived
// root has others.
type sameVersion struct {
	kind     tree.Kind
	size     int64
	modified time.Time
	mode     uint32
	uid, gid uint32
}

func versionOf(n tree.Node) sameVersion {
	v := sameVersion{kind: n.Kind, size: n.Size, mode: n.Mode, uid: n.UID, gid: n.GID, modified: n.Modified}
	if n.Kind == tree.Nested { // in a snapshot there is only its place
		v = sameVersion{kind: n.Kind}
	}
	return v
}

// planFind puts together what was found. saw is nil when no path was looked for.
func planFind(v *subvolume.View, source, inside string, all []subvolume.Known, saw *sight) sdk.Planned[FindOutput, sdk.None] {
	var planned sdk.Planned[FindOutput, sdk.None]
	out := &planned.Outputs
	out.Source, out.Inside, out.Snapshots = source, inside, make([]FoundSnapshot, len(all))
	if saw != nil {
		out.Place = path.Join(source, inside)
	}
	numbers := map[sameVersion]int{}
	have := 0
	for i, k := range all {
		from, _ := originOf(v, k)
		out.Snapshots[i] = FoundSnapshot{
			Path: k.Path, UUID: sdk.UUID(k.UUID.String()), Source: from, Created: k.OTime.UTC(), ReadOnly: k.ReadOnly,
			Managed: k.Managed(), Foreign: k.Unmanaged, Mounted: v.Mounted(k),
		}
		if pins := v.Pins(k); len(pins) > 0 {
			out.Snapshots[i].Pinned = pins.String()
		}
		if saw == nil || !saw.versions[i].found {
			continue
		}
		have++
		version := versionOf(saw.versions[i].node)
		if numbers[version] == 0 {
			numbers[version] = len(numbers) + 1
		}
		out.Snapshots[i].File = fileVersion(saw.versions[i].node, numbers[version])
	}
	out.Orphans = []OrphanPin{}
	if saw == nil && source == "" {
		for _, o := range v.Orphans() {
			for _, h := range o.Holds {
				out.Orphans = append(out.Orphans, OrphanPin{UUID: sdk.UUID(o.UUID.String()), Who: h.Who, Reason: h.Reason})
			}
		}
	}
	out.Versions = len(numbers)
	planned.Summary = volume.Count(len(all), "snapshot")
	if saw != nil {
		if saw.now.found {
			out.Now = fileVersion(saw.now.node, numbers[versionOf(saw.now.node)])
		}
		planned.Summary = fmt.Sprintf("%d of %s have it, in %s", have, volume.Count(len(all), "snapshot"), volume.Count(out.Versions, "version"))
	}
	for _, err := range append([]error{v.MayTouch()}, v.Unreadable()...) {
		if err != nil {
			planned.Diagnostics = append(planned.Diagnostics, volume.Warn("", "coppice's records can't be read in full, so something may be missing here: %v", err))
		}
	}
	return planned
}

func fileVersion(n tree.Node, number int) FileVersion {
	return FileVersion{Exists: true, Version: number, Kind: string(n.Kind), Size: sdk.Size(n.Size), Modified: n.Modified}
}
