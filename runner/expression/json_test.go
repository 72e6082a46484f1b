package expression

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
)

func TestJSON(t *testing.T) {
	text := `{"snapshots":[{"path":"/a","uuid":"u","size":9223372036854775807,"created":"2026-01-31T06:00:00.123456789Z"}],` +
		`"free_ratio":0.5,"count":3,"labels":{"a":"<x>"},"ok":true,"age":"30d"}`
	v, err := testUnits.FromJSON(outputs, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"snapshots":  []any{map[string]any{"path": "/a", "uuid": "u", "size": 1<<63 - 1, "created": time.Date(2026, 1, 31, 6, 0, 0, 123456789, time.UTC)}},
		"free_ratio": 0.5, "count": 3, "labels": map[string]any{"a": "<x>"}, "ok": true, "age": 30 * 24 * time.Hour,
	}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %#v", v)
	}
	back, err := testUnits.ToJSON(outputs, v)
	if err != nil || string(back) != text {
		t.Errorf("%v\ngot  %s\nwant %s", err, back, text)
	}
}

func TestFromJSONErrors(t *testing.T) {
	integer := &schema.Schema{Type: schema.Integer}
	tests := []struct {
		s          *schema.Schema
		text, want string
	}{
		{integer, `9223372036854775808`, "9223372036854775808 is not a whole number of at most 64 bits"},
		{integer, `1.5`, "1.5 is not a whole number of at most 64 bits"},
		{integer, `"1"`, "expected an int, found a string"},
		{nil, `18446744073709551615`, "18446744073709551615 is not a whole number of at most 64 bits"},
		{nil, `1e999`, "1e999 is too large for a number"},
		{nil, `{} {}`, "the JSON has something after its value"},
		{nil, `{`, "the JSON cannot be read: unexpected EOF"},
		{snapshot, `{"path":"/"}`, "uuid is required"},
		{snapshot, `{"path":"/","uuid":"","size":1,"created":"soon"}`, `created: "soon" is not a timestamp`},
		{snapshot, `{"pth":"/"}`, `"pth" is not one of the members path, uuid, size, created, note`},
		{&schema.Schema{Type: schema.Array, Items: snapshot}, `[{"path":[1]}]`, "[0].path: expected a path, found a list"},
		{&schema.Schema{Type: schema.Boolean}, `1`, "expected a bool, found an int"},
		{&schema.Schema{Type: schema.String}, `{}`, "expected a string, found a map"},
	}
	for _, test := range tests {
		_, err := testUnits.FromJSON(test.s, []byte(test.text))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.text, err, test.want)
		}
	}
}

func TestFromPartialJSON(t *testing.T) {
	v, err := testUnits.FromPartialJSON(&schema.Schema{Type: schema.Array, Items: snapshot},
		[]byte(`[{"path":"/","uuid":null,"size":1},{}]`), []string{"/0/uuid", "/0/created", "/1"})
	want := []any{map[string]any{"path": "/", "uuid": Unknown{}, "size": 1, "created": Unknown{}}, Unknown{}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("got %#v, %v", v, err)
	}
	v, err = testUnits.FromPartialJSON(&schema.Schema{Type: schema.Object, Values: &schema.Schema{Type: schema.Integer}},
		[]byte(`{"a/b~":0}`), []string{"/a~1b~0"})
	if err != nil || !reflect.DeepEqual(v, map[string]any{"a/b~": Unknown{}}) {
		t.Errorf("got %#v, %v", v, err)
	}
	if v, err = testUnits.FromPartialJSON(snapshot, nil, []string{""}); v != any(Unknown{}) || err != nil {
		t.Error(v, err)
	}
}

func TestToJSON(t *testing.T) {
	tests := []struct {
		s    *schema.Schema
		v    any
		want string
	}{
		{nil, map[string]any{"b": 1, "a": nil}, `{"a":null,"b":1}`},
		{&schema.Schema{Type: schema.Number}, 3, `3`},
		{&schema.Schema{Type: schema.Integer}, 3.0, `3`},
		{&schema.Schema{Type: schema.Integer}, 3.5, `! expected an int, found a number`},
		{&schema.Schema{Type: schema.String, Kind: schema.Duration}, "30d", `! expected a duration, found a string`},
		{&schema.Schema{Type: schema.String}, Unknown{}, `! the value is only known after the run`},
		{nil, []any{1, Unknown{}}, `! [1]: the value is only known after the run`},
		{snapshot, map[string]any{"path": "/", "uuid": "u", "size": 1, "created": started, "note": nil}, `{"path":"/","uuid":"u","size":1,"created":"2026-01-31T06:00:00Z"}`},
		{snapshot, map[string]any{"path": "/"}, `! uuid is required`},
		{snapshot, map[string]any{"x": 1}, `! "x" is not one of the members path, uuid, size, created, note`},
		{nil, uint(3), `! a value of an unknown kind`},
	}
	for _, test := range tests {
		b, err := testUnits.ToJSON(test.s, test.v)
		got := string(b)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != test.want {
			t.Errorf("%v: got %s, want %s", test.v, got, test.want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x",null,true]}`, `1e400`, `"30d"`, `[[[]]]`, `{"\u0000":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := testUnits.FromJSON(nil, []byte(text))
		if err != nil {
			return
		}
		b, err := testUnits.ToJSON(nil, v)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := testUnits.FromJSON(nil, b)
		if err != nil || !reflect.DeepEqual(again, v) && !strings.ContainsAny(text, ".eE") {
			t.Fatalf("%s: got %v and then %v, %v", text, v, again, err)
		}
	})
}
