package replica

import (
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Example is the layout of a server that does not exist: that of the shipped playbooks, with five weeks of snapshots, a root that
// was archived yesterday, and a second disk for backups.
func Example() Layout {
	const day = sdk.Duration(24 * time.Hour)
	l := Layout{Format: Format, Version: Version, Filesystems: []Filesystem{
		{Label: "example", Mounts: []Mount{{At: "/", Subvolume: "root"}, {At: "/nix", Subvolume: "nix"}, {At: "/persist", Subvolume: "persist"},
			{At: "/var/log", Subvolume: "log"}, {At: "/.snapshots", Subvolume: "snapshots"}}},
		{Label: "example-backup", Mounts: []Mount{{At: "/mnt/backup"}}, Folders: []Folder{{Path: "server"}}, Subvolumes: []Subvolume{}},
	}}
	f := &l.Filesystems[0]
	for _, path := range []string{"nix", "persist", "log", "services", "caddy", "backup", "root", "cache", "snapshots", "old_roots"} {
		f.Subvolumes = append(f.Subvolumes, Subvolume{Path: path, Age: 300 * day, Compression: "zstd"})
	}
	for _, path := range []string{"containers", "tmp"} {
		f.Subvolumes = append(f.Subvolumes, Subvolume{Path: path, Age: 300 * day, NoCow: true})
	}
	f.Subvolumes = append(f.Subvolumes, Subvolume{Path: "old_roots/yesterday", SnapshotOf: "root", Age: day, Compression: "zstd"})
	for _, path := range []string{"root", "persist", "services", "caddy"} {
		f.Series = append(f.Series, Series{Of: path, Into: "snapshots", Every: sdk.Duration(6 * time.Hour), Count: 35 * 4})
	}
	return l
}
