package volume

import (
	"slices"
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	now := time.Date(2026, 10, 24, 6, 0, 0, 0, time.UTC)
	const id0 = "00000000-0000-0000-0000-0000000000f5"
	for text, want := range map[string]Holds{
		`{"reason":"x","who":"y"}`:                   {{Reason: "x", Who: "y"}},
		`{"until":""}`:                               {{}},
		`{"until":null,"more":1}`:                    {{}},
		`{"until":"2026-10-24T08:00:00.5+02:00"}`:    {{Until: now.Add(500 * time.Millisecond)}},
		"{\"who\":\"backup\",\"reason\":\"\"}\n \t ": {{Who: "backup"}},
		` [{"who":"a"}, {"who":"b","reason":"c"}]`:   {{Who: "a"}, {Who: "b", Reason: "c"}},
	} {
		id, got, err := DecodeHolds(id0, []byte(text))
		same := func(a, b Hold) bool { return a.Reason == b.Reason && a.Who == b.Who && a.Until.Equal(b.Until) }
		if err != nil || id.String() != id0 || !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "{", `"x"`, `{"until":"tomorrow"}`, `{"until":5}`, `{"reason":[]}`, "{} x", "[]", "[{}", `[{"until":"x"}]`, "null []"} {
		if _, _, err := DecodeHolds(id0, []byte(bad)); err == nil {
			t.Errorf("%q is a hold", bad)
		}
	}
	if _, _, err := DecodeHolds("note.txt", []byte("{}")); err == nil {
		t.Error("a hold without UUID")
	}
}

func TestHolds(t *testing.T) {
	now := time.Date(2026, 10, 24, 6, 0, 0, 0, time.UTC)
	one := Holds{{Until: now}}
	if one.Over(now, true) || !one.Over(now.Add(1), true) || one.Over(now.Add(1), false) || (Holds{{}}).Over(now, true) {
		t.Error("the end of a hold")
	}
	two := one.With(Hold{Who: "backup", Reason: "next parent"})
	if two.Over(now.Add(1), true) || two.String() != "pinned, pinned: next parent" {
		t.Errorf("two holds: %v", two)
	}
	if again := two.With(Hold{Who: "backup"}); len(again) != 2 || again.String() != "pinned, pinned by backup" || len(two.Without("backup")) != 1 {
		t.Errorf("a holder has one hold: %v", again)
	}
	if h, there := two.Of("backup"); !there || h.Reason != "next parent" {
		t.Errorf("the hold of backup: %v, %v", h, there)
	}
	if _, there := two.Of("nobody"); there {
		t.Error("a hold of nobody")
	}
}
