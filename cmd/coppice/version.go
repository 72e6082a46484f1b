package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
)

// release is set by the linker in released builds.
var release = ""

// version is the release, or what the toolchain knows of the source.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = "-" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-modified"
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "0.0.0-dev" + revision + dirty
}

// versions is what version prints.
type versions struct {
	Version   string `json:"version"`    // of coppice
	Language  int    `json:"language"`   // of the playbook language
	PluginAPI int    `json:"plugin_api"` // of the plugin contract
	Go        string `json:"go"`         // of the toolchain that has built it
	Platform  string `json:"platform"`   // the system and the processor
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of coppice, its playbook language and its plugin contract",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.document("coppice.version", "coppice", versions{version(), playbook.Version, sdk.API, runtime.Version(),
					runtime.GOOS + "/" + runtime.GOARCH})
			}
			fmt.Fprintf(a.out, "coppice %s\nplaybook language %d, plugin contract %d, %s %s/%s\n", version(), playbook.Version,
				sdk.API, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
