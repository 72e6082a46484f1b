package main

import (
	"context"
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
		sdk.Read(sdk.Info{Name: "greet", Summary: "Greet somebody"}, func(_ context.Context, _ *sdk.Call, i in) (sdk.Planned[out, sdk.None], error) {
			return sdk.Planned[out, sdk.None]{Summary: "hello " + i.Name, Outputs: out{"hello " + i.Name}}, nil
		}),
	}})
}

// foreign NAME DIR: a foreign plugin of that name, which is the test binary, in a folder for plugins.
func foreign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: foreign NAME DIR")
	}
	self, err := os.Executable()
	ts.Check(err)
	from, err := os.Open(self)
	ts.Check(err)
	defer from.Close()
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o755))
	to, err := os.OpenFile(filepath.Join(dir, "coppice-plugin-"+args[0]), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	ts.Check(err)
	_, err = io.Copy(to, from)
	ts.Check(err)
	ts.Check(to.Close())
}
