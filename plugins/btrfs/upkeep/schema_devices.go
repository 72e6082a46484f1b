package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// DeviceErrorsInput is the input of btrfs.device_errors.
type DeviceErrorsInput struct {
	volume.Target
	OnRise      string `json:"on_rise" enum:"fail|warn" default:"fail" doc:"What a counter that rose, or a missing device, is: a failure or a warning."`
	Acknowledge bool   `json:"acknowledge" default:"false" doc:"Take the counters as they are for known: from now on only what is above them is a rise."`
}

// DeviceErrorsOutput is the output of btrfs.device_errors.
type DeviceErrorsOutput struct {
	Risen   bool           `json:"risen" doc:"Whether a counter is above what is known."`
	Missing int            `json:"missing" doc:"Number of devices that are missing."`
	Devices []DeviceStatus `json:"devices" doc:"All devices, by their number."`
}

// DeviceStatus is what there is to say of a device.
type DeviceStatus struct {
	ID         int64    `json:"id" doc:"Its number in the filesystem."`
	UUID       sdk.UUID `json:"uuid" doc:"Its UUID."`
	Path       string   `json:"path" doc:"Its device node; empty when it is missing."`
	Write      int64    `json:"write" doc:"Writes that failed, since the device was added or the counters were reset."`
	Read       int64    `json:"read" doc:"Reads that failed."`
	Flush      int64    `json:"flush" doc:"Flushes that failed."`
	Corruption int64    `json:"corruption" doc:"Blocks with a wrong checksum or content."`
	Generation int64    `json:"generation" doc:"Blocks that were not written when they should have been."`
	Rises      []string `json:"rises" doc:"What is above what is known, such as \"corruption 0 → 3\"."`
}
