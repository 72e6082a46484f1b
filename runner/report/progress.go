package report

import (
	"fmt"
	"strings"
	"time"
)

// percent of a total, 0 to 100; 100 only when all is done.
func percent(current, total int64) int {
	if total <= 0 || current <= 0 {
		return 0
	}
	return int(100 * (float64(min(current, total)) / float64(total)))
}

// amount is how much of how much: "1.2 GiB of 2.8 GiB", "120/300 snapshots", "120 snapshots". unit is clean.
func amount(current, total int64, unit string) string {
	switch {
	case isBytes(unit) && total > 0:
		return Size(current) + " of " + Size(total)
	case isBytes(unit):
		return Size(current)
	case total > 0:
		return strings.TrimSpace(fmt.Sprintf("%d/%d %s", current, total, unit))
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", current, unit))
}

func isBytes(unit string) bool { return unit == "bytes" || unit == "byte" || unit == "B" }

// speed is a rate for people: "310 MiB/s", "45/s", "6/min"; "" while there is none.
func speed(perSecond float64, unit string) string {
	switch {
	case perSecond <= 0:
		return ""
	case isBytes(unit):
		return Size(int64(perSecond)) + "/s"
	case perSecond >= 1:
		return fmt.Sprintf("%.0f/s", perSecond)
	case perSecond*60 >= 1:
		return fmt.Sprintf("%.0f/min", perSecond*60)
	}
	return ""
}

// bar draws how far something is.
func bar(current, total int64, cells int) line {
	full := percent(current, total) * cells / 100
	return line{}.add(green, strings.Repeat("━", full)).add(dim, strings.Repeat("─", cells-full))
}

// pace measures a rate over the last seconds.
type pace struct {
	samples []sample
}

type sample struct {
	at      time.Time
	current int64
}

// paceWindow is how far back a rate looks; paceLeast, how much time it needs to mean anything.
const (
	paceWindow = 15 * time.Second
	paceLeast  = 500 * time.Millisecond
)

// add notes where the work is; a step back starts again.
func (p *pace) add(at time.Time, current int64) {
	if n := len(p.samples); n > 0 {
		last := p.samples[n-1]
		if current < last.current || at.Before(last.at) {
			p.samples = nil
		} else if n > 1 && at.Sub(p.samples[n-2].at) < paceLeast {
			p.samples[n-1] = sample{at, current}
			return
		}
	}
	p.samples = append(p.samples, sample{at, current})
	for len(p.samples) > 2 && at.Sub(p.samples[0].at) > paceWindow {
		p.samples = p.samples[1:]
	}
}

// perSecond is the rate; 0: not known.
func (p *pace) perSecond() float64 {
	if len(p.samples) < 2 {
		return 0
	}
	first, last := p.samples[0], p.samples[len(p.samples)-1]
	elapsed := last.at.Sub(first.at)
	if elapsed < paceLeast {
		return 0
	}
	return float64(last.current-first.current) / elapsed.Seconds()
}
