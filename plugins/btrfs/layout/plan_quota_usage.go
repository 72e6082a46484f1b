package layout

import (
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func planQuotaUsage(v *subvolume.View, q quotas, in QuotaUsageInput, under string) sdk.Planned[QuotaUsageOutput, sdk.None] {
	var planned sdk.Planned[QuotaUsageOutput, sdk.None]
	out := QuotaUsageOutput{Mode: string(q.mode), Inconsistent: q.inconsistent || q.rescanning, Groups: []GroupUsage{}}
	byID := map[uint64]subvolume.Known{}
	for _, s := range v.All() {
		if !s.Planned {
			byID[s.ID] = s
		}
	}
	for _, g := range q.sorted {
		u := usageOf(g)
		s, exists := byID[g.ID]
		switch {
		case g.Level > 0:
		case g.ID == kernel.TopLevelID:
			u.Path = topLevel
		case exists:
			u.Path, u.UUID = s.Path, s.UUID.String()
			g.QuotaLimit = q.limitsOf(s).kernel() // as earlier steps will have set them
			u.MaxReferenced, u.MaxExclusive = sizeOf(g.MaxReferenced), sizeOf(g.MaxExclusive)
		default:
			u.Stale = true
		}
		if under != "" && (!exists || g.Level > 0 || !volume.Inside(under, u.Path)) {
			continue
		}
		out.Groups = append(out.Groups, u)
		used := max(part(g.Referenced, g.MaxReferenced), part(g.Exclusive, g.MaxExclusive))
		out.Fullest = max(out.Fullest, used)
		if in.RequireBelow > 0 && used > in.RequireBelow {
			planned.Diagnostics = append(planned.Diagnostics, volume.ItemError(refuse("/require_below", "delete what is not needed, or raise the limit with btrfs.limit",
				"%s uses %.0f %% of its limit, more than %.0f %%", u.name(), 100*used, 100*in.RequireBelow)))
		}
	}
	if q.changed {
		planned.Unknown = []string{"/groups", "/fullest"}
	}
	planned.Outputs = out
	planned.Summary = fmt.Sprintf("quotas are %s", out.Mode)
	if len(out.Groups) > 0 {
		planned.Summary += fmt.Sprintf(", %d groups", len(out.Groups))
	}
	if out.Inconsistent {
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("btrfs.quota with mode: classic counts anew", "the numbers are not right until all data has been counted"))
	}
	return planned
}

// name is the group in messages.
func (u GroupUsage) name() string {
	if u.Path == "" {
		return "quota group " + u.Group
	}
	return fmt.Sprintf("%q", u.Path)
}

func usageOf(g kernel.QuotaGroup) GroupUsage {
	return GroupUsage{
		Group:         fmt.Sprintf("%d/%d", g.Level, g.ID),
		Referenced:    sdk.Size(g.Referenced),
		Exclusive:     sdk.Size(g.Exclusive),
		MaxReferenced: sizeOf(g.MaxReferenced),
		MaxExclusive:  sizeOf(g.MaxExclusive),
	}
}

func sizeOf(bytes *uint64) sdk.Size {
	if bytes == nil {
		return 0
	}
	return sdk.Size(*bytes)
}

// part is how much of a limit is used.
func part(used uint64, limit *uint64) float64 {
	if limit == nil || *limit == 0 {
		return 0
	}
	return float64(used) / float64(*limit)
}
