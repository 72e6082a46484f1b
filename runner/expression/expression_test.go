package expression

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/schema"
)

// testUnits are plain stand-ins: 30d and everything that time.ParseDuration reads, 5MiB and 1GiB.
var testUnits = Units{
	ParseDuration: func(s string) (time.Duration, error) {
		if days, ok := strings.CutSuffix(s, "d"); ok {
			if n, err := strconv.Atoi(days); err == nil && n < 100_000 {
				return time.Duration(n) * 24 * time.Hour, nil
			}
		} else if d, err := time.ParseDuration(s); err == nil {
			return d, nil
		}
		return 0, fmt.Errorf("%q is not a duration", s)
	},
	FormatDuration: func(d time.Duration) string {
		if d%(24*time.Hour) == 0 && d != 0 {
			return fmt.Sprintf("%dd", d/(24*time.Hour))
		}
		return d.String()
	},
	ParseSize: func(s string) (int64, error) {
		for i, unit := range []string{"KiB", "MiB", "GiB"} {
			if n, err := strconv.ParseInt(strings.TrimSuffix(s, unit), 10, 32); err == nil && strings.HasSuffix(s, unit) {
				return n << (10 * (i + 1)), nil
			}
		}
		return 0, fmt.Errorf("%q is not a size", s)
	},
	ParseTimestamp: func(s string) (time.Time, error) {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return t, fmt.Errorf("%q is not a timestamp", s)
		}
		return t, nil
	},
}

var snapshot = &schema.Schema{Type: schema.Object, Required: []string{"path", "uuid", "size", "created"}, Properties: schema.Properties{
	{Name: "path", Schema: &schema.Schema{Type: schema.String, Kind: schema.Path}},
	{Name: "uuid", Schema: &schema.Schema{Type: schema.String, Kind: schema.UUID}},
	{Name: "size", Schema: &schema.Schema{Type: schema.Integer, Kind: schema.Size}},
	{Name: "created", Schema: &schema.Schema{Type: schema.String, Kind: schema.Timestamp}},
	{Name: "note", Schema: &schema.Schema{Type: schema.String}},
}}

var outputs = &schema.Schema{Type: schema.Object, Required: []string{"snapshots", "free_ratio", "count", "labels", "ok", "age"}, Properties: schema.Properties{
	{Name: "snapshots", Schema: &schema.Schema{Type: schema.Array, Items: snapshot}},
	{Name: "free_ratio", Schema: &schema.Schema{Type: schema.Number}},
	{Name: "count", Schema: &schema.Schema{Type: schema.Integer}},
	{Name: "labels", Schema: &schema.Schema{Type: schema.Object, Values: &schema.Schema{Type: schema.String}}},
	{Name: "ok", Schema: &schema.Schema{Type: schema.Boolean}},
	{Name: "age", Schema: &schema.Schema{Type: schema.String, Kind: schema.Duration}},
}}

func step(out Type) Type {
	return Record(
		Field{"status", Enum("ok", "changed", "skipped", "failed")},
		Field{"changed", Bool},
		Field{"outputs", out},
	)
}

// testScope has a step that always runs (space) and one that may be skipped (take).
var testScope = Scope{
	Units:  testUnits,
	Status: StatusFunctions,
	Names: []Field{
		{"inputs", Record(
			Field{"filesystem", TypeOf(&schema.Schema{Type: schema.String, Kind: schema.Filesystem})},
			Field{"scope", Enum("critical", "all")},
			Field{"retention", Duration},
			Field{"limit", Size},
			Field{"keep", Int},
			Field{"dry", Bool},
			Field{"names", List(String)},
			Field{"webhook", String.MaybeUnset("the input is optional")},
		)},
		{"vars", Record(Field{"anything", Any}, Field{"n", Int}, Field{"f", Number}, Field{"s", String})},
		{"steps", Record(
			Field{"space", step(TypeOf(outputs))},
			Field{"take", step(TypeOf(outputs).MaybeSkipped("step take may be skipped"))},
		)},
		{"run", Record(Field{"started_at", Timestamp}, Field{"id", String})},
	},
}

var started = time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)

// testEnv has a value for every name of testScope.
func testEnv() Env {
	out := func() map[string]any {
		return map[string]any{
			"snapshots": []any{
				map[string]any{"path": "/s/a", "uuid": "u1", "size": 10, "created": started.Add(-time.Hour)},
				map[string]any{"path": "/s/b", "uuid": "u2", "size": 30, "created": started, "note": "new"},
			},
			"free_ratio": 0.25, "count": 2, "labels": map[string]any{"a": "x"}, "ok": true, "age": 90 * time.Minute,
		}
	}
	stepValue := func() map[string]any { return map[string]any{"status": "ok", "changed": true, "outputs": out()} }
	return Env{
		Values: map[string]any{
			"inputs": map[string]any{"filesystem": "/", "scope": "critical", "retention": 30 * 24 * time.Hour, "limit": 1 << 30,
				"keep": 5, "dry": false, "names": []any{"root", "home"}},
			"vars":  map[string]any{"anything": "word", "n": 3, "f": 1.5, "s": "héllo"},
			"steps": map[string]any{"space": stepValue(), "take": stepValue()},
			"run":   map[string]any{"started_at": started, "id": "r1"},
		},
		Status: map[string]any{"success": true, "failure": false, "cancelled": false},
	}
}

func mustCompile(t *testing.T, text string) *Program {
	t.Helper()
	p, problems := CompileValue(text, testScope)
	if p == nil {
		t.Fatalf("%s: %v", text, problems)
	}
	return p
}

// goWords must not appear in a message: they mean nothing to the author of a playbook.
var goWords = []string{"interface", "float64", "func(", "map[", "[]", "time.", "%!", "Token", "Operator(", "Bracket(", "strconv", "nil pointer", "runtime error", "goroutine", "panic"}

func checkWords(t *testing.T, text, message string) {
	t.Helper()
	for _, word := range goWords {
		if strings.Contains(message, word) && !strings.Contains(text, word) {
			t.Errorf("%s: the message has %q: %s", text, word, message)
		}
	}
}
