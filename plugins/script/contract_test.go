package script

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest"
)

func TestMain(m *testing.M) { plugintest.Main(m, New) }

// The plugin keeps the contract, for programs that keep theirs.
func TestContract(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "state")
	fresh := func(context.Context) error {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
		return os.Mkdir(folder, 0o755)
	}
	shell := func(script string) []string { return []string{"sh", "-c", script, "sh", file} }
	plugintest.Run(t, plugintest.Options{Name: "script", Cases: []plugintest.Case{{
		Name: "read", Action: "read", Watch: []string{folder}, Prepare: fresh,
		Inputs: map[string]any{"command": shell(`echo '{"large": 9007199254740993, "name": "a"}'`), "outputs": map[string]any{"large": "int", "name": "string"},
			"environment": map[string]any{"TOKEN": "environment-of-the-test"}},
	}, {
		Name: "checked", Action: "run", Watch: []string{folder}, Prepare: fresh,
		Inputs: map[string]any{"command": shell(`echo done >"$1"`), "check": shell(`[ ! -e "$1" ] && exit 1; exit 0`), "input": map[string]any{"token": "input-of-the-test"}},
	}, {
		Name: "previewed", Action: "run", Watch: []string{folder}, Prepare: fresh,
		Inputs: map[string]any{"command": shell(`echo done >"$1"`),
			"preview": shell(`if [ -e "$1" ]; then echo '{"changes": []}'; else echo '{"changes": [{"kind": "create", "name": "state"}]}'; fi`)},
	}, {
		Name: "slow", Action: "run", Long: true, Prepare: fresh,
		Inputs: map[string]any{"command": shell(`sleep 600`), "stop_after": "1s"},
	}}})
}
