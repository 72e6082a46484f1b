package layout

import (
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// limitPrivate is what Apply sets: nothing if Set is false.
type limitPrivate struct {
	Filesystem string
	Path       string
	UUID       kernel.UUID
	Limits     limits
	Set        bool
	Output     LimitOutput
}

type limitPlan = sdk.Planned[LimitOutput, limitPrivate]

type limitFacts struct {
	Filesystem string `json:"filesystem"`
	Subvolume  string `json:"subvolume"`
	From       limits `json:"from"`
	To         limits `json:"to"`
}

// limits are those of one subvolume.
type limits struct {
	Referenced subvolume.Limit `json:"referenced"`
	Exclusive  subvolume.Limit `json:"exclusive"`
}

// unlimited is what every subvolume begins with.
var unlimited = limits{subvolume.NoLimit, subvolume.NoLimit}

func planLimit(v *subvolume.View, q quotas, in LimitInput, path string, instant time.Time) (limitPlan, error) {
	var planned limitPlan
	switch {
	case path == "":
		return planned, volume.Invalid("/subvolume", "name a subvolume in it; the device limits the whole", "the top level can't be limited")
	case reserved(path):
		return planned, reservedError("/subvolume", path)
	case in.MaxReferenced == nil && in.MaxExclusive == nil:
		return planned, volume.Invalid("", "give one of max_referenced, max_exclusive; 0B takes a limit away", "there is no limit to set")
	}
	s, there := v.At(path)
	if !there {
		return planned, missing(v, "/subvolume", path)
	}
	from := q.limitsOf(s)
	to := from.with(in.MaxReferenced, in.MaxExclusive)
	planned.Outputs = to.output()
	planned.Facts = limitFacts{Filesystem: v.UUID(), Subvolume: s.Fact(instant), From: from, To: to}
	planned.Private = limitPrivate{Filesystem: v.UUID(), Path: path, UUID: s.UUID, Limits: to, Output: planned.Outputs}
	if from == to {
		planned.Kept = []sdk.Kept{{Resource: v.Resource(s), Reason: "is limited so already"}}
		return planned, nil
	}
	if err := v.Writable("no limit can be set"); err != nil {
		return planned, err
	}
	if err := q.mayLimit("/subvolume", s); err != nil {
		return planned, err
	}
	if d, over := q.over("/subvolume", s, to); over {
		planned.Diagnostics = append(planned.Diagnostics, d)
	}
	before, after, words := limitShapes(from, to)
	planned.Private.Set = true
	planned.Changes = []sdk.Change{subvolume.UpdateOf(v.Resource(s), strings.Join(words, ", "),
		subvolume.Properties{Shape: before}, subvolume.Properties{Shape: after})}
	return planned, nil
}

// limitsOf are those that a subvolume has.
func (q quotas) limitsOf(s subvolume.Known) limits {
	l := unlimited
	id := s.ID
	if s.Planned {
		id = s.LimitsOf
	}
	if g, ok := q.groups[id]; ok {
		l = limits{subvolume.LimitOf(g.MaxReferenced), subvolume.LimitOf(g.MaxExclusive)}
	}
	if s.Shape.MaxReferenced != "" {
		l.Referenced = s.Shape.MaxReferenced
	}
	if s.Shape.MaxExclusive != "" {
		l.Exclusive = s.Shape.MaxExclusive
	}
	return l
}

// with lays inputs over them: nil is not meant, and 0 is none.
func (l limits) with(referenced, exclusive *sdk.Size) limits {
	of := func(size *sdk.Size, was subvolume.Limit) subvolume.Limit {
		switch {
		case size == nil:
			return was
		case *size == 0:
			return subvolume.NoLimit
		}
		bytes := uint64(*size)
		return subvolume.LimitOf(&bytes)
	}
	return limits{of(referenced, l.Referenced), of(exclusive, l.Exclusive)}
}

func (l limits) output() LimitOutput {
	size := func(limit subvolume.Limit) sdk.Size {
		if bytes := limit.Bytes(); bytes != nil {
			return sdk.Size(*bytes)
		}
		return 0
	}
	return LimitOutput{MaxReferenced: size(l.Referenced), MaxExclusive: size(l.Exclusive)}
}

func (l limits) kernel() kernel.QuotaLimit {
	return kernel.QuotaLimit{MaxReferenced: l.Referenced.Bytes(), MaxExclusive: l.Exclusive.Bytes()}
}

// limitShapes are the Before and After of a change from some limits to others, and what it does in words.
func limitShapes(from, to limits) (before, after subvolume.Shape, words []string) {
	if from.Referenced != to.Referenced {
		before.MaxReferenced, after.MaxReferenced = from.Referenced, to.Referenced
		words = append(words, "limit "+limitWord(to.Referenced))
	}
	if from.Exclusive != to.Exclusive {
		before.MaxExclusive, after.MaxExclusive = from.Exclusive, to.Exclusive
		words = append(words, "exclusive limit "+limitWord(to.Exclusive))
	}
	return before, after, words
}

func limitWord(l subvolume.Limit) string {
	if l == subvolume.NoLimit {
		return "taken away"
	}
	return string(l)
}

// mayLimit says why a subvolume can't be limited.
func (q quotas) mayLimit(input string, s subvolume.Known) error {
	_, counted := q.groups[s.ID]
	switch {
	case q.mode == kernel.QuotaOff:
		return refuse(input, "switch them on first, with btrfs.quota; that is never done silently", "%q can't be limited: quotas are off", s.Path)
	case !counted && !s.Planned && !q.changed:
		return refuse(input, fmt.Sprintf("make it with \"btrfs qgroup create 0/%d\"", s.ID), "%q has no quota group: somebody has removed it", s.Path)
	}
	return nil
}

// over warns when more is used already than a limit allows.
func (q quotas) over(input string, s subvolume.Known, to limits) (sdk.Diagnostic, bool) {
	g, counted := q.groups[s.ID]
	if !counted || s.Planned {
		return sdk.Diagnostic{}, false
	}
	above := func(used uint64, limit subvolume.Limit) bool {
		bytes := limit.Bytes()
		return bytes != nil && used > *bytes
	}
	if !above(g.Referenced, to.Referenced) && !above(g.Exclusive, to.Exclusive) {
		return sdk.Diagnostic{}, false
	}
	return warning(input, "", "%q uses more than the limit already (%v, %v of it alone): nothing can be written there until enough is deleted",
		s.Path, sdk.Size(g.Referenced), sdk.Size(g.Exclusive)), true
}
