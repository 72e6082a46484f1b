package main

import (
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
