package unit

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want time.Duration
		back string // FormatDuration of it
	}{
		{"90s", 90 * time.Second, "1m30s"},
		{"5m", 5 * time.Minute, "5m"},
		{"6h", 6 * time.Hour, "6h"},
		{"30d", 30 * Day, "30d"},
		{"2w", 2 * Week, "14d"},
		{"1h30m", 90 * time.Minute, "1h30m"},
		{"1d 12h", 36 * time.Hour, "1d12h"},
		{"24h", Day, "1d"},
		{"1.5h", 90 * time.Minute, "1h30m"},
		{"250ms", 250 * time.Millisecond, "250ms"},
		{"1m 0.000001ms", time.Minute + time.Nanosecond, "1m0.000001ms"},
		{"0s", 0, "0s"},
		{"106751d", 106751 * Day, "106751d"},
		{"9223372036854.775807ms", math.MaxInt64, "106751d23h47m16s854.775807ms"},
	} {
		got, err := ParseDuration(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: got %v, %v; want %v", c.text, got, err, c.want)
		}
		if back := FormatDuration(got); back != c.back {
			t.Errorf("%q: written as %q, want %q", c.text, back, c.back)
		}
	}
	if got := FormatDuration(math.MinInt64); got != "-106751d23h47m16s854.775808ms" {
		t.Errorf("the smallest duration: %s", got)
	}
}

func TestBadDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      `the duration is empty: write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`,
		"0":                     `the duration "0" has a number without a unit: write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`,
		"-5s":                   `a duration cannot be negative: "-5s"`,
		"1M":                    `a month has no fixed length: "1M": write days, such as 30d`,
		"2 months":              `the duration "2 months" has a number without a unit: write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`,
		"2months":               `a month has no fixed length: "2months": write days, such as 30d`,
		"1y":                    `a year has no fixed length: "1y": write days, such as 365d`,
		"5min":                  `unknown unit "min" in the duration "5min": write 5m`,
		"5H":                    `unknown unit "H" in the duration "5H": write 5h`,
		"5µs":                   `unknown unit "µs" in the duration "5µs": the units are w, d, h, m, s and ms`,
		"5s5m":                  `the units of "5s5m" are out of order: write each unit once, the longest first: w d h m s ms`,
		"5s5s":                  `the units of "5s5s" are out of order: write each unit once, the longest first: w d h m s ms`,
		"05m":                   `the number 05 of the duration "05m" has a leading zero: write 5`,
		"000s":                  `the number 000 of the duration "000s" has a leading zero: write 0`,
		"1.5h10m":               `only the last number of a duration can have a fraction: "1.5h10m"`,
		"0.0000001ms":           `the duration "0.0000001ms" is finer than a nanosecond`,
		"106752d":               `the duration "106752d" is too long: the longest is 106751d`,
		"106751d 24h":           `the duration "106751d 24h" is too long: the longest is 106751d`,
		"99999999999999999999s": `the duration "99999999999999999999s" is too long: the longest is 106751d`,
		"1h  5m":                `not a duration: "1h  5m": write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`,
		" 1h":                   `not a duration: " 1h": write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w`,
	} {
		got, err := ParseDuration(text)
		checkError(t, text, got, err, want)
	}
	if _, err := ParseDuration("1h "); err == nil {
		t.Error("a space at the end was accepted")
	}
}

func checkError[T comparable](t *testing.T, text string, got T, err error, want string) {
	t.Helper()
	var zero T
	var typed *Error
	switch {
	case !errors.As(err, &typed):
		t.Errorf("%q: %v, %v", text, got, err)
	case err.Error() != want:
		t.Errorf("%q: %s\nwant %s", text, err, want)
	case got != zero:
		t.Errorf("%q: a value besides the error: %v", text, got)
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		want        int64
		short, back string
	}{
		{"0", 0, "0B", "0B"},
		{"4096", 4096, "4KiB", "4KiB"},
		{"1000B", 1000, "1000B", "1000B"},
		{"512MiB", 512 * MiB, "512MiB", "512MiB"},
		{"1.5GiB", 1536 * MiB, "1.5GiB", "1536MiB"},
		{"1.5 GiB", 1536 * MiB, "1.5GiB", "1536MiB"},
		{"10GB", 1e10, "9.3GiB", "9765625KiB"},
		{"1kB", 1000, "1000B", "1000B"},
		{"0.3KiB", 307, "307B", "307B"},
		{"7.999999999999999999999999999999999999999999999EiB", math.MaxInt64, "8EiB", "9223372036854775807B"},
		{"1048575", MiB - 1, "1MiB", "1048575B"},
		{"1TB", 1e12, "931.3GiB", "976562500KiB"},
	} {
		got, err := ParseSize(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: got %v, %v; want %v", c.text, got, err, c.want)
		}
		if short := FormatSize(got); short != c.short {
			t.Errorf("%q: written as %q, want %q", c.text, short, c.short)
		}
		if back := ExactSize(got); back != c.back {
			t.Errorf("%q: written exactly as %q, want %q", c.text, back, c.back)
		}
	}
	if got := FormatSize(math.MinInt64); got != "-8EiB" {
		t.Errorf("the smallest size: %s", got)
	}
}

func TestBadSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":        `the size is empty: write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1T":      `the unit "T" in the size "1T" is ambiguous: write 1TiB (powers of 1024) or 1TB (powers of 1000)`,
		"1k":      `the unit "k" in the size "1k" is ambiguous: write 1KiB (powers of 1024) or 1kB (powers of 1000)`,
		"1KB":     `the unit "KB" in the size "1KB" is ambiguous: write 1KiB (powers of 1024) or 1kB (powers of 1000)`,
		"1gib":    `unknown unit "gib" in the size "1gib": write 1GiB`,
		"1.5B":    `there is no fraction of a byte: "1.5B": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"-1":      `a size cannot be negative: "-1"`,
		"8EiB":    `the size "8EiB" is too large: the largest is below 8EiB`,
		"1  MiB":  `unknown unit " MiB" in the size "1  MiB": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1 ":      `the size "1 " ends in a space: write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1 furl":  `unknown unit "furl" in the size "1 furl": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"0755":    `the number 0755 of the size "0755" has a leading zero: write 755`,
		"1,5GiB":  `unknown unit ",5GiB" in the size "1,5GiB": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1.GiB":   `digits are missing after the point in the size "1.GiB": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1MiB2":   `unknown unit "MiB2" in the size "1MiB2": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"GiB":     `not a size: "GiB": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
		"1étoile": `unknown unit "étoile" in the size "1étoile": write a number and a unit, such as 512MiB, 1.5GiB or 10GB`,
	} {
		got, err := ParseSize(text)
		checkError(t, text, got, err, want)
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2024-01-31":                     "2024-01-31T00:00:00Z",
		"2024-02-29T06:00:00Z":           "2024-02-29T06:00:00Z",
		"2024-01-31T06:00:00.25+01:30":   "2024-01-31T04:30:00.25Z",
		"2024-01-31T06:00:00.123456789Z": "2024-01-31T06:00:00.123456789Z",
	} {
		got, err := ParseTimestamp(text)
		if err != nil || FormatTimestamp(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "2024-02-30", "2023-02-29T00:00:00Z", "2024-01-31T06:00:00", "2024-01-31 06:00:00Z", "2024-1-31",
		"2024-01-31T06:00:00,5Z", "2024-01-31T24:00:00Z", "2024-01-31T06:00:60Z", "2024-01-31T06:00:00z",
		"2024-01-31T06:00:00+25:00", "now", "1706680800", "2024-01-31T6:00:00Z",
	} {
		if got, err := ParseTimestamp(text); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, text := range []string{"90s", "1h30m", "1d 12h", "2w", "250ms", "1.5h", "0.000001ms", "1M", "106751d", "05m", "-1s", ""} {
		f.Add(text, int64(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, number int64) {
		if d, err := ParseDuration(text); err == nil {
			again, err := ParseDuration(FormatDuration(d))
			if err != nil || again != d || d < 0 {
				t.Errorf("%q is %d, written %q, read as %d: %v", text, d, FormatDuration(d), again, err)
			}
		}
		d := time.Duration(number)
		again, err := ParseDuration(strings.TrimPrefix(FormatDuration(d), "-"))
		if d == math.MinInt64 {
			return // its absolute value does not exist
		}
		if err != nil || again != d.Abs() {
			t.Errorf("%d is written %q, read as %d: %v", d, FormatDuration(d), again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"512MiB", "1.5 GiB", "10GB", "4096", "1KB", "7.99EiB", "0755", "-1", ""} {
		f.Add(text, int64(len(text))<<40)
	}
	f.Fuzz(func(t *testing.T, text string, number int64) {
		if n, err := ParseSize(text); err == nil {
			again, err := ParseSize(ExactSize(n))
			if err != nil || again != n || n < 0 {
				t.Errorf("%q is %d, written %q, read as %d: %v", text, n, ExactSize(n), again, err)
			}
		}
		if number < 0 {
			return
		}
		short := FormatSize(number)
		again, err := ParseSize(short)
		if number > math.MaxInt64-EiB/20 {
			return // rounds to 8EiB, which is no int64
		}
		// Half of a tenth of the unit it is written in, which is at most number; 1 for cutting off.
		if off := again - number; err != nil || max(off, -off) > number/20+1 {
			t.Errorf("%d is written %q, read as %d: %v", number, short, again, err)
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"2024-01-31", "2024-01-31T06:00:00.5+01:00", "0000-01-01", "9999-12-31T23:59:59-23:59", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseTimestamp(text)
		if err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999 {
			return
		}
		again, err := ParseTimestamp(FormatTimestamp(at))
		if err != nil || !again.Equal(at) {
			t.Errorf("%q is %v, read again as %v: %v", text, at, again, err)
		}
	})
}
