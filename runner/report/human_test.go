package report

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

func TestHumanForms(t *testing.T) {
	for got, want := range map[string]string{
		Count(0, "snapshot"): "0 snapshots", Count(1, "snapshot"): "1 snapshot", Count(2, "entry"): "2 entries",
		Count(3, "day"): "3 days", Count(2, "box"): "2 boxes", Count(2, "pass"): "2 passes", Count(2, "batch"): "2 batches",
		Duration(0): "0.00s", Duration(-time.Second): "0.00s", Duration(120 * time.Millisecond): "0.12s",
		Duration(9994 * time.Millisecond): "9.99s", Duration(9996 * time.Millisecond): "10s", Duration(59 * time.Second): "59s",
		Duration(59700 * time.Millisecond): "1m00s", Duration(123 * time.Second): "2m03s",
		Duration(3*time.Hour + 5*time.Minute): "3h05m", Duration(52 * time.Hour): "2d04h",
		Size(0): "0 B", Size(1023): "1023 B", Size(1024): "1.0 KiB", Size(1536): "1.5 KiB", Size(20 << 30): "20 GiB",
		Size(1<<20 - 1): "1.0 MiB", Size(1<<63 - 1): "8.0 EiB", Size(-2048): "-2.0 KiB",
		speed(0.5, "x"): "30/min", speed(3, "x"): "3/s", speed(1<<20, "bytes"): "1.0 MiB/s", speed(0.0001, "x"): "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCutMiddle(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"snapshots/root/20260330", 15, "snapsho…0260330"},
		{"ああああああ", 7, "あ…ああ"},
		{"e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", 4, "e\u0301…e\u0301e\u0301"},
		{"abc", 1, "…"},
	} {
		got := cutMiddle(c.text, c.width)
		if got != c.want || textWidth(got) > c.width {
			t.Errorf("cutMiddle(%q, %d) = %q (%d wide), want %q", c.text, c.width, got, textWidth(got), c.want)
		}
	}
}

func TestWrapText(t *testing.T) {
	got := strings.Join(wrapText("one two  three averyveryverylongword end", 10), "|")
	if want := "one two |three|averyveryv|erylongwor|d end"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShown(t *testing.T) {
	count := func(all []bool) (n int) {
		for _, s := range all {
			if s {
				n++
			}
		}
		return n
	}
	creates := make([]sdk.Change, 300)
	for i := range creates {
		creates[i].Kind = sdk.Create
	}
	for _, c := range []struct {
		all              []sdk.Change
		verbose, careful bool
		want             int
	}{
		{creates[:16], false, true, 16}, {creates[:17], false, true, 12}, {creates, true, true, 300},
		{expired(60), false, true, 60}, {expired(61), false, true, 45}, {expired(61), false, false, 12},
		{append(expired(60), creates...), false, true, 72},
	} {
		if got := count(shown(c.all, c.verbose, c.careful)); got != c.want {
			t.Errorf("%d shown of %d, want %d", got, len(c.all), c.want)
		}
	}
}
