package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// commands makes a folder for PATH in which coppice is this program, and the environment that goes with it.
func commands(t *testing.T, dir string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	for parent := dir; len(parent) > len(os.TempDir()); parent = filepath.Dir(parent) { // testing's are for everybody in the group
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "coppice")); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "COPPICE_CONFIG_DIR="+filepath.Join(dir, "etc"),
		"GOFLAGS=-mod=readonly", "GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0")
}

// TestPluginPage executes docs/how-to/write-a-plugin.md: all its blocks of shell, in one shell.
func TestPluginPage(t *testing.T) {
	t.Parallel()
	need.Root(t)
	page, err := os.ReadFile("../../docs/how-to/write-a-plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for i, block := range strings.Split(string(page), "\n```sh\n") {
		if text, _, closed := strings.Cut(block, "\n```"); i > 0 && closed {
			script.WriteString(text + "\n")
		}
	}
	if n := strings.Count(script.String(), "\n"); n < 20 {
		t.Fatalf("only %d lines of shell", n)
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := exec.Command("bash", "-euo", "pipefail", "-c", script.String())
	c.Dir, c.Env = dir, append(commands(t, dir), "COPPICE_SOURCE="+repo)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPythonPlugin takes the plugin in Python through the contract and a playbook.
func TestPythonPlugin(t *testing.T) {
	t.Parallel()
	need.Root(t)
	if err := exec.Command("/usr/bin/python3", "-c", "import grpc, google.protobuf").Run(); err != nil {
		need.Missing(t, "python", "needs Python with gRPC (Debian's python3-grpcio and python3-protobuf)")
	}
	if _, err := exec.LookPath("protoc"); err != nil {
		need.Missing(t, "protoc", "needs protoc")
	}
	dir := t.TempDir()
	c := exec.Command("bash", "-euxo", "pipefail", "-c", `
		mkdir plugins
		install -m 0755 "$PY/coppice-plugin-lines" plugins/
		protoc -I "$PROTO" --python_out=plugins plugin.proto
		coppice plugin test plugins/coppice-plugin-lines --cases "$PY/cases.yaml"
		export COPPICE_PLUGIN_DIR="$PWD/plugins"
		coppice plugin lock
		coppice validate "$PY/playbook.yaml"
		coppice plan "$PY/playbook.yaml" -i path="$PWD/hosts" | grep 'Plan: 2 to create'
		coppice run "$PY/playbook.yaml" -i path="$PWD/hosts"
		printf '10.0.0.1 backup\n10.0.0.2 was line 1 before\n' | cmp - hosts
		coppice run "$PY/playbook.yaml" -i path="$PWD/hosts" 2>&1 | grep 'succeeded: nothing changed, 2 steps (2 ok)'`)
	c.Dir = dir
	c.Env = commands(t, dir)
	for name, path := range map[string]string{"PY": "../../docs/plugins/python", "PROTO": "../../sdk/protocol"} {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		c.Env = append(c.Env, name+"="+path)
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRsyncPlugin builds the plugin around rsync, and mirrors a folder with it.
func TestRsyncPlugin(t *testing.T) {
	t.Parallel()
	need.Root(t)
	if _, err := exec.LookPath("rsync"); err != nil {
		need.Missing(t, "rsync", "needs rsync")
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := exec.Command("bash", "-euxo", "pipefail", "-c", `
		mkdir plugins source target
		go build -C "$REPO" -buildvcs=false -o "$PWD/plugins/coppice-plugin-rsync" ./docs/plugins/rsync
		echo orders > source/orders.db
		echo old > target/old.db
		export COPPICE_PLUGIN_DIR="$PWD/plugins"
		playbook="$REPO/docs/plugins/rsync/playbook.yaml"
		coppice plan "$playbook" -i source="$PWD/source" -i target="$PWD/target" | grep -- '- .*/target/old.db'
		coppice run "$playbook" -i source="$PWD/source" -i target="$PWD/target"
		diff -r source target
		coppice run "$playbook" -i source="$PWD/source" -i target="$PWD/target" 2>&1 | grep 'succeeded: nothing changed'`)
	c.Dir, c.Env = dir, append(commands(t, dir), "REPO="+repo)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
