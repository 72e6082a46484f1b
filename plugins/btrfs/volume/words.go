package volume

import (
	"fmt"
	"time"
)

// Moment is a time in messages, as "2026-10-24 06:00 UTC".
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Count is a number with its noun, as "1 device" and "2 devices".
func Count[N int | uint64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
