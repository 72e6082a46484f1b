package main

import (
	"context"
	"encoding/json"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/notify"
	"github.com/hbohlen/coppice/plugins/script"
	"github.com/hbohlen/coppice/plugins/sysctl"
	"github.com/hbohlen/coppice/plugins/systemd"
	"github.com/hbohlen/coppice/sdk"
)

// builtin is a plugin that this binary serves. To make one takes milliseconds, as the schemas of its actions follow from types: the
// runner needs only the name, and a plugin's process only its own.
type builtin struct {
	name string
	make func() *sdk.Plugin
}

// builtins are sorted by name.
var builtins = []builtin{
	{"btrfs", btrfs.New},
	{"notify", notify.New},
	{"script", script.New},
	{"sysctl", sysctl.New},
	{"systemd", systemd.New},
}

// plugin has the version of the program.
func (b builtin) plugin() *sdk.Plugin {
	p := b.make()
	p.Version = version()
	return p
}

// describe is what the plugin's process would say of itself: it is this very program.
func (b builtin) describe(ctx context.Context, actions []string) (*sdk.Description, error) {
	d, err := b.plugin().DescribeSome(ctx, actions)
	if err != nil {
		return nil, err
	}
	// As it comes from the process, with the types of JSON.
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	var wire sdk.Description
	return &wire, json.Unmarshal(data, &wire)
}
