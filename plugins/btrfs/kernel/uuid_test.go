package kernel

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUUID(t *testing.T) {
	const s = "01234567-89ab-cdef-0011-223344556677"
	u, err := ParseUUID(strings.ToUpper(s))
	if err != nil || u.String() != s || u.IsZero() || u[0] != 1 || u[15] != 0x77 {
		t.Errorf("%v, %v", u, err)
	}
	b, err := json.Marshal(map[string]UUID{"u": u})
	if err != nil || string(b) != `{"u":"`+s+`"}` {
		t.Errorf("%s, %v", b, err)
	}
	var back map[string]UUID
	if err := json.Unmarshal(b, &back); err != nil || back["u"] != u {
		t.Errorf("%v, %v", back, err)
	}
	if z := (UUID{}); !z.IsZero() || z.String() != "00000000-0000-0000-0000-000000000000" {
		t.Error(z)
	}
	for _, bad := range []string{"", s + "0", s[1:], strings.ReplaceAll(s, "-", ""), strings.Replace(s, "0", "g", 1), strings.Replace(s, "-", "0", 1), "0123456-789ab-cdef-0011-223344556677", "-" + s[1:]} {
		if u, err := ParseUUID(bad); err == nil {
			t.Errorf("%q is %v", bad, u)
		}
		kept := UUID{1}
		if err := kept.UnmarshalText([]byte(bad)); err == nil || kept != (UUID{1}) {
			t.Errorf("%q: %v, %v", bad, kept, err)
		}
	}
}

func FuzzParseUUID(f *testing.F) {
	f.Add("01234567-89ab-cdef-0011-223344556677")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := ParseUUID(s); err == nil && u.String() != strings.ToLower(s) {
			t.Errorf("%q is %v", s, u)
		}
	})
}
