package playbook

import (
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t    Type
		text string
		want any // a value, or a diagnostic.Code
	}{
		{StringType, "0755", "0755"},
		{StringType, "", ""},
		{IntType, "0", int64(0)},
		{IntType, "-9223372036854775808", int64(-1 << 63)},
		{IntType, "9223372036854775808", diagnostic.NumberRange},
		{IntType, "+5", diagnostic.WrongType},
		{IntType, "08", diagnostic.LeadingZero},
		{IntType, "", diagnostic.WrongType},
		{NumberType, "12", 12.0},
		{NumberType, "-0.5e-3", -0.5e-3},
		{NumberType, "0.5", 0.5},
		{NumberType, "00.5", diagnostic.LeadingZero},
		{NumberType, "5.", diagnostic.WrongType},
		{NumberType, "NaN", diagnostic.WrongType},
		{BoolType, "true", true},
		{BoolType, "yes", diagnostic.WrongType},
		{DurationType, "1d 12h", 36 * time.Hour},
		{DurationType, "1", diagnostic.BadDuration},
		{SizeType, "1.5KiB", int64(1536)},
		{SizeType, "1K", diagnostic.BadSize},
		{TimestampType, "2024-01-02", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)},
		{TimestampType, "now", diagnostic.BadTimestamp},
		{PathType, "/a b", "/a b"},
		{PathType, "a\x00", diagnostic.BadValue},
		{FilesystemType, "LABEL=root", "LABEL=root"},
		{FilesystemType, "sda", diagnostic.BadValue},
		{SubvolumeType, "@/home", "@/home"},
	} {
		value, mistake := Convert(c.t, Text(c.text))
		if mistake != nil {
			value = mistake.Code
		}
		if value != c.want {
			t.Errorf("%s %q: got %v (%T), want %v", c.t, c.text, value, value, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a list was converted")
		}
	}()
	_, _ = Convert(ListType, Text("a"))
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"": nil, "~": nil, "null": nil, "Null": "Null", "true": true, "True": "True", "no": "no", "on": "on",
		"0": int64(0), "-0": int64(0), "0755": "0755", "+1": "+1", "1_0": "1_0", "0x1F": "0x1F", "1e3": 1000.0,
		"1.": "1.", ".5": ".5", "0.5": 0.5, ".inf": ".inf", "2024-01-02": "2024-01-02", "1:30": "1:30",
		"9223372036854775807": int64(1<<63 - 1), "9223372036854775808": "9223372036854775808", "1e999": "1e999",
	} {
		if got := Literal(Text(text)); got != want {
			t.Errorf("%q: got %v (%T), want %v", text, got, got, want)
		}
	}
	if got := Literal(Scalar{Text: "1", Style: DoubleQuotedStyle}); got != "1" {
		t.Errorf("quoted: %v", got)
	}
}
