package upkeep

import (
	"context"
	"fmt"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func usageAction(volume.Host) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "usage",
		Summary: "Tell how full a filesystem is",
		Description: "Reads how much of a btrfs filesystem is allocated and used. The figures are those of " +
			"\"btrfs filesystem usage -b\", for every RAID profile. free is an estimate, because the profile of future " +
			"chunks decides how much fits; free_min is the same at worst. free_ratio is free / (free + data_used): " +
			"the part that is still free of what the filesystem can hold as data. A missing device is a warning. In a preview " +
			"after steps that delete subvolumes, how full it will be is known after the run only.",
		Touches: []string{volume.ResourceType}, // where a step may delete some, only the run can tell
	}, func(ctx context.Context, c *sdk.Call, in UsageInput) (sdk.Planned[UsageOutput, sdk.None], error) {
		var planned sdk.Planned[UsageOutput, sdk.None]
		f, err := volume.Open(ctx, in.Target)
		if err != nil {
			return planned, err
		}
		defer f.Close()
		label, err := f.Label()
		if err != nil {
			return planned, volume.Explain("", err)
		}
		usage, err := f.Usage()
		if err != nil {
			return planned, volume.Explain("", err)
		}
		devices, err := f.Devices()
		if err != nil {
			return planned, volume.Explain("", err)
		}
		planned.Outputs = usageOutput(f.UUID(), label, usage, len(devices))
		planned.Summary = fmt.Sprintf("%v free (%.0f %%)", planned.Outputs.Free, 100*planned.Outputs.FreeRatio)
		if c.Virtual == sdk.NotVirtual && deletes(c.Prior, f.UUID().String()) {
			planned.Unknown = usageOfDeleted
			planned.Summary = "known after run, " + planned.Summary + " now"
		} else if ratio := planned.Outputs.FreeRatio; ratio < in.RequireFree {
			planned.Diagnostics = append(planned.Diagnostics, volume.ItemError(&sdk.Error{Path: "/require_free",
				Summary: fmt.Sprintf("only %.1f %% of btrfs %v is free, and %.1f %% is required", 100*ratio, f.UUID(), 100*in.RequireFree),
				Advice:  "delete what is not needed, shorten the retention of snapshots, or add a device"}))
		}
		if usage.DeviceMissing > 0 {
			planned.Diagnostics = append(planned.Diagnostics, volume.Warn("\"btrfs filesystem show\" tells which; replace it with \"btrfs replace\"",
				"a device of btrfs %v is missing (%v)", f.UUID(), sdk.Size(usage.DeviceMissing)))
		}
		return planned, nil
	})
}

// usageOfDeleted are the outputs that deleting a subvolume changes.
var usageOfDeleted = []string{"/used", "/unallocated", "/free", "/free_min", "/free_ratio", "/data_size", "/data_used", "/metadata_size", "/metadata_used"}

// deletes reports whether earlier steps of a preview delete subvolumes of a filesystem.
func deletes(prior []sdk.Change, scope string) bool {
	return slices.ContainsFunc(prior, func(c sdk.Change) bool {
		return c.Kind == sdk.Delete && c.Resource.Type == volume.ResourceType && c.Resource.Scope == scope
	})
}

func usageOutput(id kernel.UUID, label string, u kernel.Usage, devices int) UsageOutput {
	return UsageOutput{
		UUID:         sdk.UUID(id.String()),
		Label:        label,
		Size:         sdk.Size(u.DeviceSize),
		Used:         sdk.Size(u.Used),
		Unallocated:  sdk.Size(u.DeviceUnallocated),
		Free:         sdk.Size(u.FreeEstimated),
		FreeMin:      sdk.Size(u.FreeMin),
		FreeRatio:    ratio(u.FreeEstimated, u.FreeEstimated+u.Data.Used),
		DataSize:     sdk.Size(u.Data.Total),
		DataUsed:     sdk.Size(u.Data.Used),
		MetadataSize: sdk.Size(u.Metadata.Total),
		MetadataUsed: sdk.Size(u.Metadata.Used),
		Devices:      devices,
	}
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
