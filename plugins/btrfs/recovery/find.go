package recovery

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func findAction(h volume.Host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "find",
		Summary: "Find which snapshots have a file",
		Description: "Lists the snapshots of a filesystem with what is known of each. With a path, lists those of the subvolume that the path is in, " +
			"whoever took them, and subvolumes that were made from the same one as it, such as archived roots; and tells for each whether it has " +
			"the file or folder, and which of them have the same version of it. No symbolic link is followed.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in FindInput) (sdk.Planned[FindOutput, sdk.None], error) {
		var none sdk.Planned[FindOutput, sdk.None]
		if in.Path != "" && in.Source != "" {
			return none, sdk.InvalidInput("/source", "a path has its subvolume already: give one of the two")
		}
		f, err := volume.Open(ctx, in.Target)
		if err != nil {
			return none, err
		}
		defer f.Close()
		v, err := observe(ctx, h, f, c)
		if err != nil {
			return none, err
		}
		if in.Path == "" {
			return planFind(v, in.Source, "", listed(v, in.Source), nil), nil
		}
		place, err := placeOf(f, "/path", in.Path)
		if err != nil {
			return none, err
		}
		source, inside := split(v, place)
		if source == "" {
			return none, volume.Invalid("/path", "only what is in a subvolume can be in a snapshot", "%q is in no subvolume", in.Path)
		}
		all := relatives(v, source)
		seen := &sight{versions: make([]seen, len(all))}
		if live, lives := v.At(source); lives && !live.Planned {
			if seen.now.node, seen.now.found, err = node(f, live, inside); err != nil {
				return none, volume.Explain("/path", err)
			}
		}
		for i, k := range all {
			if err := ctx.Err(); err != nil {
				return none, err
			}
			if seen.versions[i].node, seen.versions[i].found, err = node(f, k, inside); err != nil {
				return none, volume.Explain("", err)
			}
		}
		return planFind(v, source, inside, all, seen), nil
	})
}

// listed are all snapshots, or those of a source, the newest first.
func listed(v *subvolume.View, source string) []subvolume.Known {
	if source != "" {
		return relatives(v, source)
	}
	var all []subvolume.Known
	for _, k := range v.All() {
		if isSnapshot(k) && !k.Planned {
			all = append(all, k)
		}
	}
	newestFirst(all)
	return all
}

// sight is what was seen at one path inside of several subvolumes.
type sight struct {
	now      seen
	versions []seen // of each
}

type seen struct {
	node  tree.Node
	found bool
}
