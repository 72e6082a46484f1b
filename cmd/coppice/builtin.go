package main

import (
	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/sdk"
)

// builtins are the plugins that this binary serves.
func builtins() []*sdk.Plugin {
	all := []*sdk.Plugin{btrfs.New()}
	for _, p := range all {
		p.Version = version()
	}
	return all
}
