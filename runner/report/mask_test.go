package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func masked(t *testing.T, secrets []string, writes ...string) string {
	t.Helper()
	var b bytes.Buffer
	m := Mask(&b, secrets)
	for _, w := range writes {
		if n, err := m.Write([]byte(w)); n != len(w) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", w, n, err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMask(t *testing.T) {
	const odd = "p\"ä<ss/w+rd\n"
	quoted, _ := json.Marshal(odd)
	for _, c := range []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"plain", []string{"hunter2"}, "a hunter2 b hunter2", "a •••• b ••••"},
		{"none", nil, "a", "a"},
		{"too short", []string{"ab", ""}, "ab", "ab"},
		{"beginning only", []string{"hunter2"}, "hunter", "hunter"},
		{"repeated beginning", []string{"aab"}, "aaab", "a••••"},
		{"longest", []string{"abc", "abcdef"}, "abcdef abcd", "•••• ••••d"},
		{"overlapping", []string{"abcd", "cdef"}, "xabcdefx", "x••••x"},
		{"overlapping itself", []string{"aaa"}, "aaaaab", "••••b"},
		{"adjacent", []string{"abc"}, "abcabc", "••••••••"},
		{"trimmed", []string{"hunter2\n"}, "is hunter2.", "is ••••."},
		{"lines", []string{"-----BEGIN\nsecretsecret\n"}, "got secretsecret", "got ••••"},
		{"json", []string{odd}, `{"a":` + string(quoted) + `}`, `{"a":"••••"}`},
		{"query", []string{odd}, "?x=" + url.QueryEscape(odd), "?x=••••"},
		{"path", []string{odd}, "/" + strings.ToLower(url.PathEscape(odd)), "/••••"},
		{"base64", []string{"hunter2 is long"}, base64.StdEncoding.EncodeToString([]byte("hunter2 is long")), "••••"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := masked(t, c.secrets, c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := newPatterns(c.secrets).mask(c.text); got != c.want {
				t.Errorf("at once: got %q, want %q", got, c.want)
			}
			if got := masked(t, c.secrets, strings.Split(c.text, "")...); got != c.want {
				t.Errorf("character by character: got %q, want %q", got, c.want)
			}
		})
	}
}

// What base64 makes of a secret inside a longer text must not tell it.
func TestMaskInsideBase64(t *testing.T) {
	const secret = "correct horse battery"
	for _, before := range []string{"", "u:", "me:", "you:"} {
		got := masked(t, []string{secret}, base64.StdEncoding.EncodeToString([]byte(before+secret+" after")))
		if !strings.Contains(got, maskText) || strings.Contains(got, "IGhvcnNlIG") {
			t.Errorf("behind %q: %s", before, got)
		}
	}
}

func TestMaskHoldsBackLittle(t *testing.T) {
	var b bytes.Buffer
	m := Mask(&b, []string{"hunter2"})
	_, _ = m.Write([]byte("a line\nhun"))
	if b.String() != "a line\n" {
		t.Errorf("passed on %q", b.String())
	}
	_, _ = m.Write([]byte("gry\n"))
	if b.String() != "a line\nhungry\n" {
		t.Errorf("passed on %q", b.String())
	}
}

func TestMaskJSONStaysJSON(t *testing.T) {
	p := newPatterns([]string{"123", "status", `a"b`, "rue"})
	got := p.maskJSON([]byte(`{"status":"status 123","n":123,"t":true,"x":["a\"b","\\"]}`))
	if want := `{"status":"•••• ••••","n":123,"t":true,"x":["••••","\\"]}`; string(got) != want || !json.Valid(got) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// However a text is cut into writes, the result is the same, and no secret is in it.
func FuzzMask(f *testing.F) {
	f.Add("secret", "other", "a secret other seecret", 3)
	f.Add("aaa", "aab", "aaaabaaab", 1)
	f.Add("abcabd", "cab", "abcabcabd", 2)
	f.Fuzz(func(t *testing.T, one, two, text string, cut int) {
		if strings.Contains(maskText, one) || strings.Contains(maskText, two) || !utf8.ValidString(one+two) || len(text) > 1000 {
			return
		}
		secrets := []string{one, two}
		want := newPatterns(secrets).mask(text)
		cut = max(min(cut, len(text)), 0)
		if got := masked(t, secrets, text[:cut], text[cut:]); got != want {
			t.Errorf("cut at %d: %q, want %q", cut, got, want)
		}
		if got := masked(t, secrets, strings.Split(text, "")...); got != want {
			t.Errorf("in pieces: %q, want %q", got, want)
		}
	})
}
