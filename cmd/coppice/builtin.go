package main

import (
	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/notify"
	"github.com/hbohlen/coppice/plugins/sysctl"
	"github.com/hbohlen/coppice/plugins/systemd"
	"github.com/hbohlen/coppice/sdk"
)

// plugins make those that are built in.
var plugins = []func() *sdk.Plugin{btrfs.New, notify.New, sysctl.New, systemd.New}

// builtins are the plugins that this binary serves.
func builtins() []*sdk.Plugin {
	var all []*sdk.Plugin
	for _, make := range plugins {
		p := make()
		p.Version = version()
		all = append(all, p)
	}
	return all
}
