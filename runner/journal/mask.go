package journal

import (
	"bytes"
	"encoding/json"

	"github.com/hbohlen/coppice/runner/report"
)

// mask replaces secrets in what is recorded.
type mask struct {
	b bytes.Buffer
	w *report.Masked
}

func newMask(secrets []string) *mask {
	m := &mask{}
	if len(secrets) > 0 {
		m.w = report.Mask(&m.b, secrets)
	}
	return m
}

func (m *mask) text(s string) string {
	if m.w == nil || s == "" {
		return s
	}
	m.b.Reset()
	_, _ = m.w.Write([]byte(s)) // into a buffer: never fails
	_ = m.w.Flush()
	return m.b.String()
}

// hides reports whether a secret stands in a JSON value.
func (m *mask) hides(value []byte) bool {
	if m.w == nil {
		return false
	}
	wrapped := append(append([]byte(`{"outputs":`), value...), '}')
	return !bytes.Equal(m.object(wrapped), wrapped)
}

// structural are the fields that a record is put together by. Their values are the playbook's and ours, not the run's,
// and a record must not fall apart because a secret is "ok" or "steps".
var structural = map[string]map[string]bool{
	"":     {"run": true, "mode": true, "playbook": true, "instant": true, "status": true},
	"step": {"id": true, "uses": true, "section": true, "effect": true},
}

// words are the values that no secret hides: their fields have no others.
var words = map[string]map[string]bool{
	"kind":     {"create": true, "update": true, "delete": true, "run": true},
	"severity": {"error": true, "warning": true},
}

// object replaces all secrets in the strings of a JSON object; names of fields, numbers and what is structural stay.
func (m *mask) object(text []byte) []byte {
	if m.w == nil {
		return text
	}
	var (
		out   bytes.Buffer
		depth int
		top   string // the field of the outermost object that we are in
		field string // the last field's name
	)
	for i := 0; i < len(text); {
		if text[i] != '"' {
			switch text[i] {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			out.WriteByte(text[i])
			i++
			continue
		}
		end := i + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(text))
		literal := text[i:end]
		i = end
		var value string
		if json.Unmarshal(literal, &value) != nil {
			out.Write(literal)
			continue
		}
		if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			field = value
			if depth == 1 {
				top = value
			}
			out.Write(literal)
			continue
		}
		keep := depth == 1 && structural[""][field] || depth == 2 && structural[top][field] || words[field][value]
		if masked := m.text(value); !keep && masked != value {
			literal, _ = report.Encode(masked) // a string: never fails
		}
		out.Write(literal)
	}
	return out.Bytes()
}
