package retention

import (
	"fmt"
	"time"
)

// Reasons for quarantine, in the order in which they are checked and reported.
const (
	noKey     = "no identity"
	sharedKey = "identity is not unique"
	noTime    = "no creation time that can be believed"
	future    = "from the future"
	noSeq     = "no creation order"
)

// quarantine marks the entries whose facts cannot be believed and returns one warning for each kind. Without a trusted clock
// nobody can say what is from the future; then the order of creation is what must be known.
func quarantine(entries []*entry, now time.Time, trusted bool) []string {
	keys := make(map[string]int, len(entries))
	for _, e := range entries {
		keys[e.snap.Key]++
	}
	suspect := func(e *entry) string {
		switch {
		case e.snap.Key == "":
			return noKey
		case keys[e.snap.Key] > 1:
			return sharedKey
		case e.at.IsZero() || e.at.Unix() <= 0:
			return noTime
		case trusted && e.at.After(now.Add(FutureTolerance)):
			return future
		case !trusted && e.snap.Seq == 0:
			return noSeq
		}
		return ""
	}
	found := make(map[string][]*entry)
	for _, e := range entries {
		if why := suspect(e); why != "" {
			e.quarantined = true
			e.keepFirmly(why)
			e.fixed = true
			found[why] = append(found[why], e)
		}
	}
	var warnings []string
	for _, why := range []string{noKey, sharedKey, noTime, future, noSeq} {
		switch n := len(found[why]); n {
		case 0:
		case 1:
			warnings = append(warnings, fmt.Sprintf("snapshot %q: %s; it is kept and not counted", found[why][0].snap.Name, why))
		default:
			warnings = append(warnings, fmt.Sprintf("%d snapshots such as %q: %s; they are kept and not counted",
				n, found[why][0].snap.Name, why))
		}
	}
	return warnings
}
