package subvolume

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
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
	if m.virtual != sdk.NotVirtual {
		return clock{Now: instant.UTC(), Trusted: true}
	}
	var newest subvolume
	for _, s := range m.subvolumes {
		if s.managed() && !s.planned && !s.untrusted && !ofThisRun(s, instant) && s.OTime.After(newest.OTime) {
			newest = s
		}
	}
	return m.believe(input, instant, newest.OTime, fmt.Sprintf("%q was created", newest.Path))
}

// trustNow decides whether the system's clock can be believed now, by the newest record instead of by all snapshots.
func (m *machine) trustNow(input string) clock {
	return m.believe(input, m.now, m.state.newest, "the newest snapshots were taken")
}

// believe decides about an instant by the newest thing that was done with a trusted clock, and when; zero: nothing was.
func (m *machine) believe(input string, instant, newest time.Time, what string) clock {
	c := clock{Now: instant.UTC()}
	switch {
	case input != "rtc" && m.unsynced != "":
		c.Why = m.unsynced
	case newest.IsZero():
		c.Trusted = true
	case instant.Before(newest.Add(-behindNewest)):
		c.Why = fmt.Sprintf("it says %s, but %s at %s", volume.Moment(instant), what, volume.Moment(newest))
	case instant.After(newest.Add(aheadNewest)):
		c.Why = fmt.Sprintf("it says %s, more than a year after %s at %s", volume.Moment(instant), what, volume.Moment(newest))
	default:
		c.Trusted = true
	}
	return c
}
