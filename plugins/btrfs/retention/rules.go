package retention

import (
	"fmt"
	"time"
)

// applyRules keeps what the policy keeps of the valid entries, which come newest first. Without a trusted clock it looks at
// nothing but their order.
func applyRules(p Policy, now time.Time, trusted bool, valid []*entry) {
	if len(valid) == 0 {
		return
	}
	valid[0].keepFirmly("newest")
	if trusted {
		keepNewestBySeq(valid)
	}
	for i := 1; i < min(p.AtLeast, len(valid)); i++ {
		valid[i].keepFirmly(fmt.Sprintf("floor %d of %d", i+1, p.AtLeast))
	}
	slot := 0
	for _, e := range valid {
		if slot == p.Last {
			break
		}
		if e.snap.Protected == "" {
			slot++
			e.keep(fmt.Sprintf("last %d of %d", slot, p.Last))
		}
	}
	if !trusted {
		return
	}
	if p.Within > 0 {
		reason := "within " + exact(p.Within)
		for _, e := range valid {
			if e.age <= p.Within {
				e.keepUntil(reason, e.at.Add(p.Within))
			}
		}
	}
	for _, c := range p.calendars() {
		c.apply(p, now, valid)
	}
}

// keepNewestBySeq keeps the entry that was made last, should the times say that it is another one: then a clock was wrong when
// one of the two was made, and the newest data must not go for it.
func keepNewestBySeq(valid []*entry) {
	last := valid[0]
	for _, e := range valid {
		if e.snap.Seq > last.snap.Seq {
			last = e
		}
	}
	if last != valid[0] && valid[0].snap.Seq != 0 {
		last.keepFirmly("newest by transaction")
	}
}
