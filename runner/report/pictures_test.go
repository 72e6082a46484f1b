package report

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/runner/report/picture/samples"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

// TestHistory compares pictures in characters with those that somebody has looked at.
func TestHistory(t *testing.T) {
	for _, c := range []struct {
		name    string
		report  *picture.Report
		options Options
		ascii   bool
	}{
		{"history.file", samples.Server(), Options{}, false},
		{"history.80", samples.Server(), Options{Width: 80}, false},
		{"history.ascii", samples.Server(), Options{Width: 80}, true},
		{"history.color", samples.Server(), Options{Width: 80, Color: true}, false},
		{"history.narrow", samples.Server(), Options{Width: 34}, false},
		{"history.hostile", samples.Hostile(), Options{Width: 80}, false},
		{"history.empty", samples.Empty(), Options{Width: 80}, false},
		{"history.old", samples.Old(), Options{Width: 80}, false},
	} {
		var out bytes.Buffer
		c.options.Out = &out
		if err := History(c.options, c.report, time.UTC, c.ascii); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, filepath.Join("testdata", c.name+".golden"), out.String())
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if c.options.Width > 0 && !c.options.Color && textWidth(line) > c.options.Width {
				t.Errorf("%s: a line is wider than the terminal: %s", c.name, line)
			}
			if c.ascii && strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
				t.Errorf("%s: not all of it is ASCII: %s", c.name, line)
			}
		}
	}
}

// TestHistoryAtAnyWidth: no line is wider than the terminal, whatever is drawn.
func TestHistoryAtAnyWidth(t *testing.T) {
	for width := minWidth; width < 200; width += 3 {
		for _, r := range []*picture.Report{samples.Server(), samples.Hostile(), samples.Empty(), samples.Old()} {
			var out bytes.Buffer
			if err := History(Options{Out: &out, Width: width}, r, time.UTC, false); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if n := textWidth(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%d cells in a terminal of %d: %s", n, width, line)
				}
			}
		}
	}
}

func TestHistoryJSON(t *testing.T) {
	var out bytes.Buffer
	if err := HistoryJSON(Options{Out: &out}, samples.Hostile()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), `{"format":"coppice.report","version":1,"report":{"at":"2026-11-26T12:20:00Z",`) || strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Error(out.String())
	}
}
