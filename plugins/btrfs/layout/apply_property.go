package layout

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyProperty(ctx context.Context, h volume.Host, c *sdk.Call, in PropertyInput, private propertyPrivate) (PropertyOutput, error) {
	out := private.Output
	if !private.Set {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	changed := false
	if private.ReadOnly != nil {
		s, err := f.ByUUID(private.UUID)
		switch {
		case err != nil:
			return out, volume.Explain("", err)
		case s.Path != private.Path:
			return out, volume.Drifted("the subvolume %q is at %q now", private.Path, s.Path)
		}
		changed = s.ReadOnly != *private.ReadOnly
		if changed && !*private.ReadOnly && !s.ReceivedUUID.IsZero() {
			return out, volume.Drifted("%q was received from another filesystem since it was looked at", private.Path)
		}
	}
	if changed && !*private.ReadOnly { // before all else
		if err := f.SetReadOnly(private.Path, private.UUID, false); err != nil {
			return out, volume.Explain("", err)
		}
	}
	stored, err := private.store(f)
	if err != nil {
		return out, err
	}
	if changed && *private.ReadOnly { // when all else is done
		if err := private.seal(f); err != nil {
			return out, err
		}
	}
	if changed || stored {
		c.Done(0)
	}
	return out, nil
}

// store sets compression and copy on write, durably.
func (private propertyPrivate) store(f *kernel.Filesystem) (changed bool, err error) {
	node, err := f.OpenNode(private.Path)
	if err != nil {
		return false, volume.Explain("", err)
	}
	defer node.Close()
	s, err := node.Subvolume()
	if err != nil {
		return false, volume.Explain("", err)
	}
	if node.Kind() != private.Kind || node.Inode() != private.Inode || !private.UUID.IsZero() && s.UUID != private.UUID {
		return false, volume.Drifted("something else is at %q now", shownPath(private.Path))
	}
	changed, err = setStorage(node, storage{compression: private.Compression, noCow: private.NoCow})
	if err == nil && changed {
		err = node.Sync()
	}
	return changed, volume.Explain("", err)
}

// seal makes the subvolume read-only, unless that would keep a swap file from being switched off.
func (private propertyPrivate) seal(f *kernel.Filesystem) error {
	files, err := f.SwapFiles()
	if err != nil {
		return volume.Explain("", err)
	}
	s, err := f.ByUUID(private.UUID)
	if err != nil {
		return volume.Explain("", err)
	}
	for _, file := range files {
		if file.Subvolume == s.ID || !file.Certain {
			return volume.Drifted("%v in %q could not be switched off if it were read-only", file, private.Path)
		}
	}
	return volume.Explain("", f.SetReadOnly(private.Path, private.UUID, true))
}
