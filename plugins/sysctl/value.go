package sysctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// valueOf makes text of an input.
func valueOf(raw json.RawMessage) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", fmt.Errorf("cannot read the value: %w", err)
	}
	switch v := v.(type) {
	case string:
		return oneLine(v)
	case json.Number:
		return v.String(), nil
	case bool:
		return "", fmt.Errorf("the kernel knows no true and false: write 1 or 0")
	case []any:
		var fields []string
		for _, item := range v {
			field := fmt.Sprint(item)
			switch item.(type) {
			case string, json.Number:
			default:
				return "", fmt.Errorf("a list has numbers or words")
			}
			if field == "" || strings.ContainsFunc(field, unicode.IsSpace) {
				return "", fmt.Errorf("%q in a list is no single field", field)
			}
			fields = append(fields, field)
		}
		return oneLine(strings.Join(fields, " "))
	}
	return "", fmt.Errorf("must be a number, text or a list of these")
}

func oneLine(text string) (string, error) {
	text = strings.TrimSpace(text)
	for _, r := range text {
		if r != '\t' && unicode.IsControl(r) {
			return "", fmt.Errorf("%q is no value: it has one line, and no control characters", text)
		}
	}
	return canonical(text), nil
}

// canonical is a value as we print and compare it: fields of numbers are parted by single spaces.
func canonical(text string) string {
	text = strings.TrimSpace(text)
	if fields := strings.Fields(text); numbers(fields) {
		return strings.Join(fields, " ")
	}
	return text
}

// numbers reports whether all are whole decimal numbers as the kernel prints them.
func numbers(fields []string) bool {
	for _, f := range fields {
		if !isNumber(f) {
			return false
		}
	}
	return len(fields) > 0
}

func isNumber(f string) bool {
	digits := strings.TrimPrefix(f, "-")
	if digits == "" || digits[0] == '0' && f != "0" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// otherBase reports whether the kernel reads it as a number of another base: 010 is 8, 0x10 is 16.
func otherBase(f string) bool {
	digits := strings.TrimPrefix(f, "-")
	if len(digits) < 2 || digits[0] != '0' {
		return false
	}
	rest := strings.ToLower(digits[1:])
	return strings.Trim(rest, "01234567") == "" || len(rest) > 1 && rest[0] == 'x' && strings.Trim(rest[1:], "0123456789abcdef") == ""
}

// same reports whether two values mean the same to the kernel. For words the amount of white space between them does not
// count, but in the few parameters that are free text.
func same(path, a, b string) bool {
	if verbatim(path) {
		return strings.TrimSpace(a) == strings.TrimSpace(b)
	}
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
