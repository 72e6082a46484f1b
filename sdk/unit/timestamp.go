package unit

import (
	"strings"
	"time"
)

const timestampHelp = `write an RFC 3339 timestamp such as 2024-01-31T06:00:00Z, or a date`

// ParseTimestamp reads an RFC 3339 timestamp, "2024-01-31T06:00:00Z" or "2024-01-31T06:00:00.5+01:00", or a date,
// "2024-01-31", which means midnight UTC. The result keeps the offset of the text. A time without an offset is an
// error: it would mean another instant on another machine. The error is always an *Error.
func ParseTimestamp(text string) (time.Time, error) {
	switch {
	case text == "":
		return time.Time{}, errorf(timestampHelp, "the timestamp is empty")
	case like(text, "0000-00-00"):
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t, nil
		}
		return time.Time{}, errorf("", "there is no such day: %q", text)
	case isTimestamp(text):
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t, nil
		}
		return time.Time{}, errorf("", "there is no such time: %q", text)
	case isZoneless(text):
		return time.Time{}, errorf("end it with Z or an offset, such as 2024-01-31T06:00:00Z", "the timestamp %q does not say its time zone", text)
	}
	return time.Time{}, errorf(timestampHelp, "not a timestamp: %q", text)
}

// isTimestamp reports whether a text has the form of RFC 3339 section 5.6, in upper case, with nanoseconds at most.
func isTimestamp(text string) bool {
	const form = "0000-00-00T00:00:00"
	if len(text) < len(form) || !like(text[:len(form)], form) {
		return false
	}
	zone, digits := afterFraction(text[len(form):])
	return digits <= 9 && (zone == "Z" || like(zone, "+00:00") || like(zone, "-00:00"))
}

// isZoneless reports whether a text is a time without an offset.
func isZoneless(text string) bool {
	for _, between := range []string{"T", "t", " "} {
		form := "0000-00-00" + between + "00:00"
		if len(text) < len(form) || !like(text[:len(form)], form) {
			continue
		}
		rest := text[len(form):]
		if rest == "" {
			return true
		}
		if len(rest) < 3 || !like(rest[:3], ":00") {
			return false
		}
		rest, _ = afterFraction(rest[3:])
		return rest == ""
	}
	return false
}

// like reports whether a text has the form of another one: a digit for each 0, all else the same.
func like(text, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if digit := text[i] >= '0' && text[i] <= '9'; digit != (form[i] == '0') || !digit && text[i] != form[i] {
			return false
		}
	}
	return true
}

// afterFraction drops the fraction of a second that a text begins with, and counts its digits.
func afterFraction(text string) (rest string, digits int) {
	if !strings.HasPrefix(text, ".") {
		return text, 0
	}
	rest = strings.TrimLeft(text[1:], "0123456789")
	if digits = len(text) - 1 - len(rest); digits == 0 {
		return text, 0
	}
	return rest, digits
}

// FormatTimestamp writes t in UTC as RFC 3339, with a fraction only if there is one. ParseTimestamp reads it back for
// the years 0 to 9999.
func FormatTimestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
