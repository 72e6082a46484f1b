package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// AdoptInput is the input of btrfs.adopt.
type AdoptInput struct {
	volume.Target
	Source     sdk.Subvolume `json:"source" min:"1" doc:"The subvolume whose snapshots they are from now on: its path from the filesystem's top level, or an absolute path at which it is mounted. It need not exist any more."`
	Snapshots  string        `json:"snapshots" default:"snapshots" min:"1" doc:"Folder of the snapshots, as btrfs.prune is given it. Only what lies in it can be adopted."`
	Subvolumes []string      `json:"subvolumes,omitempty" doc:"The snapshots to adopt: paths from the filesystem's top level, or UUIDs. One that can't be adopted is an error."`
	Folder     string        `json:"folder" default:"" doc:"Or a folder, a path from the filesystem's top level: every snapshot in it that can be adopted is, the others are left alone."`
	Prefix     string        `json:"prefix" default:"" doc:"Of the folder, only those whose names begin so, as root- does."`
}

// AdoptOutput is the output of btrfs.adopt.
type AdoptOutput struct {
	Adopted []AdoptedSnapshot `json:"adopted" doc:"The snapshots that are adopted, sorted by path."`
	Left    []LeftSnapshot    `json:"left" doc:"What is not, sorted by path."`
}

// AdoptedSnapshot is one snapshot that is taken in.
type AdoptedSnapshot struct {
	Path    string    `json:"path" doc:"Path from the filesystem's top level; it stays what it is."`
	UUID    sdk.UUID  `json:"uuid" doc:"The snapshot's UUID."`
	Created time.Time `json:"created" doc:"When it was created, from its own record: its age from now on."`
}

// LeftSnapshot is one that is not.
type LeftSnapshot struct {
	Path string `json:"path" doc:"Path from the filesystem's top level."`
	Why  string `json:"why" doc:"Why it is left alone."`
}
