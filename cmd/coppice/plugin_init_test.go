package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestPluginInit takes a new plugin all the way: it is well formatted, builds without the network, keeps the contract, and runs in its
// playbook, pinned.
func TestPluginInit(t *testing.T) {
	t.Parallel()
	need.Root(t) // which owns what the tests make
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "motd")
	must(t, "plugin", "init", "motd", "--dir", dir, "--sdk", repo)
	in := func(words ...string) string {
		t.Helper()
		c := exec.Command(words[0], words[1:]...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		return string(out)
	}
	if out := in("gofmt", "-l", "."); out != "" {
		t.Errorf("gofmt would change: %s", out)
	}
	in("go", "vet", "./...")
	in("go", "test", "./...")
	in("go", "build")
	if out := must(t, "plugin", "test", filepath.Join(dir, "coppice-plugin-motd")); !strings.Contains(out, "motd 0.1.0 keeps the contract") {
		t.Error(out)
	}
	for _, d := range []string{filepath.Dir(parent), parent, dir} { // testing's are for everybody in the group
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"COPPICE_PLUGIN_DIR=" + dir, "COPPICE_CONFIG_DIR=" + t.TempDir()}
	file := filepath.Join(parent, "text")
	if code, out, stderr := coppice(t, env, "plugin", "lock"); code != 0 || !strings.Contains(out, "+ motd 0.1.0 sha256:") {
		t.Errorf("plugin lock: exit code %d\n%s%s", code, out, stderr)
	}
	for _, verb := range []string{"plan", "run", "run"} {
		if code, out, stderr := coppice(t, env, verb, filepath.Join(dir, "playbook.yaml"), "-i", "path="+file); code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", verb, code, out, stderr)
		}
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "Backups ran on ") {
		t.Errorf("the file has %q, %v", text, err)
	}

	// Nothing is overwritten.
	if code, _, stderr := coppice(t, nil, "plugin", "init", "motd", "--dir", dir, "--sdk", repo); code != exitFailed || !strings.Contains(stderr, "is there already") {
		t.Errorf("a second time: exit code %d\n%s", code, stderr)
	}
}
