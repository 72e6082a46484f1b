package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/serve"
)

// serveHello is a plugin of somebody else: the test binary under the name coppice-plugin-hello.
func serveHello() {
	type in struct {
		Name string `json:"name" doc:"Whom to greet."`
	}
	type out struct {
		Text string `json:"text" doc:"The greeting."`
	}
	serve.Run(&sdk.Plugin{Name: "hello", Version: "1.2.3", Summary: "greetings", Actions: []sdk.Action{
		sdk.Read(sdk.Info{Name: "greet", Summary: "Greet somebody", Description: "Says hello."}, func(_ context.Context, _ *sdk.Call, i in) (sdk.Planned[out, sdk.None], error) {
			return sdk.Planned[out, sdk.None]{Summary: "hello " + i.Name, Outputs: out{"hello " + i.Name}}, nil
		}),
	}})
}

// serveSloppy is a plugin whose Plan writes.
func serveSloppy() {
	type in struct {
		Path sdk.Path `json:"path" doc:"The file."`
	}
	type out struct{}
	serve.Run(&sdk.Plugin{Name: "sloppy", Version: "0", Summary: "files", Actions: []sdk.Action{
		sdk.Write(sdk.Info{Name: "touch", Summary: "Make a file", Description: "An empty one.", Converges: true}, sdk.Writer[in, out, sdk.None]{
			Plan: func(_ context.Context, _ *sdk.Call, i in) (sdk.Planned[out, sdk.None], error) {
				return sdk.Planned[out, sdk.None]{}, os.WriteFile(string(i.Path), nil, 0o600)
			},
			Apply: func(context.Context, *sdk.Call, in, sdk.None) (out, error) { return out{}, nil },
		}),
	}})
}

// foreign NAME DIR: a foreign plugin of that name, which is the test binary, in a folder for plugins.
func foreign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: foreign NAME DIR")
	}
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(copySelf(filepath.Join(dir, "coppice-plugin-"+args[0])))
}

// copySelf makes an executable of the test binary.
func copySelf(path string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
