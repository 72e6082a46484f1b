package plugintest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest"
)

// broken is the variable that says how the plugin is broken.
const broken = "PLUGINTEST_BROKEN"

func TestMain(m *testing.M) {
	if mode := os.Getenv(broken); mode != "" {
		serveBroken(mode)
	}
	os.Exit(m.Run())
}

// notes are the cases of the plugin, in a folder of the test's own.
func notes(t *testing.T) []plugintest.Case {
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "note"), filepath.Join(dir, "stamps")
	return []plugintest.Case{{
		Action:  "write",
		Inputs:  map[string]any{"path": file, "text": "hello", "token": "hunter2-hunter2"},
		Prepare: func(context.Context) error { return os.RemoveAll(file) },
		Watch:   []string{dir},
		Drift:   func(context.Context) error { return os.WriteFile(file, []byte("somebody else's"), 0o600) },
	}, {
		Name:    "overwrite",
		Action:  "write",
		Inputs:  map[string]any{"path": file + "2", "text": "hello"},
		Prepare: func(context.Context) error { return os.WriteFile(file+"2", []byte("old"), 0o600) },
		Watch:   []string{dir},
	}, {
		Action: "stamp",
		Inputs: map[string]any{"folder": folder},
		Prepare: func(context.Context) error {
			return errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700))
		},
		Watch: []string{folder},
	}, {
		Action: "wait",
		Long:   true,
	}, {
		Action: "look",
		Inputs: map[string]any{"path": file + "2"},
	}}
}

func TestGood(t *testing.T) {
	plugintest.Run(t, plugintest.Options{Cases: notes(t), Env: []string{broken + "=not at all"}, Name: "notes"})
	plugintest.Run(t, plugintest.Options{Cases: notes(t), Plugin: newNotes(""), Name: "notes"})
}

// Each broken promise is found by the check that is for it.
func TestBroken(t *testing.T) {
	for mode, want := range map[string]struct{ check, action string }{
		"mute":                 {"handshake", "write"},
		"banner":               {"handshake", "write"},
		"bad name":             {"describe", "write"},
		"no version":           {"describe", "write"},
		"wire: two answers":    {"describe", "write"},
		"wire: other version":  {"describe", "write"},
		"wire: no effect":      {"describe", "write"},
		"wire: wrong schema":   {"schemas", "write"},
		"wire: wrong default":  {"schemas", "write"},
		"wire: wrong pattern":  {"schemas", "write"},
		"no words":             {"docs", "write"},
		"wire: RPC error":      {"unknown-action wrong-inputs", "write"},
		"wire: takes anything": {"wrong-inputs", "write"},
		"wire: no path":        {"wrong-inputs", "write"},
		"dies":                 {"case", "write"},
		"unstable locks":       {"locks", "write"},
		"wire: no Lock":        {"locks", "write"},
		"plan writes":          {"plan-only-reads", "write"},
		"plan leaves a file":   {"plan-only-reads", "write"},
		"random":               {"plan-repeats", "write"},
		"touches":              {"changes", "write"},
		"deletes":              {"changes", "write"},
		"reads and changes":    {"changes", "look"},
		"wire: misfit":         {"outputs", "write"},
		"wrong prediction":     {"outputs", "write"},
		"unknown nowhere":      {"unknown-outputs", "write"},
		"rounds":               {"integers", "write"},
		"wire: floating point": {"integers", "write"},
		"wire: small":          {"large", "write"},
		"mixes up":             {"large", "write"},
		"ignores prior":        {"prior-changes", "write"},
		"silent":               {"preview-equals-run", "write"},
		"hides":                {"preview-equals-run", "write"},
		"reports twice":        {"preview-equals-run", "write"},
		"wire: two results":    {"one-result", "write"},
		"wire: no result":      {"one-result", "write"},
		"in memory":            {"plan-travels", "write"},
		"repeats":              {"apply-twice", "write"},
		"once more":            {"apply-twice", "stamp"},
		"never content":        {"second-run", "write"},
		"claims to converge":   {"second-run", "stamp"},
		"blind":                {"drift", "write"},
		"does not stop":        {"cancel", "wait"},
		"pretends":             {"cancel", "wait"},
		"tells the secret":     {"secrets", "write"},
		"secret in a change":   {"secrets", "write"},
		"log tells the secret": {"secrets", "write"},
		"wire: one at a time":  {"concurrent", "write"},
		"prints":               {"stdout", "write"},
		"floods":               {"stderr", "write"},
		"starts a child":       {"children", "write"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			o := plugintest.Options{Cases: notes(t), Env: []string{broken + "=" + mode}, Name: "notes"}
			o.Cases = slices.DeleteFunc(o.Cases, func(c plugintest.Case) bool { return c.Action != want.action || c.Name != "" })
			if mode == "does not stop" {
				o.Grace = 500 * time.Millisecond
			}
			report := plugintest.Test(context.Background(), o)
			var found []string
			for _, f := range report.Failed() {
				t.Logf("%s %s: %s", f.Check, f.On, f.Problem)
				found = append(found, f.Check)
			}
			for _, c := range strings.Fields(want.check) {
				if !slices.Contains(found, c) {
					t.Errorf("the check %s has found nothing; others: %q", c, found)
				}
			}
		})
	}
}
