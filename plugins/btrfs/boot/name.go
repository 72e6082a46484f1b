package boot

import (
	"fmt"
	"strings"
	"time"
)

// nameOf is the name of an archive: what it was, a number that only grows, the clock's time in UTC, and the boot. The number and
// the boot make it unique whatever the clock says.
func nameOf(place string, sequence int, at time.Time, boot string) string {
	return fmt.Sprintf("%s-%06d-%s-%s", strings.ReplaceAll(place, "/", "-"), sequence, at.UTC().Format("20060102T150405Z"),
		strings.ReplaceAll(boot, "-", "")[:8])
}

// ArchiveNumber is a pattern of what tells one archive of a place from another in their names.
const ArchiveNumber = `\b\d{6}-\d{8}T\d{6}Z-[0-9a-f]{8}\b`
