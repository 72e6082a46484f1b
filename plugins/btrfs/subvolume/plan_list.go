package subvolume

import (
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func planList(m *machine, under string, countOnly bool) sdk.Planned[ListOutput, sdk.None] {
	planned := sdk.Planned[ListOutput, sdk.None]{Outputs: ListOutput{Subvolumes: []SubvolumeSummary{}}}
	for _, s := range m.subvolumes {
		if !volume.Inside(under, s.Path) {
			continue
		}
		planned.Outputs.Count++
		if countOnly {
			continue
		}
		if s.planned {
			planned.Unknown = append(planned.Unknown,
				fmt.Sprintf("/subvolumes/%d/id", len(planned.Outputs.Subvolumes)),
				fmt.Sprintf("/subvolumes/%d/uuid", len(planned.Outputs.Subvolumes)))
		}
		planned.Outputs.Subvolumes = append(planned.Outputs.Subvolumes, SubvolumeSummary{
			Path:       s.Path,
			ID:         int64(s.ID),
			UUID:       sdk.UUID(s.id()),
			ParentUUID: uuidText(s.ParentUUID),
			ReadOnly:   s.ReadOnly,
			Created:    s.OTime,
			Managed:    s.managed(),
		})
	}
	planned.Summary = volume.Count(planned.Outputs.Count, "subvolume")
	if countOnly {
		return planned
	}
	if err := m.mayTouch(); err != nil {
		d := volume.ItemError(err)
		d.Severity, d.Reason = sdk.SeverityWarning, ""
		d.Summary += "; no snapshot is shown as managed"
		planned.Diagnostics = append(planned.Diagnostics, d)
	}
	for _, err := range m.state.corrupt {
		planned.Diagnostics = append(planned.Diagnostics,
			volume.Warn("", "a record of the catalogue can't be read, so its snapshots are not shown as managed: %v", err))
	}
	return planned
}

// uuidText is "" for the zero UUID.
func uuidText(u kernel.UUID) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}
