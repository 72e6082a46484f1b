package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// UsageInput is the input of btrfs.usage.
type UsageInput struct {
	volume.Target
	RequireFree float64 `json:"require_free" default:"0" min:"0" max:"1" doc:"Fail when a smaller part of the filesystem than this is free; 0: whatever is free."`
}

// UsageOutput is the output of btrfs.usage: the figures of "btrfs filesystem
// usage -b".
type UsageOutput struct {
	UUID         sdk.UUID `json:"uuid" doc:"The filesystem's UUID."`
	Label        string   `json:"label" doc:"The filesystem's label; empty when it has none."`
	Size         sdk.Size `json:"size" doc:"Raw size of all devices."`
	Used         sdk.Size `json:"used" doc:"Raw bytes in use, copies of RAID and DUP profiles included."`
	Unallocated  sdk.Size `json:"unallocated" doc:"Raw bytes that belong to no chunk yet."`
	Free         sdk.Size `json:"free" doc:"Estimate of the bytes that can still be written."`
	FreeMin      sdk.Size `json:"free_min" doc:"The same, at worst: when all new chunks get the most redundant profile in use."`
	FreeRatio    float64  `json:"free_ratio" doc:"Free as a part of what the filesystem can hold, 0 to 1."`
	DataSize     sdk.Size `json:"data_size" doc:"Bytes in data chunks."`
	DataUsed     sdk.Size `json:"data_used" doc:"Bytes in use in data chunks."`
	MetadataSize sdk.Size `json:"metadata_size" doc:"Bytes in metadata chunks."`
	MetadataUsed sdk.Size `json:"metadata_used" doc:"Bytes in use in metadata chunks."`
	Devices      int      `json:"devices" doc:"Number of devices."`
}
