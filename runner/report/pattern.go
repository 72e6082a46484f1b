package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Shorter forms are not looked for: they would be found everywhere.
const (
	shortestSecret  = 3
	shortestLine    = 8 // a line of a secret of several lines
	shortestEncoded = 4 // a base64 form
)

const maskText = "••••"

// patterns finds secrets in text.
type patterns struct {
	byFirst [256][]string // by their first byte, longest first
	any     bool
}

func newPatterns(secrets []string) *patterns {
	p := &patterns{}
	seen := map[string]bool{}
	for _, secret := range secrets {
		for _, f := range secretForms(secret) {
			if !seen[f] {
				seen[f], p.any = true, true
				p.byFirst[f[0]] = append(p.byFirst[f[0]], f)
			}
		}
	}
	for i := range p.byFirst {
		slices.SortFunc(p.byFirst[i], func(a, b string) int { return len(b) - len(a) })
	}
	return p
}

// secretForms lists the ways in which a secret can stand in text: as it is, without white space around, its longer
// lines, and each of them escaped for JSON, Go, the terminal and URLs, and in base64 at any offset ("user:" + secret).
func secretForms(secret string) []string {
	raw := []string{secret, strings.TrimSpace(secret)}
	if strings.ContainsAny(secret, "\r\n") {
		for part := range strings.FieldsFuncSeq(secret, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if part = strings.TrimSpace(part); len(part) >= shortestLine {
				raw = append(raw, part)
			}
		}
	}
	var all []string
	for _, s := range raw {
		if len(s) < shortestSecret {
			continue
		}
		all = append(all, s, jsonText(s, true), jsonText(s, false), unquoted(strconv.Quote(s)),
			unquoted(strconv.QuoteToASCII(s)), diagnostic.Escape(s))
		for _, escaped := range []string{url.QueryEscape(s), url.PathEscape(s)} {
			all = append(all, escaped, lowerEscapes(escaped))
		}
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoded(encoding, s)...)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < shortestSecret })
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// jsonText is s as it stands between the quotes of a JSON string.
func jsonText(s string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(s) // a string into a buffer never fails
	return unquoted(strings.TrimSuffix(b.String(), "\n"))
}

// lowerEscapes turns %2F into %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// encoded returns those characters of a base64 text that depend on nothing but s, for each of the three places in a
// group of three bytes at which s can start, and the whole for the first.
func encoded(encoding *base64.Encoding, s string) []string {
	all := []string{encoding.EncodeToString([]byte(s))}
	for offset := range 3 {
		text := encoding.EncodeToString([]byte(strings.Repeat("\x00", offset) + s))
		from, to := (offset*8+5)/6, (offset+len(s))*8/6
		if to-from >= shortestEncoded {
			all = append(all, text[from:to])
		}
	}
	return all
}

// at returns the length of the longest form that text has at its start; 0: none.
func (p *patterns) at(text string) int {
	if text == "" {
		return 0
	}
	for _, f := range p.byFirst[text[0]] {
		if strings.HasPrefix(text, f) {
			return len(f)
		}
	}
	return 0
}

// begins reports whether text is the beginning of a form and more of it could follow.
func (p *patterns) begins(text string) bool {
	for _, f := range p.byFirst[text[0]] {
		if len(f) > len(text) && strings.HasPrefix(f, text) {
			return true
		}
	}
	return false
}

// mask replaces all secrets in a text that is complete.
func (p *patterns) mask(text string) string {
	if !p.any {
		return text
	}
	var b strings.Builder
	last := 0 // up to here the text is written
	for i := 0; i < len(text); i++ {
		n := p.at(text[i:])
		if n == 0 {
			continue
		}
		if i >= last {
			b.WriteString(text[last:i] + maskText)
		}
		last = max(last, i+n)
	}
	return b.String() + text[last:]
}

// maskJSON replaces all secrets inside the strings of a JSON text; keys, numbers and the structure stay as they are.
func (p *patterns) maskJSON(text []byte) []byte {
	if !p.any {
		return text
	}
	var b bytes.Buffer
	for len(text) > 0 {
		start := bytes.IndexByte(text, '"')
		if start < 0 {
			break
		}
		end := start + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(text))
		b.Write(text[:start])
		literal := text[start:end]
		text = text[end:]
		if rest := bytes.TrimLeft(text, " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			b.Write(literal)
			continue
		}
		var value string
		if json.Unmarshal(literal, &value) != nil {
			b.Write(literal)
			continue
		}
		if masked := p.mask(value); masked != value {
			literal = []byte(`"` + jsonText(masked, false) + `"`)
		}
		b.Write(literal)
	}
	b.Write(text)
	return b.Bytes()
}
