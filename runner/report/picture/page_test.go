package picture_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/runner/report/picture/samples"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

var reports = map[string]func() *picture.Report{"server": samples.Server, "hostile": samples.Hostile, "empty": samples.Empty, "old": samples.Old}

// TestPage compares a small page with one that somebody has looked at. What it looks like, TestBrowser asks a browser.
func TestPage(t *testing.T) {
	golden.Check(t, "testdata/hostile.html", picture.Page(samples.Hostile(), time.UTC))
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

// TestFigures: as many marks and blocks are drawn as there are snapshots and runs, and the tables have the same figures.
func TestFigures(t *testing.T) {
	r := samples.Server()
	page := picture.Page(r, time.UTC)
	count := func(pattern string) int { return len(regexp.MustCompile(pattern).FindAllString(page, -1)) }
	existing, deleted, runs, missed, ended := 0, 0, 0, 0, 0
	for _, s := range r.Filesystems[0].Sources {
		existing += len(s.Existing)
		deleted += len(s.Deleted)
	}
	for _, p := range r.Playbooks {
		runs += len(p.Runs)
		missed += len(p.Missed)
		for _, run := range p.Runs {
			if run.Outcome != picture.Interrupted {
				ended++
			}
		}
	}
	const block = `<rect class="%s" x="[^"]*" width="[^"]*" y="[^"]*" height="[^"]*" rx="1.5"/>`
	for what, c := range map[string]struct{ got, want int }{
		"marks of snapshots":         {count(`<rect class="snapshot" [^>]*><title>`), existing},
		"marks of deleted snapshots": {count(`<rect class="gone" [^>]*><title>`), deleted},
		"blocks of runs":             {count(fmt.Sprintf(block, "(changed|unchanged|rescued|failed|interrupted)")), runs},
		"blocks of missed runs":      {count(fmt.Sprintf(block, "missed")), missed},
		"dots of durations":          {count(`class="dot (changed|unchanged|rescued|failed)"[^>]*><title>`), ended},
		"dots of measurements":       {count(`<circle class="dot" `), len(r.Filesystems[0].Measured) + 1},
		"snapshots by day":           {sumOf(t, page, "The snapshots by day", 0), existing},
		"snapshots in figures":       {sumOf(t, page, "The snapshots in figures", 1), existing},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
}

// sumOf adds up the cells of a table that are whole numbers, or one column of it, from 1.
func sumOf(t *testing.T, page, caption string, column int) int {
	t.Helper()
	_, table, ok := strings.Cut(page, "<summary>"+caption+"</summary>")
	table, _, ended := strings.Cut(table, "</table>")
	if !ok || !ended {
		t.Fatalf("no table %q", caption)
	}
	sum := 0
	for _, row := range strings.Split(table, "<tr>")[2:] {
		for i, cell := range regexp.MustCompile(`<td>(\d+)</td>`).FindAllStringSubmatch(row, -1) {
			if column == 0 || i == column-1 {
				n, _ := strconv.Atoi(cell[1]) // digits
				sum += n
			}
		}
	}
	return sum
}

// TestGap: no line is drawn where nobody has measured for long.
func TestGap(t *testing.T) {
	r := samples.Empty()
	for _, days := range []int{20, 19, 5, 4} {
		r.Filesystems[0].Measured = append(r.Filesystems[0].Measured, picture.Space{At: samples.At.Add(-time.Duration(days) * 24 * time.Hour), Size: 100, FreeRatio: 0.5})
	}
	if n := strings.Count(picture.Page(r, time.UTC), `class="curve"`); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}
