// Package unit reads and writes durations, sizes and timestamps as people write them in playbooks and on the command
// line. It is pure. Every reading is exact: what would overflow, or would have to be guessed, is an *Error that says
// what to write instead.
package unit

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Error says why a text is not a duration, size or timestamp.
type Error struct {
	Message string // lower case, no full stop
	Help    string // what to write instead; "" if there is nothing to say
}

// Error is the message and the help in one line.
func (e *Error) Error() string {
	if e.Help == "" {
		return e.Message
	}
	return e.Message + ": " + e.Help
}

func errorf(help, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Help: help}
}

// Day and Week are fixed lengths: summer time does not exist here.
const (
	Day  = 24 * time.Hour
	Week = 7 * Day
)

type durationUnit struct {
	name   string
	length time.Duration
}

// durationUnits, from long to short: the order they must be written in.
var durationUnits = []durationUnit{
	{"w", Week}, {"d", Day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

const durationHelp = `write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`

// ParseDuration reads "90s", "5m", "1h30m", "1d 12h", "2w", "250ms": whole numbers with the units w, d, h, m, s and ms,
// each at most once, from long to short, joined or with one space between. The last number may have a decimal fraction
// ("1.5h") down to a nanosecond. A day is 24 hours. The result is never negative. A number without a unit, even 0, is
// an error, and so are months and years, which have no fixed length. The error is always an *Error.
func ParseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, errorf(durationHelp, "the duration is empty")
	}
	if text[0] == '-' {
		return 0, errorf("", "a duration cannot be negative: %q", text)
	}
	var total time.Duration
	next := 0 // first index of durationUnits that is still allowed
	for rest, first := text, true; rest != ""; first = false {
		if !first {
			rest = strings.TrimPrefix(rest, " ")
		}
		whole, fraction, tail, err := splitNumber(rest, text, "duration", durationHelp)
		if err != nil {
			return 0, err
		}
		name := leadingLetters(tail)
		index, err := durationUnitIndex(name, rest[:len(rest)-len(tail)], text)
		if err != nil {
			return 0, err
		}
		if index < next {
			return 0, errorf("write each unit once, the longest first: w d h m s ms", "the units of %q are out of order", text)
		}
		next = index + 1
		rest = tail[len(name):]
		if fraction != "" && rest != "" {
			return 0, errorf("", "only the last number of a duration can have a fraction: %q", text)
		}
		length, ok := scale(whole, fraction, int64(durationUnits[index].length), true)
		if !ok {
			return 0, durationScaleError(text, whole, fraction, durationUnits[index].length)
		}
		if length > math.MaxInt64-int64(total) {
			return 0, durationTooLong(text)
		}
		total += time.Duration(length)
	}
	return total, nil
}

func durationScaleError(text, whole, fraction string, length time.Duration) *Error {
	if _, fits := scale(whole, fraction, int64(length), false); fits {
		return errorf("", "the duration %q is finer than a nanosecond", text)
	}
	return durationTooLong(text)
}

func durationTooLong(text string) *Error {
	return errorf("the longest is "+FormatDuration(math.MaxInt64/Day*Day), "the duration %q is too long", text)
}

func durationUnitIndex(name, number, text string) (int, *Error) {
	for i, u := range durationUnits {
		if u.name == name {
			return i, nil
		}
	}
	if name == "" {
		return 0, errorf(durationHelp, "the duration %q has a number without a unit", text)
	}
	lower := strings.ToLower(name)
	switch {
	case name == "M", lower == "mo", lower == "mon", strings.HasPrefix(lower, "month"):
		return 0, errorf("write days, such as 30d", "a month has no fixed length: %q", text)
	case lower == "y", lower == "yr", strings.HasPrefix(lower, "year"):
		return 0, errorf("write days, such as 365d", "a year has no fixed length: %q", text)
	}
	for _, long := range []struct{ prefix, unit string }{
		{"ms", "ms"}, {"mil", "ms"}, {"w", "w"}, {"d", "d"}, {"h", "h"}, {"m", "m"}, {"s", "s"},
	} {
		if strings.HasPrefix(lower, long.prefix) {
			return 0, errorf(fmt.Sprintf("write %s%s", number, long.unit), "unknown unit %q in the duration %q", name, text)
		}
	}
	return 0, errorf("the units are w, d, h, m, s and ms", "unknown unit %q in the duration %q", name, text)
}

// FormatDuration writes d in the one canonical form, which ParseDuration reads back exactly if d is not negative:
// units from d to ms without spaces, none that is zero, what is below a millisecond as a fraction of one. Zero is "0s".
// Weeks are written as days, negative durations with a "-" in front.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := uint64(d)
	if d < 0 {
		b.WriteByte('-')
		rest = -rest // two's complement: right for the smallest duration too
	}
	for _, u := range durationUnits[1:] {
		length := uint64(u.length)
		n := rest / length
		rest %= length
		fraction := ""
		if u.length == time.Millisecond && rest > 0 {
			fraction = "." + strings.TrimRight(fmt.Sprintf("%06d", rest), "0")
		}
		if n > 0 || fraction != "" {
			fmt.Fprintf(&b, "%d%s%s", n, fraction, u.name)
		}
	}
	return b.String()
}
