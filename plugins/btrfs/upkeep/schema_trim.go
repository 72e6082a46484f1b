package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// TrimInput is the input of btrfs.trim.
type TrimInput struct {
	volume.Target
	IfOlder       sdk.Duration `json:"if_older" default:"0s" doc:"Trim only if the last trim is older than this; 0s: in any case."`
	IfUnsupported string       `json:"if_unsupported" enum:"fail|skip" default:"fail" doc:"What to do when none of the devices can discard blocks, as most hard disks: fail, or leave it."`
}

// TrimOutput is the output of btrfs.trim.
type TrimOutput struct {
	Due
	Supported bool     `json:"supported" doc:"Whether a device of the filesystem can discard blocks."`
	Bytes     sdk.Size `json:"bytes" doc:"Bytes that the devices were told are not in use: by this trim or, when none was due, by the last one."`
}
