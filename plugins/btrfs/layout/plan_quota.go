package layout

import (
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// quotaPrivate is what Apply does: nothing without Switch and Count.
type quotaPrivate struct {
	Filesystem string
	From, To   kernel.QuotaMode
	Switch     bool
	Count      bool // wait for the numbers to be right, of classic quotas
	Output     QuotaOutput
}

type quotaPlan = sdk.Planned[QuotaOutput, quotaPrivate]

type quotaFacts struct {
	Filesystem string `json:"filesystem"`
	From       string `json:"from"`
	To         string `json:"to"`
	Count      bool   `json:"count"`
}

// manySnapshots is from how many snapshots on classic quotas cost more than they should.
const manySnapshots = 100

func planQuota(v *subvolume.View, q quotas, in QuotaInput) (quotaPlan, error) {
	to := kernel.QuotaMode(in.Mode)
	planned := quotaPlan{Outputs: QuotaOutput{Previous: string(q.mode), Mode: in.Mode}}
	count := q.mode == to && to == kernel.QuotaClassic && (q.inconsistent || q.rescanning)
	planned.Facts = quotaFacts{Filesystem: v.UUID(), From: string(q.mode), To: in.Mode, Count: count}
	planned.Private = quotaPrivate{Filesystem: v.UUID(), From: q.mode, To: to, Switch: q.mode != to, Count: to == kernel.QuotaClassic && (count || q.mode != to), Output: planned.Outputs}
	resource := v.Named(volume.FilesystemType, "quotas")
	if snapshots := countSnapshots(v); to == kernel.QuotaClassic && snapshots > manySnapshots {
		planned.Diagnostics = append(planned.Diagnostics, warning("/mode", "use mode: simple, or keep fewer snapshots",
			"there are %d snapshots: with classic quotas each of them makes snapshots and deletions slower", snapshots))
	}
	switch {
	case count:
		if err := v.Writable("quotas can't be counted"); err != nil {
			return planned, err
		}
		planned.Changes = []sdk.Change{{Kind: sdk.Run, Resource: resource, Summary: "all data is counted anew", Reason: "the numbers are wrong until then"}}
		return planned, nil
	case q.mode == to:
		planned.Kept = []sdk.Kept{{Resource: resource, Reason: "are " + in.Mode + " already"}}
		return planned, nil
	}
	if err := mayQuota(v, q, in); err != nil {
		return planned, err
	}
	if limits := q.limits(v); to == kernel.QuotaOff && limits > 0 {
		planned.Diagnostics = append(planned.Diagnostics, warning("/mode", "btrfs.quota_usage lists them", "all limits (%d) are lost", limits))
	}
	planned.Changes = []sdk.Change{{
		Kind: sdk.Update, Resource: resource, Summary: map[kernel.QuotaMode]string{
			kernel.QuotaOff: "off", kernel.QuotaClassic: "on, classic; all data is counted", kernel.QuotaSimple: "on, simple; what is written from now on is counted",
		}[to],
		Before: subvolume.Encode(subvolume.FilesystemProperties{Quotas: string(q.mode)}),
		After:  subvolume.Encode(subvolume.FilesystemProperties{Quotas: in.Mode}),
	}}
	return planned, nil
}

// mayQuota says why the mode can't be changed.
func mayQuota(v *subvolume.View, q quotas, in QuotaInput) error {
	if err := v.Writable("quotas can't be changed"); err != nil {
		return err
	}
	switch to := kernel.QuotaMode(in.Mode); {
	case q.mode != kernel.QuotaOff && to != kernel.QuotaOff:
		return refuse("/mode", fmt.Sprintf("switch them off first, with a step that has mode: off; that ends all limits (%d)", q.limits(v)),
			"quotas are %s, and the kernel does not exchange one mode for the other: it would say nothing and leave them %s", q.mode, q.mode)
	case to == kernel.QuotaSimple && !q.marked && !in.AcknowledgeIncompat:
		return volume.Invalid("/acknowledge_incompat", "set it to true if no older kernel (a rescue system, the previous one in the boot menu) will ever have to mount this filesystem",
			"simple quotas mark the filesystem for ever, even when they are switched off again: kernels before 6.7 can't mount it then")
	}
	return nil
}

// limits counts what has a limit: the subvolumes, and the groups of groups.
func (q quotas) limits(v *subvolume.View) int {
	n := 0
	for _, s := range v.All() {
		if q.limitsOf(s) != unlimited {
			n++
		}
	}
	for _, g := range q.sorted {
		if g.Level > 0 && (g.MaxReferenced != nil || g.MaxExclusive != nil) {
			n++
		}
	}
	return n
}

func countSnapshots(v *subvolume.View) int {
	n := 0
	for _, s := range v.All() {
		if !s.ParentUUID.IsZero() {
			n++
		}
	}
	return n
}
