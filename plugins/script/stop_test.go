package script

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A command that is stopped is asked first; what does not listen, and all that it has started, is killed.
func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"polite":   `trap 'echo bye >&2; exit 0' TERM; touch %; while :; do sleep 0.1; done`,
		"deaf":     `trap '' TERM; touch %; while :; do sleep 0.1; done`,
		"children": `sh -c 'trap "" TERM; echo $$ > %.child; while :; do sleep 0.1; done' & while [ ! -s %.child ]; do sleep 0.1; done; touch %; wait`,
		"frozen":   `touch %; kill -STOP $$; sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := filepath.Join(t.TempDir(), "begun")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				await(t, begun)
				cancel()
			}()
			patience := "1s"
			if name == "polite" {
				patience = "15s" // it needs less
			}
			a := do(t, ctx, inputs{"command": sh(strings.ReplaceAll(script, "%", begun)), "stop_after": patience})
			if a.refuse != "error cancelled /command: sh was stopped\n" || len(a.result.Done) > 0 {
				t.Errorf("%+v", a)
			}
			if name == "children" {
				awaitEnd(t, begun+".child")
			}
			if name == "polite" && !slices.Contains(a.logs, "info bye") {
				t.Errorf("logs: %v", a.logs)
			}
		})
	}
}

// What a command leaves behind in its group ends with it, and does not hold it up.
func TestLeftBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	a := run(t, inputs{"command": sh("sleep 1000 & echo $! > " + file + `; echo '{"n": 1}'`), "outputs": inputs{"n": "int"}})
	equal(t, "outputs", a.refuse+string(a.result.Outputs), `{"exit_code":0,"n":1}`)
	awaitEnd(t, file)
}
