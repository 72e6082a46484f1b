package schema

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name string `json:"name"`
	Size int    `json:"size,omitempty"`
}

type sample struct {
	Mode    string            `json:"mode" enum:"fast|slow" default:"fast" doc:"How."`
	Count   int               `json:"count" min:"1" max:"9"`
	Ratio   float64           `json:"ratio,omitempty"`
	Names   []string          `json:"names" min:"1"`
	Labels  map[string]string `json:"labels,omitempty"`
	Inner   *inner            `json:"inner"`
	When    time.Time         `json:"when,omitzero"`
	Code    string            `json:"code,omitempty" pattern:"^[a-z]+$"`
	Token   string            `json:"token,omitempty" secret:"true"`
	On      bool              `json:"on" default:"true"`
	Hidden  int               `json:"-"`
	private int
}

func TestDeriveAndRoundTrip(t *testing.T) {
	_ = sample{private: 1}
	s := For[sample]()
	if got := strings.Join(s.Names(), " "); got != "mode count ratio names labels inner when code token on" {
		t.Errorf("properties: %s", got)
	}
	if got := strings.Join(s.Required, " "); got != "count names" {
		t.Errorf("required: %s", got)
	}
	for name, want := range map[string]string{"count": "int", "ratio": "number", "names": "list of string",
		"labels": "map of string", "inner": "object", "when": "timestamp", "on": "bool", "mode": "string"} {
		if got := s.Property(name).TypeName(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if !s.Property("token").Secret {
		t.Error("token is not secret")
	}
	first, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Schema
	if err := json.Unmarshal(first, &back); err != nil {
		t.Fatal(err)
	}
	second, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("a schema changes on its way:\n%s\n%s", first, second)
	}
	if back.Property("labels").Values == nil || back.Property("inner").Values != nil {
		t.Error("a map and an object are confused")
	}
	if !bytes.Contains(first, []byte(`"additionalProperties":false`)) {
		t.Error("an object does not refuse unknown members")
	}
}

func TestFillAndCheck(t *testing.T) {
	s := For[sample]()
	for _, c := range []struct {
		name, data string
		want       []string
	}{
		{"good", `{"count":3,"names":["a"],"labels":{"k":"v"},"inner":{"name":"n"},"when":"2026-01-02T03:04:05Z"}`, nil},
		{"absent optional object", `{"count":3,"names":["a"],"inner":null}`, nil},
		{"several", `{"count":0,"names":[],"mode":"odd","code":"A1","more":1}`, []string{
			`/mode must be one of fast, slow, found "odd"`, `/count must be 1 to 9, found 0`,
			`/names needs 1 or more items, has 0`, `/code "A1" does not match ^[a-z]+$`,
			`/more unknown; allowed: mode, count, ratio, names, labels, inner, when, code, token, on`}},
		{"missing", `{}`, []string{` "count" is missing`, ` "names" is missing`}},
		{"types", `{"count":"3","names":"a","on":"yes","ratio":true,"labels":{"k":1},"when":"tomorrow"}`, []string{
			`/count must be an int, found "3"`, `/ratio must be a number, found true`,
			`/names must be a list of string, found "a"`, `/labels/k must be a string, found 1`,
			`/when not a timestamp`, `/on must be true or false, found "yes"`}},
		{"fraction and overflow", `{"count":1.5,"names":["a"]}`, []string{`/count must be a whole number of at most 64 bits, found 1.5`}},
		{"escaped pointer", `{"count":1,"names":["a"],"labels":{"a/b~c":2}}`, []string{`/labels/a~1b~0c must be a string, found 2`}},
		{"NUL", `{"count":1,"names":["a\u0000b"]}`, []string{`/names/0 has a NUL character`}},
	} {
		v, err := s.Fill([]byte(c.data))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, w := range s.Check(v) {
			got = append(got, w.Path+" "+w.Message)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s:\n%s", c.name, strings.Join(got, "\n"))
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", c.name, got[i], c.want[i])
			}
		}
	}
	v, err := s.Fill([]byte(`{"count":9223372036854775807}`))
	if err != nil {
		t.Fatal(err)
	}
	object := v.(map[string]any)
	if object["mode"] != "fast" || object["on"] != true || object["count"] != json.Number("9223372036854775807") {
		t.Errorf("defaults or large numbers are lost: %v", object)
	}
	for _, bad := range []string{"{", "{} {}", "nonsense"} {
		if _, err := s.Fill([]byte(bad)); err == nil {
			t.Errorf("%q is taken for JSON", bad)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`{"count":3,"names":["a"]}`)
	f.Add(`{"labels":{"":{}},"inner":[1]}`)
	s := For[sample]()
	f.Fuzz(func(t *testing.T, data string) {
		v, err := s.Fill([]byte(data))
		if err != nil {
			return
		}
		for _, w := range s.Check(v) {
			if w.Path != "" && !strings.HasPrefix(w.Path, "/") {
				t.Errorf("path %q is no JSON pointer", w.Path)
			}
		}
	})
}
