package boot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

func TestExpire(t *testing.T) {
	day := 24 * time.Hour
	archive := func(n int, days int) keeping {
		id := kernel.UUID{byte(n)}
		k := keeping{archived: archived{Schema: schema, UUID: id, Place: "root", Path: fmt.Sprintf("a/%d", n), Sequence: n, Trusted: true, At: instant.Add(-time.Duration(days) * day)},
			Now: subvolumeOf(id, kernel.UUID{})}
		k.Now.Path = k.Path
		return k
	}
	all := []keeping{archive(1, 100), archive(2, 90), archive(3, 80), archive(4, 31), archive(5, 29), archive(6, 1)}
	base := policy{Instant: instant, Retention: 30 * day, AtLeast: 1}
	for name, c := range map[string]struct {
		change func(all []keeping, p *policy)
		want   string // the numbers of those that go
	}{
		"by age":          {func([]keeping, *policy) {}, "4 3 2 1"},
		"at least":        {func(_ []keeping, p *policy) { p.AtLeast = 4 }, "2 1"},
		"more than there": {func(_ []keeping, p *policy) { p.AtLeast = 9 }, ""},
		"not confirmed":   {func(_ []keeping, p *policy) { p.Unconfirmed = "x" }, ""},
		"no clock":        {func(_ []keeping, p *policy) { p.Distrust = "x" }, ""},
		"last good":       {func(_ []keeping, p *policy) { p.Good = kernel.UUID{1} }, "4 3 2"},
		"pinned":          {func(all []keeping, _ *policy) { all[1].Pinned = "x" }, "4 3 1"},
		"mounted":         {func(all []keeping, _ *policy) { all[1].Mounted = "x" }, "4 3 1"},
		"default":         {func(all []keeping, _ *policy) { all[1].Default = true }, "4 3 1"},
		"moved":           {func(all []keeping, _ *policy) { all[1].Now.Path = "root" }, "4 3 1"},
		"gone":            {func(all []keeping, _ *policy) { all[5].Now = presence{} }, "4 3 2 1"},
		"gone, and the floor is of those that are there": {func(all []keeping, p *policy) { all[5].Now, p.AtLeast = presence{}, 2 }, "3 2 1"},
		"nested": {func(all []keeping, _ *policy) { all[1].Nested = []kernel.Subvolume{{Path: "a/2/var/lib/machines"}} }, "4 3 1"},
		"nested, on a list": {func(all []keeping, p *policy) {
			all[1].Nested, p.Allowed = []kernel.Subvolume{{Path: "a/2/m"}}, []string{"m"}
		}, "4 3 2 1"},
		"no stamp":                     {func(all []keeping, _ *policy) { all[0].Trusted = false }, "4 3 2"},
		"dated since":                  {func(all []keeping, _ *policy) { all[0].Trusted, all[0].CountedFrom = false, instant.Add(-31*day) }, "4 3 2 1"},
		"abandoned":                    {func(all []keeping, _ *policy) { all[5].Abandoned, all[5].Changed = true, 9 }, "6 4 3 2 1"},
		"abandoned, and another floor": {func(all []keeping, _ *policy) { all[5].Abandoned, all[5].Changed = true, 8 }, "4 3 2 1"},
		"abandoned, not confirmed":     {func(all []keeping, p *policy) { all[5].Abandoned, all[5].Changed, p.Unconfirmed = true, 9, "x" }, ""},
		"a floor for each place":       {func(all []keeping, p *policy) { all[0].Place = "cache" }, "4 3 2"},
	} {
		copied, p := append([]keeping{}, all...), base
		c.change(copied, &p)
		var gone []string
		for _, k := range expire(copied, p) {
			if k.Keep == "" {
				gone = append(gone, fmt.Sprint(k.Sequence))
			}
		}
		if got := strings.Join(gone, " "); got != c.want {
			t.Errorf("%s: %s goes, expected %s", name, got, c.want)
		}
	}
}

func TestDistrusts(t *testing.T) {
	for name, c := range map[string]struct {
		unsynced, input string
		newest          time.Time
		want            string
	}{
		"nothing known":    {"", "system", time.Time{}, ""},
		"not synchronised": {"x", "system", time.Time{}, "x"},
		"rtc":              {"x", "rtc", time.Time{}, ""},
		"a little behind":  {"", "system", instant.Add(4 * time.Minute), ""},
		"behind":           {"", "rtc", instant.Add(6 * time.Minute), "but there was a boot"},
		"far ahead":        {"", "system", instant.Add(-400 * 24 * time.Hour), "more than a year"},
	} {
		if got := distrusts(c.unsynced, c.input, instant, c.newest); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
