package picture_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/runner/report/picture/samples"
)

var update = flag.Bool("update", false, "write the golden files")

var reports = map[string]func() *picture.Report{"server": samples.Server, "hostile": samples.Hostile, "empty": samples.Empty, "old": samples.Old}

// TestPage compares a small page with one that somebody has looked at. What it looks like, TestBrowser asks a browser.
func TestPage(t *testing.T) {
	got := picture.Page(samples.Hostile(), time.UTC)
	const file = "testdata/hostile.html"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update writes it", file)
	}
}

// TestPageIsComplete: nothing in a page can load anything, run anything, or is not closed; and it is not endless.
func TestPageIsComplete(t *testing.T) {
	loads := regexp.MustCompile(`(?i)<(script|img|iframe|object|embed|video|audio|base|form)\b|\b(src|srcset|action|on\w+)=["']|url\(|@import|https?:|//`)
	for name, make := range reports {
		page := picture.Page(make(), time.UTC)
		for _, found := range loads.FindAllString(strings.ReplaceAll(page, "&lt;", "‹"), -1) {
			if name != "hostile" { // there they are text
				t.Errorf("%s has %s", name, found)
			}
		}
		if strings.ContainsAny(page, "\x1b\u202e") || strings.Contains(page, "<script") || strings.Contains(page, "<img") {
			t.Errorf("%s: what is not printable, or markup of others, is in the page", name)
		}
		balanced(t, name, page)
		if len(page) > 1<<20 {
			t.Errorf("%s has %d bytes", name, len(page))
		}
	}
}

// balanced checks that each element is closed where it has to be.
func balanced(t *testing.T, name, page string) {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "br": true}
	var open []string
	for _, tag := range regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*?(/?)>`).FindAllStringSubmatch(page, -1) {
		switch {
		case tag[1] == "/":
			if len(open) == 0 || open[len(open)-1] != tag[2] {
				t.Fatalf("%s: </%s> closes %q", name, tag[2], open)
			}
			open = open[:len(open)-1]
		case tag[3] == "" && !void[tag[2]]:
			open = append(open, tag[2])
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: not closed: %q", name, open)
	}
}
