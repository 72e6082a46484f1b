package host

import (
	"maps"
	"strings"
	"testing"
)

func TestPins(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	pins := map[string]Pin{"b": {"1.0.0", sum}, "a-b_2": {"dev", sum}}
	text := FormatPins(pins)
	if again, err := ParsePins(text); err != nil || !maps.Equal(again, pins) {
		t.Errorf("%v, %v\n%s", again, err, text)
	}
	if strings.Index(text, "a-b_2") > strings.Index(text, "\nb ") {
		t.Errorf("not sorted\n%s", text)
	}
	if empty, err := ParsePins("# nothing\n\n"); err != nil || empty == nil || len(empty) != 0 {
		t.Errorf("%v, %v", empty, err)
	}
	for text, want := range map[string]string{
		"a 1 sha256:" + sum + "\n\na 1":             "line 3 has 2 words",
		"a 1 sha256:" + sum + "\na 2 sha256:" + sum: "line 2: a stands twice",
		"a 1 " + sum:                         "is not sha256:",
		"a 1 sha256:" + strings.ToUpper(sum): "is not sha256:",
		"../a 1 sha256:" + sum:               `"../a" cannot name a plugin`,
		"a 1 sha256:" + sum + " extra":       "line 1 has 4 words",
	} {
		if _, err := ParsePins(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}
