package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func TestMain(m *testing.M) { plugintest.Main(m, New) }

func TestContract(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		need.Missing(t, "rsync", "needs rsync")
	}
	dir := t.TempDir()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	write := func(path, text string) error {
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
	fresh := func(context.Context) error {
		return errors.Join(os.RemoveAll(source), os.RemoveAll(target), write(source+"/a b/orders.db", "the only copy"), write(source+"/grün\nline", "x"))
	}
	old := func(ctx context.Context) error {
		return errors.Join(fresh(ctx), write(target+"/a b/orders.db", "old"), write(target+"/gone", "x"))
	}
	plugintest.Run(t, plugintest.Options{Name: "rsync", Cases: []plugintest.Case{{
		Name: "new", Action: "mirror", Inputs: MirrorInput{Source: sdk.Path(source), Target: sdk.Path(target)}, Prepare: fresh, Watch: []string{dir},
	}, {
		Name: "old", Action: "mirror", Inputs: MirrorInput{Source: sdk.Path(source), Target: sdk.Path(target), Delete: true}, Prepare: old, Watch: []string{dir},
		Drift: func(context.Context) error { return write(target+"/another", "x") },
	}}})
}
