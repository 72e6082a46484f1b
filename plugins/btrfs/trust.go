package btrfs

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/retention"
)

type clock = retention.Clock

// The instant of a run may be behind the newest snapshot by the first (a clock that was set back a little), and ahead
// of it by the second: a clock that is further off is more likely to be wrong than nothing to have been taken since.
const (
	behindNewest = 5 * time.Minute
	aheadNewest  = 366 * 24 * time.Hour
)

// trust decides whether the run's instant can be believed: the system's clock is synchronised, or the input says that the
// hardware clock is right; and the managed snapshots, except those of this run, do not speak against it. Snapshots that
// were taken while the clock could not be believed say nothing: they have their time from that clock.
func (m *machine) trust(input string, instant time.Time) clock {
	c := clock{Now: instant.UTC()}
	if input != "rtc" && m.unsynced != "" {
		c.Why = m.unsynced
		return c
	}
	var newest subvolume
	for _, s := range m.subvolumes {
		if s.managed() && !s.planned && !s.untrusted && !ofThisRun(s, instant) && s.OTime.After(newest.OTime) {
			newest = s
		}
	}
	switch {
	case newest.OTime.IsZero():
	case instant.Before(newest.OTime.Add(-behindNewest)):
		c.Why = fmt.Sprintf("it says %s, but %q was created at %s", moment(instant), newest.Path, moment(newest.OTime))
		return c
	case instant.After(newest.OTime.Add(aheadNewest)):
		c.Why = fmt.Sprintf("it says %s, more than a year after the newest snapshot %q of %s", moment(instant), newest.Path, moment(newest.OTime))
		return c
	}
	c.Trusted = true
	return c
}
