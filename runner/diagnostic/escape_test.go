package diagnostic

import "testing"

func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a\b "c"`: `a\b "c"`, "日本 é🙂": "日本 é🙂", "\ufffd": "\ufffd", "\xef": `\xef`, "a\xefb\x00": `a\xefb\x00`,
		"\t\r\n": `\t\r\n`, "\x7f\u0085": `\x7f\u0085`, "\u202e\ufeff": `\u202e\ufeff`, "\U000e0001": `\U000e0001`,
	} {
		if got := Escape(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
