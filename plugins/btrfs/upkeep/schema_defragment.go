package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// DefragmentInput is the input of btrfs.defragment.
type DefragmentInput struct {
	volume.Target
	Paths       []string `json:"paths" min:"1" doc:"What to defragment: paths of subvolumes, folders and files from the filesystem's top level. All below them, but not the subvolumes inside."`
	Compression string   `json:"compression" enum:"keep|zlib|lzo|zstd" default:"keep" doc:"Compress what is written, whatever the file's own setting; keep: as that says."`
	ExtentSize  sdk.Size `json:"extent_size" default:"33554432" min:"4096" max:"4294967295" doc:"Extents that are as large as this are left alone."`
	Shared      string   `json:"shared" enum:"skip|copy" default:"skip" doc:"Files that share data with snapshots or other files: skip them, or copy them, so that their data takes its space once more."`
}

// DefragmentOutput is the output of btrfs.defragment.
type DefragmentOutput struct {
	Files         int      `json:"files" doc:"Regular files that were looked at."`
	Defragmented  int      `json:"defragmented" doc:"Files that were defragmented."`
	Bytes         sdk.Size `json:"bytes" doc:"Their size."`
	Shared        int      `json:"shared" doc:"Files that were left alone because they share data."`
	Busy          int      `json:"busy" doc:"Files that could not be defragmented, such as active swap files."`
	Nested        int      `json:"nested" doc:"Subvolumes inside that were not entered."`
	ExtentsBefore int64    `json:"extents_before" doc:"Extents of the defragmented files before."`
	ExtentsAfter  int64    `json:"extents_after" doc:"Extents of the same files afterwards."`
}
