package layout

import (
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// quotas are the quotas as they will be before the step.
type quotas struct {
	mode         kernel.QuotaMode
	inconsistent bool
	rescanning   bool
	marked       bool // simple quotas have been on at some time
	groups       map[uint64]kernel.QuotaGroup
	sorted       []kernel.QuotaGroup
	changed      bool // an earlier step sets the mode, so that the groups will be others
}

func observeQuotas(f *kernel.Filesystem, v *subvolume.View) (quotas, error) {
	now, err := f.Quota()
	if err != nil {
		return quotas{}, volume.Explain("", err)
	}
	q := quotas{mode: now.Mode, inconsistent: now.Inconsistent, sorted: now.Groups, groups: map[uint64]kernel.QuotaGroup{}}
	if q.marked, err = f.SimpleQuotaFeature(); err != nil {
		return q, volume.Explain("", err)
	}
	if q.mode == kernel.QuotaClassic {
		if q.rescanning, err = f.Rescanning(); err != nil {
			return q, volume.Explain("", err)
		}
	}
	if laid := kernel.QuotaMode(v.Quotas()); laid != "" {
		q = quotas{mode: laid, marked: q.marked || laid == kernel.QuotaSimple, changed: true, groups: map[uint64]kernel.QuotaGroup{}}
	}
	for _, g := range q.sorted {
		if g.Level == 0 {
			q.groups[g.ID] = g
		}
	}
	return q, nil
}
