package boot

import (
	"regexp"
	"testing"
	"time"
)

func TestArchiveNumber(t *testing.T) {
	name := nameOf("@/root", 7, time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC), "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
	if got := regexp.MustCompile(ArchiveNumber).ReplaceAllString(name, "N"); got != "@-root-N" {
		t.Errorf("%s: %s", name, got)
	}
}
