package unit

import (
	"regexp"
	"time"
)

var (
	dateForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	// RFC 3339 section 5.6, upper case, at most nanoseconds.
	timestampForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$`)
	zoneless      = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$`)
)

const timestampHelp = `write an RFC 3339 timestamp such as 2024-01-31T06:00:00Z, or a date`

// ParseTimestamp reads an RFC 3339 timestamp, "2024-01-31T06:00:00Z" or "2024-01-31T06:00:00.5+01:00", or a date,
// "2024-01-31", which means midnight UTC. The result keeps the offset of the text. A time without an offset is an
// error: it would mean another instant on another machine. The error is always an *Error.
func ParseTimestamp(text string) (time.Time, error) {
	switch {
	case text == "":
		return time.Time{}, errorf(timestampHelp, "the timestamp is empty")
	case dateForm.MatchString(text):
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t, nil
		}
		return time.Time{}, errorf("", "there is no such day: %q", text)
	case timestampForm.MatchString(text):
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t, nil
		}
		return time.Time{}, errorf("", "there is no such time: %q", text)
	case zoneless.MatchString(text):
		return time.Time{}, errorf("end it with Z or an offset, such as 2024-01-31T06:00:00Z", "the timestamp %q does not say its time zone", text)
	}
	return time.Time{}, errorf(timestampHelp, "not a timestamp: %q", text)
}

// FormatTimestamp writes t in UTC as RFC 3339, with a fraction only if there is one. ParseTimestamp reads it back for
// the years 0 to 9999.
func FormatTimestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
