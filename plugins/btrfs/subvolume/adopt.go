package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func adoptAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "adopt",
		Summary: "Take snapshots in that somebody else has made",
		Description: "Writes snapshots that another tool or a person has made into the catalogue, so that btrfs.prune expires them together with those of " +
			"btrfs.snapshot. Nothing but the record changes: each stays where it is, with its name, whatever that is, and its age is that of its own " +
			"creation time. (A read-only subvolume can't be moved to another folder, and somebody may know it by its name.) Moved or renamed " +
			"afterwards it is foreign again.\n\n" +
			"Adopted are read-only subvolumes in the folder of snapshots, with a creation time that can be true: root-2026-01-31 as well as " +
			"NAME.STAMP of btrbk and N/snapshot of snapper. Not adopted is what snapper still has in its books (info.xml lies beside it), and, of a " +
			"folder, what is known to be a snapshot of another subvolume. btrbk goes by names only: take them out of its hands first.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[AdoptInput, AdoptOutput, adoptPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in AdoptInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in AdoptInput) (adoptPlan, error) {
			var none adoptPlan
			into, bad := volume.CleanFolder("/snapshots", in.Snapshots)
			if bad != nil {
				return none, bad
			}
			folder := ""
			switch {
			case in.Folder == "" && len(in.Subvolumes) == 0:
				return none, sdk.InvalidInput("", "name what to adopt: subvolumes, or a folder")
			case in.Folder != "":
				if folder, bad = volume.CleanFolder("/folder", in.Folder); bad != nil {
					return none, bad
				}
			case in.Prefix != "":
				return none, sdk.InvalidInput("/prefix", "it is about the names in a folder, and none is given")
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observe(ctx, h, f, look{catalogue: true, clock: true, planning: true, prior: c.Prior, virtual: c.Virtual})
			if err != nil {
				return none, err
			}
			m.sources = observeSources(f, "source", []sdk.Subvolume{in.Source})
			if folder != "" {
				m.observeThings(f, folder)
			}
			for _, s := range m.subvolumes {
				if info, is := snapperPlace(s.Path); is {
					m.observeThings(f, info)
				}
			}
			for i, given := range in.Subvolumes {
				if w := parseWanted(volume.At("subvolumes", i), given); w.bad == nil && w.path != "" {
					m.observeThings(f, w.path)
				}
			}
			return planAdopt(m, in, into, folder, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in AdoptInput, private adoptPrivate) (AdoptOutput, error) {
			return applyAdopt(ctx, h, c, in, private)
		},
	})
}
