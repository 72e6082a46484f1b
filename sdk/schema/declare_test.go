package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func declared(t *testing.T, text string) (*Schema, string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	s, wrong := Declare(v)
	if (s == nil) != (len(wrong) > 0) {
		t.Errorf("%s: schema %v with %d mistakes", text, s, len(wrong))
	}
	var b strings.Builder
	for _, m := range wrong {
		fmt.Fprintf(&b, "%s key=%v missing=%v %s\n", m.Path, m.Key, m.Missing, m.Message)
	}
	return s, b.String()
}

func TestDeclare(t *testing.T) {
	s, wrong := declared(t, `{"files": "int", "newest": {"type": "timestamp", "optional": true, "description": "Of all."},
		"disks": {"type": "list", "items": {"type": "object", "fields": {"name": "string", "size": "size"}}},
		"free": {"type": "map", "items": "size"}, "raw": "any", "tags": "map", "names": "list", "log-sec": "int"}`)
	if wrong != "" {
		t.Fatal(wrong)
	}
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","properties":{` +
		`"disks":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"size":{"type":"integer","x-coppice-type":"size"}},"required":["name","size"],"additionalProperties":false}},` +
		`"files":{"type":"integer"},"free":{"type":"object","additionalProperties":{"type":"integer","x-coppice-type":"size"}},` +
		`"log-sec":{"type":"integer"},"names":{"type":"array"},"newest":{"type":"string","x-coppice-type":"timestamp","description":"Of all."},` +
		`"raw":{},"tags":{"type":"object","additionalProperties":{}}},"required":["disks","files","free","log-sec","names","raw","tags"],"additionalProperties":false}`
	if string(got) != want {
		t.Errorf("%s\nexpected\n%s", got, want)
	}
	if wrong := s.Check(s.Zero()); len(wrong) > 0 {
		t.Errorf("Zero does not fit: %v", wrong)
	}
}

func TestMisdeclared(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                      " key=false missing=false is a map of names to types, found a list\n",
		`{"a": "interger"}`:                       "/a key=false missing=false unknown type \"interger\"\n",
		`{"a": 1}`:                                "/a key=false missing=false is a type, or a map with the key \"type\"; found 1\n",
		`{"a": {}}`:                               "/a key=false missing=true a declaration needs the key \"type\"\n",
		`{"": "int"}`:                             "/ key=true missing=false a name is empty\n",
		`{"a": {"type": 3}}`:                      "/a/type key=false missing=false is the name of a type, found 3\n",
		`{"a": {"type": "int", "item": 1}}`:       "/a/item key=true missing=false unknown key \"item\" in a declaration\n",
		`{"a": {"type": "int", "items": 1}}`:      "/a/items key=true missing=false only a list or a map has items\n",
		`{"a": {"type": "list", "fields": {}}}`:   "/a/fields key=true missing=false only an object has fields\n",
		`{"a": {"type": "list", "items": "x"}}`:   "/a/items key=false missing=false unknown type \"x\"\n",
		`{"a": {"type": "object"}}`:               "/a key=false missing=true an object needs the key \"fields\"; one of any names is a map\n",
		`{"a": "object"}`:                         "/a key=false missing=false an object is declared with its fields: {type: object, fields: {…}}\n",
		`{"a": {"type": "object", "fields": {}}}`: "/a/fields key=false missing=false has no field\n",
		`{"a": {"type": "object", "fields": {"b/c": "x"}}}`:                                                "/a/fields/b~1c key=false missing=false unknown type \"x\"\n",
		`{"a": {"type": "int", "optional": "yes"}}`:                                                        "/a/optional key=false missing=false is true or false, found \"yes\"\n",
		`{"a": {"type": "int", "description": 7}}`:                                                         "/a/description key=false missing=false is a text, found 7\n",
		`{"a": ` + strings.Repeat(`{"type":"list","items":`, 25) + `"int"` + strings.Repeat("}", 25) + `}`: "/a" + strings.Repeat("/items", 20) + " key=false missing=false is nested deeper than 20\n",
	} {
		if _, got := declared(t, text); got != want {
			t.Errorf("%s: got %q, expected %q", text, got, want)
		}
	}
}

func TestPrune(t *testing.T) {
	s, _ := declared(t, `{"a": {"type": "list", "items": {"type": "object", "fields": {"n": "int"}}}, "m": {"type": "map", "items": {"type": "object", "fields": {"n": "int"}}}, "x": "any"}`)
	var v any
	if err := json.Unmarshal([]byte(`{"a": [{"n": 1, "z": 2}], "m": {"k": {"n": 1, "z": 2}}, "x": {"z": 1}, "z": 3}`), &v); err != nil {
		t.Fatal(err)
	}
	s.Prune(v)
	got, _ := json.Marshal(v)
	if want := `{"a":[{"n":1}],"m":{"k":{"n":1}},"x":{"z":1}}`; string(got) != want {
		t.Errorf("%s, expected %s", got, want)
	}
}
