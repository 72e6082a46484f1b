package subvolume

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// space is how full a filesystem is, in bytes as files see it: the figures of btrfs.usage.
type space struct{ free, used uint64 }

func measure(f *kernel.Filesystem) (space, error) {
	u, err := f.Usage()
	if err != nil {
		return space{}, volume.Explain("", err)
	}
	return space{u.FreeEstimated, u.Data.Used}, nil
}

func (s space) String() string {
	share := 0.0
	if s.free+s.used > 0 {
		share = 100 * float64(s.free) / float64(s.free+s.used)
	}
	return fmt.Sprintf("%.1f %% (%v) is free", share, sdk.Size(s.free))
}

// wantsSpace reports whether the inputs ask for a part of the filesystem to be free.
func (in PruneInput) wantsSpace() bool { return in.MinFree > 0 || in.MinFreeSize > 0 }

// lacks is how many bytes more should be free; 0 if enough are.
func (in PruneInput) lacks(s space) uint64 {
	want := max(uint64(in.MinFreeSize), uint64(math.Ceil(in.MinFree*float64(s.free+s.used))))
	return want - min(want, s.free)
}

// wanted is what should be free, in words.
func (in PruneInput) wanted() string {
	var parts []string
	if in.MinFree > 0 {
		parts = append(parts, fmt.Sprintf("%.4g %%", 100*in.MinFree))
	}
	if in.MinFreeSize > 0 {
		parts = append(parts, in.MinFreeSize.String())
	}
	return strings.Join(parts, " and ")
}

// spare is a snapshot that may go for want of space.
type spare struct {
	source  pruneSource
	sub     subvolume
	verdict retention.Verdict
}

// maySpare notes what of a source may go.
func (p *pruner) maySpare(s pruneSource, d retention.Decision, byKey map[string]subvolume) {
	if !p.short {
		return
	}
	for _, v := range d.Spares() {
		p.spares = append(p.spares, spare{s, byKey[v.Key], v})
	}
}

// forSpace plans what may go while too little is free: of all sources together, the oldest first. How much each of them frees
// is known only when it is gone, so the plan names all that may go, in the order in which they would, and Apply stops
// as soon as enough is free.
func (p *pruner) forSpace() {
	p.planned.Private.Sure = len(p.planned.Private.Items)
	if !p.short {
		return
	}
	if len(p.spares) == 0 {
		p.planned.Diagnostics = append(p.planned.Diagnostics, volume.Warn("free space by other means, or add a device",
			"%v, and %s is asked for, but no snapshot may go for it besides", p.m.space, p.in.wanted()))
		return
	}
	slices.SortFunc(p.spares, func(a, b spare) int {
		byTime := a.verdict.Time.Compare(b.verdict.Time)
		if !p.clock.Trusted {
			byTime = 0
		}
		return cmp.Or(byTime, cmp.Compare(a.verdict.Seq, b.verdict.Seq), strings.Compare(a.sub.Path, b.sub.Path))
	})
	condition := fmt.Sprintf("only while less than %s is free", p.in.wanted())
	for _, s := range p.spares {
		n := len(p.planned.Changes)
		p.delete(s.source, s.sub, s.verdict)
		p.planned.Changes[n].Conditional = condition
		stay := p.pruned(s.source, s.sub, s.verdict, strings.Join(s.verdict.Reasons, "; ")+p.ends(s.sub, s.verdict, ""))
		stay.KeptUntil = s.verdict.Until
		p.planned.Private.Stay = append(p.planned.Private.Stay, stay)
	}
	p.planned.Unknown = append(p.planned.Unknown, "/deleted", "/kept")
	p.planned.Summary = fmt.Sprintf("%v, %s is asked for: at most %d more go for it", p.m.space, p.in.wanted(), len(p.spares))
}

// zoneName is what the plan's facts call a time zone.
func zoneName(l *time.Location) string {
	if l == nil {
		return time.UTC.String()
	}
	return l.String()
}
