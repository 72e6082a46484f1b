package retention

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d            time.Duration
		short, exact string
	}{
		{0, "0s", "0s"},
		{1, "0s", "1ns"},
		{1500 * time.Millisecond, "1s", "1.5s"},
		{59 * time.Second, "59s", "59s"},
		{6 * hour, "6h", "6h"},
		{6*hour + 5*time.Second, "6h 5s", "6h 5s"},
		{30 * day, "30d", "30d"},
		{30*day + 1, "30d", "30d 1ns"},
		{31*day + 2*hour + 3*time.Minute + 4*time.Second, "31d 2h", "31d 2h 3m 4s"},
		{90*time.Minute + 30500*time.Millisecond, "1h 30m", "1h 30m 30.5s"},
		{400 * day, "400d", "400d"},
	} {
		if got := short(c.d); got != c.short {
			t.Errorf("short(%v) = %q, want %q", c.d, got, c.short)
		}
		if got := exact(c.d); got != c.exact {
			t.Errorf("exact(%v) = %q, want %q", c.d, got, c.exact)
		}
	}
	limit := 30*day + 5*hour + 3*time.Minute
	for _, c := range []struct {
		over time.Duration
		want string
	}{
		{1, "30d 5h 3m 1ns"}, {time.Second, "30d 5h 3m 1s"}, {time.Minute, "30d 5h 4m"}, {hour, "30d 6h"}, {day, "31d 5h"},
	} {
		if got := longer(limit+c.over, limit); got != c.want {
			t.Errorf("longer by %v = %q, want %q", c.over, got, c.want)
		}
	}
}
