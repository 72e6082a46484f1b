package retention

import (
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	const none = "; set at least one of within, last, frequently, hourly, daily, weekly, monthly, quarterly, yearly"
	for _, c := range []struct {
		policy Policy
		want   string
	}{
		{Policy{Within: 1}, ""},
		{Policy{Last: 1}, ""},
		{Policy{Hourly: 1}, ""},
		{Policy{Daily: 1}, ""},
		{Policy{Weekly: 1}, ""},
		{Policy{Monthly: 1}, ""},
		{Policy{Yearly: 1, AtLeast: 3, MaxDeletes: 5, FreshWithin: time.Hour}, ""},
		{Policy{QuarterlyWithin: 1}, ""},
		{Policy{Frequently: 1, FrequentPeriod: 20 * time.Minute, DayStart: 23, WeekStart: 6, KeepNewest: true}, ""},
		{Policy{Last: 1, FrequentPeriod: 25 * time.Minute, DayStart: 24, WeekStart: -1},
			"frequent period is 25m, it must be whole minutes and divide an hour evenly; day start is 24, it must be an hour from 0 to 23; " +
				"week start is -1, it must be from 0 (Monday) to 6 (Sunday)"},
		{Policy{Last: 1, FrequentPeriod: time.Second, DayStart: -1, WeekStart: 7, DailyWithin: -day},
			"daily within is -24h0m0s, it must not be negative; frequent period is 1s, it must be whole minutes and divide an hour evenly; " +
				"day start is -1, it must be an hour from 0 to 23; week start is 7, it must be from 0 (Monday) to 6 (Sunday)"},
		{Policy{}, "no rule is set, only the newest 1 would stay" + none},
		{Policy{AtLeast: 4, MaxDeletes: 2, FreshWithin: 1}, "no rule is set, only the newest 4 would stay" + none},
		{Policy{Last: 3, Weekly: -1}, "weekly is -1, it must not be negative"},
		{Policy{Within: -time.Hour, FreshWithin: -1, Last: -1, Hourly: -2, Daily: -3, Weekly: -4, Monthly: -5, Yearly: -6, AtLeast: -7, MaxDeletes: -8},
			"within is -1h0m0s, it must not be negative; fresh within is -1ns, it must not be negative; last is -1, it must not be negative; " +
				"hourly is -2, it must not be negative; daily is -3, it must not be negative; weekly is -4, it must not be negative; " +
				"monthly is -5, it must not be negative; yearly is -6, it must not be negative; at least is -7, it must not be negative; " +
				"max deletes is -8, it must not be negative"},
	} {
		got := ""
		if err := c.policy.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.policy, got, c.want)
		}
	}
}
