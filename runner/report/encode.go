package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
)

// Encode is JSON in one line, UTF-8, with < > & as they are. What a terminal would obey, control characters beyond
// ASCII's and direction marks, is escaped: a person may well look at the JSON.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.ToValidUTF8(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\ufffd"))
	if bytes.IndexFunc(text, obeyed) < 0 {
		return text, nil
	}
	var escaped bytes.Buffer
	for _, r := range string(text) {
		if obeyed(r) { // outside of strings JSON has none
			fmt.Fprintf(&escaped, `\u%04x`, r)
		} else {
			escaped.WriteRune(r)
		}
	}
	return escaped.Bytes(), nil
}

// obeyed reports whether terminals act on a character that JSON allows in a string as it is.
func obeyed(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r >= 0x7f && unicode.Is(unicode.Bidi_Control, r)
}
