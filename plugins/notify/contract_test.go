package notify

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest"
)

func TestMain(m *testing.M) { plugintest.Main(m, New) }

// The plugin keeps the contract. Its services are servers of the test, and its secrets are parts of their addresses.
func TestContract(t *testing.T) {
	taken := newSink(t, "taken", 200)
	refused := newSink(t, "unknown token secret-in-body", 401)
	received := func(context.Context) (string, error) { return fmt.Sprint(len(taken.heard())), nil }
	folder := t.TempDir()
	plugintest.Run(t, plugintest.Options{Name: "notify", Cases: []plugintest.Case{{
		Action: "send", State: received,
		Inputs: inputs{"url": "generic+" + taken.URL + "/token-of-the-hook", "title": "Backup", "message": "It failed.", "fields": inputs{"run": "7"}},
	}, {
		Name: "send-refused", Action: "send", State: received,
		Inputs: inputs{"url": "generic+" + refused.URL + "/token-of-the-hook", "message": "It failed."},
	}, {
		Action: "alertmanager", State: received,
		Inputs: inputs{"urls": []string{refused.URL + "/token-of-the-alert"}, "bearer": "bearer-of-ours", "state": "fire", "alert": "Backup"},
	}, {
		Action: "ping", State: received,
		Inputs: inputs{"url": taken.URL + "/0d9a7c5e-uuid", "state": "fail", "body": "no space"},
	}, {
		Action: "metrics", Watch: []string{folder},
		Prepare: func(context.Context) error {
			if err := os.RemoveAll(folder); err != nil {
				return err
			}
			return os.Mkdir(folder, 0o755)
		},
		Inputs: inputs{"folder": folder, "failed": false, "expected": "1d", "values": inputs{"free_ratio": 0.5}},
	}}})
}
