package retention

import (
	"strconv"
	"time"
)

const day = 24 * time.Hour

var units = []struct {
	size time.Duration
	name string
}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}

// exact writes a duration of the policy in full: "30d", "1d 12h", "1.5s". A day is 24 hours.
func exact(d time.Duration) string {
	s, shown := largest(d, len(units))
	if rest := d - shown; rest > 0 {
		seconds := d % time.Minute
		s, _ = largest(d-seconds, len(units))
		if s == "0s" {
			return seconds.String()
		}
		s += " " + seconds.String()
	}
	return s
}

// short writes an age in its two largest units that are not zero, rounded down: "31d 2h", "6h", "0s".
func short(d time.Duration) string {
	s, _ := largest(d, 2)
	return s
}

// longer writes an age that is above the limit in as few units as show it, but at least as short does, so that nobody has to
// read "older than 30d (30d)".
func longer(d, limit time.Duration) string {
	for n := 2; n <= len(units); n++ {
		if s, shown := largest(d, n); shown > limit {
			return s
		}
	}
	return exact(d)
}

// largest writes the n largest units of d that are not zero, and returns what it has written as a duration.
func largest(d time.Duration, n int) (string, time.Duration) {
	var text []byte
	var shown time.Duration
	for _, u := range units {
		count := (d - shown) / u.size
		if count == 0 || n == 0 {
			continue
		}
		if text != nil {
			text = append(text, ' ')
		}
		text = append(strconv.AppendInt(text, int64(count), 10), u.name...)
		shown += count * u.size
		n--
	}
	if text == nil {
		return "0s", 0
	}
	return string(text), shown
}
