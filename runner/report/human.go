package report

import (
	"time"

	"github.com/hbohlen/coppice/runner/report/human"
)

// Count is human.Count.
func Count(n int, noun string) string { return human.Count(n, noun) }

// Duration is human.Duration.
func Duration(d time.Duration) string { return human.Duration(d) }

// Size is human.Size.
func Size(bytes int64) string { return human.Size(bytes) }
