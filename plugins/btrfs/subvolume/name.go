package subvolume

import (
	"strings"
	"time"
)

const stampForm = "20060102T150405.000Z"

// StampOf is the name of every snapshot that is taken by a run of that instant.
func StampOf(instant time.Time) string { return instant.UTC().Format(stampForm) }

// ParseStamp reads exactly what StampOf writes. It is asked about every snapshot several times in a run.
func ParseStamp(name string) (time.Time, bool) {
	if len(name) != len(stampForm) {
		return time.Time{}, false
	}
	for i := range len(name) { // time.Parse alone takes a comma for the point
		if digit(stampForm[i]) != digit(name[i]) || !digit(name[i]) && name[i] != stampForm[i] {
			return time.Time{}, false
		}
	}
	t, err := time.Parse(stampForm, name)
	return t, err == nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// The creation time of a snapshot comes after the instant of its run: by the time that the run took to get there, or by
// the age of a stored plan (at most a day). The tolerance is for a clock that is set back meanwhile.
const (
	stampAhead  = 5 * time.Minute
	stampBehind = 24 * time.Hour
)

// agrees reports whether a snapshot with that stamp can have been created at that time.
func agrees(stamp, created time.Time) bool {
	late := created.Sub(stamp)
	return late >= -stampAhead && late <= stampBehind
}

// FolderOf is the name of the folder that holds the snapshots of a source.
func FolderOf(source string) string {
	return strings.ReplaceAll(strings.TrimPrefix(source, "/"), "/", "-")
}
