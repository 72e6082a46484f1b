package volume

import (
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	now := time.Date(2026, 10, 24, 6, 0, 0, 0, time.UTC)
	const id0 = "00000000-0000-0000-0000-0000000000f5"
	for text, want := range map[string]Hold{
		`{"reason":"x","who":"y"}`:                   {Reason: "x", Who: "y"},
		`{"until":""}`:                               {},
		`{"until":null,"more":1}`:                    {},
		`{"until":"2026-10-24T08:00:00.5+02:00"}`:    {Until: now.Add(500 * time.Millisecond)},
		"{\"who\":\"backup\",\"reason\":\"\"}\n \t ": {Who: "backup"},
	} {
		id, got, err := DecodeHold(id0, []byte(text))
		if err != nil || id.String() != id0 || got.Reason != want.Reason || got.Who != want.Who || !got.Until.Equal(want.Until) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "{", `"x"`, `{"until":"tomorrow"}`, `{"until":5}`, `{"reason":[]}`, "{} x"} {
		if _, _, err := DecodeHold(id0, []byte(bad)); err == nil {
			t.Errorf("%q is a hold", bad)
		}
	}
	if _, _, err := DecodeHold("note.txt", []byte("{}")); err == nil {
		t.Error("a hold without UUID")
	}
	h := Hold{Until: now}
	if h.Over(now, true) || !h.Over(now.Add(1), true) || h.Over(now.Add(1), false) || (Hold{}).Over(now, true) {
		t.Error("the end of a hold")
	}
}
