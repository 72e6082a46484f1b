package replica

import (
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// The format of a layout, as it names itself.
const (
	Format  = "coppice.layout"
	Version = 1
)

// Layout is the shape of filesystems. A field may be added in version 1, none removed or changed.
type Layout struct {
	Format      string       `json:"format" enum:"coppice.layout" doc:"What this file is."`
	Version     int          `json:"version" min:"1" max:"1" doc:"Of the format."`
	Taken       time.Time    `json:"taken,omitzero" doc:"When the layout was captured. Left out, now: ages count from it."`
	Filesystems []Filesystem `json:"filesystems" min:"1" doc:"The first is the one that a playbook works on unless its inputs name another."`
}

// Filesystem is the shape of one.
type Filesystem struct {
	UUID   sdk.UUID `json:"uuid,omitempty" doc:"What inputs and records call it. The copy has another one."`
	Label  string   `json:"label,omitempty" doc:"Its label, which the copy has too."`
	Device string   `json:"device,omitempty" doc:"A device that it is on, as inputs may call it."`
	Mounts []Mount  `json:"mounts,omitempty" doc:"Where it is mounted."`
	// "" is the top level.
	Default    string      `json:"default,omitempty" doc:"Path of the default subvolume. Left out, the top level."`
	Quotas     string      `json:"quotas,omitempty" enum:"off|classic|simple" doc:"Whether quotas are on. Left out, off."`
	Subvolumes []Subvolume `json:"subvolumes" doc:"Its subvolumes, the top level left out."`
	Series     []Series    `json:"series,omitempty" doc:"Snapshots that btrfs.snapshot has taken at regular times."`
	Folders    []Folder    `json:"folders,omitempty" doc:"Plain folders. Those on the way to a subvolume need not be named."`
	Records    []Record    `json:"records,omitempty" doc:"Coppice's own records on the filesystem: the catalogue of snapshots, holds, upkeep."`
}

// Mount is a place where a subvolume is mounted.
type Mount struct {
	At        string `json:"at" pattern:"^/" doc:"The mount point."`
	Subvolume string `json:"subvolume,omitempty" doc:"Path of the subvolume. Left out, the top level."`
}

// Subvolume is one of them.
type Subvolume struct {
	Path       string       `json:"path" min:"1" doc:"From the top level, without a leading slash."`
	UUID       sdk.UUID     `json:"uuid,omitempty" doc:"What others in this file call it."`
	Parent     sdk.UUID     `json:"parent,omitempty" doc:"The UUID of the subvolume that it is a snapshot of, which may be gone."`
	SnapshotOf string       `json:"snapshot_of,omitempty" doc:"The same, by path."`
	Received   sdk.UUID     `json:"received,omitempty" doc:"The UUID of the snapshot that it was received from."`
	Created    time.Time    `json:"created,omitzero" doc:"When it was made."`
	Age        sdk.Duration `json:"age,omitzero" doc:"The same, counted back from when the layout was taken. Left out both, it is as old as the copy."`
	ReadOnly   bool         `json:"read_only,omitempty" doc:"Whether it is read-only."`
	// Compression is "" where the kernel has none; see kernel.Node.
	Compression   string    `json:"compression,omitempty" enum:"zlib|lzo|zstd|none" doc:"Its property. Left out, it has none."`
	NoCow         bool      `json:"no_cow,omitempty" doc:"Whether new files in it are without copy on write."`
	MaxReferenced *sdk.Size `json:"max_referenced,omitempty" doc:"How much it may hold. It needs quotas."`
	MaxExclusive  *sdk.Size `json:"max_exclusive,omitempty" doc:"How much it may hold for itself. It needs quotas."`
}

// Series is many snapshots.
type Series struct {
	Of    string       `json:"of" min:"1" doc:"Path of the subvolume that they are of."`
	Into  string       `json:"into" min:"1" doc:"Path of the folder that holds those of all subvolumes, such as snapshots."`
	Every sdk.Duration `json:"every" doc:"The time between two of them."`
	Count int          `json:"count" min:"1" max:"100000" doc:"How many."`
	// Last is the age of the newest.
	Last *sdk.Duration `json:"last,omitempty" doc:"The age of the newest. Left out, that of one interval."`
}

// Folder is a plain directory.
type Folder struct {
	Path string `json:"path" min:"1" doc:"From the top level, without a leading slash."`
	Mode string `json:"mode,omitempty" pattern:"^[0-7]{3,4}$" doc:"Its permissions, as chmod takes them. Left out, 0700."`
}

// Record is a file in coppice's folder on the filesystem. UUIDs in its name and in its content become those of the copies.
type Record struct {
	Path    string `json:"path" min:"1" doc:"From coppice's folder, without a leading slash."`
	Content string `json:"content" doc:"The whole file."`
}

// created is when a subvolume was made; zero: with the copy.
func (s Subvolume) created(taken time.Time) time.Time {
	switch {
	case !s.Created.IsZero():
		return s.Created
	case s.Age > 0:
		return taken.Add(-time.Duration(s.Age))
	}
	return time.Time{}
}
