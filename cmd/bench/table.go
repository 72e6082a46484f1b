package main

import (
	"fmt"
	"time"
)

// nameWidth fits the longest name.
const nameWidth = 62

// section starts a row of the design's table.
func (b *bench) section(title string) { b.printf("\n%s\n", title) }

// columns heads a table of times.
func (b *bench) columns(what string) {
	b.printf("  %-*s %8s %8s %8s\n", nameWidth, what, "min", "median", "max")
}

// times prints the times of one contender.
func (b *bench) times(c *contender, which func(spent) time.Duration) {
	if c.missing != "" {
		b.printf("  %-*s %26s\n", nameWidth, c.name, c.missing)
		return
	}
	f := c.of(which)
	b.printf("  %-*s %8s %8s %8s\n", nameWidth, c.name, ms(f.least), ms(f.median), ms(f.most))
}

// claim prints a figure beside its bound.
func (b *bench) claim(what, figure, bound string, holds bool) {
	verdict := "within bound"
	b.claims++
	if !holds {
		verdict = "OUTSIDE bound"
		b.exceeded++
	}
	b.printf("  %-*s %8s  %-24s  %s\n", nameWidth, what, figure, bound, verdict)
}

// fact prints a figure that has no bound.
func (b *bench) fact(what, figure string) {
	b.printf("  %-*s %8s\n", nameWidth, what, figure)
}

// ms prints a time without its unit.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// ratio is a in terms of b.
func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func multiple(r float64) string { return fmt.Sprintf("%.2f ×", r) }
