package subvolume

import (
	"slices"
	"time"
	_ "time/tzdata" // where a machine, or an initrd, has no time zones

	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func (in PruneInput) policy() (retention.Policy, error) {
	p := retention.Policy{
		Within:           time.Duration(in.Within),
		Last:             in.Last,
		Frequently:       in.Frequently,
		Hourly:           in.Hourly,
		Daily:            in.Daily,
		Weekly:           in.Weekly,
		Monthly:          in.Monthly,
		Quarterly:        in.Quarterly,
		Yearly:           in.Yearly,
		FrequentlyWithin: time.Duration(in.FrequentlyWithin),
		HourlyWithin:     time.Duration(in.HourlyWithin),
		DailyWithin:      time.Duration(in.DailyWithin),
		WeeklyWithin:     time.Duration(in.WeeklyWithin),
		MonthlyWithin:    time.Duration(in.MonthlyWithin),
		QuarterlyWithin:  time.Duration(in.QuarterlyWithin),
		YearlyWithin:     time.Duration(in.YearlyWithin),
		KeepNewest:       in.Keep == "newest",
		FrequentPeriod:   time.Duration(in.FrequentPeriod),
		DayStart:         in.DayStart,
		WeekStart:        max(0, slices.Index(weekdays, in.WeekStart)),
		AtLeast:          in.AtLeast,
		MaxDeletes:       in.MaxDeletes,
		FreshWithin:      time.Duration(in.FreshWithin),
	}
	var err error
	if p.Location, err = zone(in.Timezone); err != nil {
		return p, err
	}
	if err := p.Validate(); err != nil {
		return p, sdk.InvalidInput("", "%v", err)
	}
	return p, nil
}

// zone finds a time zone by name. That of the machine has no name here: it could be another one tomorrow.
func zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, volume.Invalid("/timezone", "write a name of the IANA database, such as Europe/Berlin or America/New_York, or UTC",
			"there is no time zone %q", name)
	}
	return location, nil
}
