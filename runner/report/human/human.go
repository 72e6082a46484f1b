// Package human writes numbers as people read them.
package human

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Count is a number with its noun: "1 snapshot", "4 snapshots", "2 entries".
func Count(n int, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return strconv.Itoa(n) + " " + noun
}

func plural(noun string) string {
	switch {
	case noun == "":
		return ""
	case strings.HasSuffix(noun, "y") && len(noun) > 1 && !strings.ContainsRune("aeiou", rune(noun[len(noun)-2])):
		return noun[:len(noun)-1] + "ies"
	case strings.HasSuffix(noun, "s"), strings.HasSuffix(noun, "x"), strings.HasSuffix(noun, "ch"), strings.HasSuffix(noun, "sh"):
		return noun + "es"
	}
	return noun + "s"
}

// Duration is a duration for people: "0.12s", "4.50s", "59s", "2m03s", "3h05m", "2d04h". Negative ones count as 0.
func Duration(d time.Duration) string {
	d = max(d, 0)
	if d < 9995*time.Millisecond {
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	if d < 59500*time.Millisecond {
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	switch d = d.Round(time.Second); {
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// Size is a number of bytes for people, in binary units: "512 B", "1.5 KiB", "20 GiB".
func Size(bytes int64) string {
	if bytes > -1024 && bytes < 1024 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value, unit := float64(bytes), -1
	for (value >= 1023.5 || value <= -1023.5) && unit < len("KMGTPE")-1 {
		value, unit = value/1024, unit+1
	}
	if value > -9.95 && value < 9.95 {
		return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[max(unit, 0)])
	}
	return fmt.Sprintf("%.0f %ciB", value, "KMGTPE"[max(unit, 0)])
}
