package upkeep

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// pace tells how fast a long action is and how long it will still take.
type pace struct {
	started time.Time // by the monotonic clock
	before  int64     // done by an earlier run
}

func startPace(before int64) pace { return pace{time.Now(), before} }

// progress of bytes.
func (p pace) progress(done, total int64, more string) sdk.Progress {
	total = max(total, done)
	return sdk.Progress{Current: done, Total: total, Unit: "bytes", Message: paceText(done-p.before, total-done, time.Since(p.started), more)}
}

// paceText is as "412MiB/s, 2h5m left"; left is negative when nobody knows.
func paceText(done, left int64, elapsed time.Duration, more string) string {
	text := ""
	if seconds := elapsed.Seconds(); seconds >= 1 && done > 0 {
		rate := float64(done) / seconds
		text = fmt.Sprintf("%v/s", sdk.Size(rate))
		if remaining := float64(left) / rate; left >= 0 && remaining < (10000*time.Hour).Seconds() {
			text += fmt.Sprintf(", %v left", sdk.Duration(roughly(time.Duration(remaining*float64(time.Second)))))
		}
	}
	switch {
	case text == "":
		return more
	case more == "":
		return text
	}
	return text + ", " + more
}
