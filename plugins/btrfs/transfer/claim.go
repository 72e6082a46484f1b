package transfer

import (
	"os"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// claim says that a subvolume with a temporary name is ours, see volume.MakeClaim. As long as somebody receives into it, the program
// that does so has the lock too.
type claim = volume.Receiving

const (
	claimsFolder = volume.ReceivingFolder
	tempPrefix   = volume.ReceivePrefix
)

// lockClaim opens a claim and locks it; kernel.ErrBusy when somebody receives into it. The lock ends with the file.
func lockClaim(f *kernel.Filesystem, name string, how int) (*os.File, error) {
	return volume.LockClaim(f, claimsFolder, name, how)
}

// abandoned returns the claims below a folder that nobody receives into any more, by their names. What can't be understood
// is nobody's, and left alone.
func abandoned(f *kernel.Filesystem, folder string) (map[string]claim, error) {
	found, err := volume.ReadClaims(f, claimsFolder)
	if err != nil {
		return nil, err
	}
	all := map[string]claim{}
	for _, one := range found {
		if c, err := volume.DecodeReceiving(one.Data); err == nil && !one.Busy && volume.Inside(folder, c.Folder) {
			all[one.Name] = c
		}
	}
	return all, nil
}
