package report

import (
	"io"
	"strings"
)

// Masked is a writer that masks secrets; see Mask. It is not safe for use by several goroutines at once.
type Masked struct {
	w       io.Writer
	secrets *patterns
	held    string // what may be the beginning of a secret
	covered int    // so much of held belongs to a secret whose mask is written
}

var _ io.Writer = (*Masked)(nil)

// Mask returns a writer that replaces each secret in what is written to it by "••••" and passes the rest on to w at
// once, except what may be the beginning of a secret: that is held until a later Write, or Flush, decides. A secret is
// found across writes, overlapping with others, and also escaped for JSON, Go, URLs or the terminal, in base64 at any
// offset, without white space around it, and by each of its lines of 8 or more bytes. Secrets shorter than 3 bytes are
// ignored.
func Mask(w io.Writer, secrets []string) *Masked {
	return &Masked{w: w, secrets: newPatterns(secrets)}
}

// Write masks and writes. On an error of the underlying writer nothing of data counts as written.
func (m *Masked) Write(data []byte) (int, error) {
	if !m.secrets.any {
		return m.w.Write(data)
	}
	text := m.held + string(data)
	end := len(text) // what follows is held
	for i := range len(text) {
		if len(m.secrets.byFirst[text[i]]) > 0 && m.secrets.begins(text[i:]) {
			end = i
			break
		}
	}
	if err := m.pass(text, end); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Flush writes what is held.
func (m *Masked) Flush() error { return m.pass(m.held, len(m.held)) }

// pass writes text up to end and holds the rest.
func (m *Masked) pass(text string, end int) error {
	var b strings.Builder
	last := m.covered // up to here the text is written or masked
	for i := range end {
		n := m.secrets.at(text[i:])
		if n == 0 {
			continue
		}
		if i >= last {
			b.WriteString(text[last:i] + maskText)
		}
		last = max(last, i+n)
	}
	if last < end {
		b.WriteString(text[last:end])
		last = end
	}
	m.held, m.covered = text[end:], last-end
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(m.w, b.String())
	return err
}
