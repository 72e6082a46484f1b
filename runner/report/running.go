package report

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

var spinner = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// draw is the last line: the step that something last happened to, and how many others run.
func (r *live) draw() (string, bool) {
	if len(r.active) == 0 || r.finished {
		return "", false
	}
	a, others := r.active[0], -1
	for _, b := range r.active {
		if b.key.item >= 0 || !r.hasItems(b.key) {
			others++
			if b.touched > a.touched || r.hasItems(a.key) {
				a = b
			}
		}
	}
	r.frame++
	room := min(r.columns(), liveWidest) - 1 // a full line would make the cursor wrap
	return r.running(a, max(others, 0), room).fit(room).paint(r.Color), true
}

// hasItems reports whether the step itself is one whose items run.
func (r *live) hasItems(key stepKey) bool {
	if key.item >= 0 {
		return false
	}
	for _, a := range r.active {
		if a.key.item >= 0 && a.key.whole() == key {
			return true
		}
	}
	return false
}

// running lays a running step out: its name and time always, the rest as far as there is room.
func (r *live) running(a *activeStep, others, room int) line {
	start := line{}.add(cyan, spinner[r.frame%len(spinner)]+" ").add(bold, cutMiddle(r.stepName(a.ref), max(room/2-4, 8)))
	start = start.pad(2 + liveName)
	end := line{}.add(plain, "  ").add(dim, elapsed(r.Now().Sub(a.since)))
	if others > 0 {
		end = end.add(dim, fmt.Sprintf("  +%d running", others))
	}
	var parts []line // the first ones matter most
	pr := a.progress
	if pr.Step.ID == "" && a.planned > 1 { // the step says nothing: count its changes
		pr = engine.StepProgress{Current: int64(a.made), Total: int64(a.planned), Unit: "changes"}
	}
	unit := r.clean(pr.Unit)
	if pr.Total > 0 || pr.Current > 0 {
		if pr.Total > 0 {
			parts = append(parts, bar(pr.Current, pr.Total, 20).add(plain, fmt.Sprintf(" %3d%%", percent(pr.Current, pr.Total))))
		}
		parts = append(parts, line{}.add(plain, amount(pr.Current, pr.Total, unit)))
		rate := a.pace.perSecond()
		if text := speed(rate, unit); text != "" {
			parts = append(parts, line{}.add(dim, text))
		}
		if rate > 0 && pr.Total > pr.Current {
			left := float64(pr.Total-pr.Current) / rate
			if left < (1000 * time.Hour).Seconds() {
				parts = append(parts, line{}.add(dim, "~"+Duration(time.Duration(left)*time.Second)+" left"))
			}
		}
	} else {
		parts = append(parts, line{}.add(plain, r.stepTitle(a.ref)))
	}
	if pr.Message != "" {
		parts = append(parts, line{}.add(dim, r.clean(pr.Message)))
	}
	l := start
	for i, part := range parts {
		free := room - l.width() - end.width() - 2
		if part.width() > free {
			if i == len(parts)-1 && free >= 8 {
				part = part.fit(free)
			} else {
				continue
			}
		}
		l = append(l.add(plain, "  "), part...)
	}
	return append(l, end...)
}

// elapsed is a time that still runs: its hundredths would only flicker.
func elapsed(d time.Duration) string {
	if d < 9950*time.Millisecond {
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	}
	return Duration(d)
}
