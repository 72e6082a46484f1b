package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyRename(ctx context.Context, h volume.Host, c *sdk.Call, in RenameInput, private renamePrivate) (RenameOutput, error) {
	out := RenameOutput{Path: private.To, UUID: sdk.UUID(private.UUID.String())}
	if !private.Rename {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	if s, there, err := f.AtPath(private.To); err == nil && there && s.UUID == private.UUID {
		return out, nil // this plan has been applied
	}
	if err := f.Rename(private.From, private.UUID, private.To); err != nil {
		return out, volume.Explain("", err)
	}
	c.Done(0)
	return out, nil
}
