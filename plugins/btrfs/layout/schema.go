package layout

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// RenameInput is the input of btrfs.rename.
type RenameInput struct {
	volume.Target
	Subvolume string   `json:"subvolume" min:"1" doc:"Path of the subvolume from the filesystem's top level."`
	To        string   `json:"to" min:"1" doc:"Its new path from the top level. Nothing may be there, and the parent folder must exist."`
	UUID      sdk.UUID `json:"uuid,omitempty" doc:"The UUID that it must have; left out: any."`
}

// RenameOutput is the output of btrfs.rename.
type RenameOutput struct {
	Path string   `json:"path" doc:"Path from the top level, after the step."`
	UUID sdk.UUID `json:"uuid" doc:"The subvolume's UUID."`
}

// SetDefaultInput is the input of btrfs.set_default.
type SetDefaultInput struct {
	volume.Target
	Subvolume string `json:"subvolume" min:"1" doc:"Path of the subvolume from the filesystem's top level; \".\" for the top level itself."`
}

// SetDefaultOutput is the output of btrfs.set_default.
type SetDefaultOutput struct {
	Previous string   `json:"previous" doc:"Path of the default subvolume before the step; \"/\" for the top level."`
	Default  string   `json:"default" doc:"Path of the default subvolume after it; \"/\" for the top level."`
	UUID     sdk.UUID `json:"uuid" doc:"UUID of the default subvolume after it; empty for the top level."`
}

// PropertyInput is the input of btrfs.property.
type PropertyInput struct {
	volume.Target
	Path        string `json:"path" min:"1" doc:"Path of a subvolume, directory or file from the filesystem's top level; \".\" for the top level itself."`
	ReadOnly    *bool  `json:"read_only,omitempty" doc:"Whether a subvolume is read-only; left out: as it is."`
	Compression string `json:"compression,omitempty" doc:"How data that is written from now on is compressed: zlib, lzo or zstd; none: never; default: as the mount option says. Left out: as it is. There is no level: the kernel has none here."`
	NoCow       *bool  `json:"no_cow,omitempty" doc:"Whether data is overwritten in place, without checksums and compression; of a directory or subvolume it is for files that are made from now on. Left out: as it is."`
}

// PropertyOutput is the output of btrfs.property.
type PropertyOutput struct {
	ReadOnly    bool   `json:"read_only" doc:"Whether it, or the subvolume that it lies in, is read-only."`
	Compression string `json:"compression" doc:"zlib, lzo, zstd, none or default."`
	NoCow       bool   `json:"no_cow" doc:"Whether it is without copy on write."`
}

// DeleteTreeInput is the input of btrfs.delete_tree.
type DeleteTreeInput struct {
	volume.Target
	Subvolumes []string `json:"subvolumes" min:"1" doc:"The subvolumes to delete: paths from the filesystem's top level, or UUIDs."`
	Recursive  bool     `json:"recursive" default:"false" doc:"Also delete the subvolumes inside of them, at any depth. Without it one that others lie in is refused."`
}

// DeleteTreeOutput is the output of btrfs.delete_tree.
type DeleteTreeOutput struct {
	Deleted []DeletedSubvolume `json:"deleted" doc:"What was deleted, in that order."`
}

// DeletedSubvolume is one deletion.
type DeletedSubvolume struct {
	Path string   `json:"path" doc:"Path from the top level."`
	UUID sdk.UUID `json:"uuid" doc:"The subvolume's UUID."`
}

// QuotaInput is the input of btrfs.quota.
type QuotaInput struct {
	volume.Target
	Mode                string `json:"mode" enum:"classic|simple|off" doc:"classic counts exactly, and makes snapshots and deletions slower the more of them there are. simple counts for whoever wrote the data first, at nearly no cost, and only what is written from then on. off: no quotas, no limits."`
	AcknowledgeIncompat bool   `json:"acknowledge_incompat" default:"false" doc:"simple needs this: the filesystem then has a mark, for ever, with which kernels before 6.7 can't mount it."`
}

// QuotaOutput is the output of btrfs.quota.
type QuotaOutput struct {
	Previous string `json:"previous" doc:"Mode before the step."`
	Mode     string `json:"mode" doc:"Mode after it, read back from the filesystem."`
}

// LimitInput is the input of btrfs.limit.
type LimitInput struct {
	volume.Target
	Subvolume     string    `json:"subvolume" min:"1" doc:"Path of the subvolume from the filesystem's top level."`
	MaxReferenced *sdk.Size `json:"max_referenced,omitempty" min:"0" doc:"How much it may hold, shared with snapshots or not; 0B: any amount. Left out: as it is."`
	MaxExclusive  *sdk.Size `json:"max_exclusive,omitempty" min:"0" doc:"How much it may hold that it shares with no other subvolume; 0B: any amount. Left out: as it is."`
}

// LimitOutput is the output of btrfs.limit.
type LimitOutput struct {
	MaxReferenced sdk.Size `json:"max_referenced" doc:"Limit of what it may hold, in bytes; 0: none."`
	MaxExclusive  sdk.Size `json:"max_exclusive" doc:"Limit of what it may hold alone, in bytes; 0: none."`
}

// QuotaUsageInput is the input of btrfs.quota_usage.
type QuotaUsageInput struct {
	volume.Target
	Under        string  `json:"under" default:"" doc:"Only subvolumes below this path from the filesystem's top level; empty: all, and the groups of groups."`
	RequireBelow float64 `json:"require_below" default:"0" min:"0" max:"1" doc:"Fail when more than this part of a limit is used, as 0.9; 0: whatever is used."`
}

// QuotaUsageOutput is the output of btrfs.quota_usage.
type QuotaUsageOutput struct {
	Mode         string       `json:"mode" doc:"classic, simple or off."`
	Inconsistent bool         `json:"inconsistent" doc:"Whether the numbers are wrong until they are counted anew."`
	Groups       []GroupUsage `json:"groups" doc:"The quota groups, sorted by level and id."`
	Fullest      float64      `json:"fullest" doc:"The greatest part of its limit that any of them uses, from 0 to 1; 0 without limits."`
}

// GroupUsage is what one quota group uses, as of the last commit.
type GroupUsage struct {
	Group         string   `json:"group" doc:"Its id, LEVEL/ID as btrfs prints it."`
	Path          string   `json:"path" doc:"Path of the subvolume that it is of; \"/\" for the top level, empty when there is none."`
	UUID          string   `json:"uuid" doc:"UUID of that subvolume; empty when there is none."`
	Stale         bool     `json:"stale" doc:"Whether its subvolume is gone."`
	Referenced    sdk.Size `json:"referenced" doc:"Bytes that it holds."`
	Exclusive     sdk.Size `json:"exclusive" doc:"Bytes that it shares with no other subvolume."`
	MaxReferenced sdk.Size `json:"max_referenced" doc:"Limit of referenced; 0: none."`
	MaxExclusive  sdk.Size `json:"max_exclusive" doc:"Limit of exclusive; 0: none."`
}

// Input is the input of btrfs.layout.
type Input struct {
	volume.Target
	Subvolumes []Entry `json:"subvolumes" min:"1" doc:"The subvolumes that there shall be. Others are left alone."`
	Strict     bool    `json:"strict" default:"false" doc:"Make it an error, instead of a warning, when data that is there already stays as it is."`
}

// Entry is one subvolume of a layout.
type Entry struct {
	Path          string    `json:"path" min:"1" doc:"Path from the filesystem's top level. Its parent folder must exist or be in the list."`
	Compression   string    `json:"compression,omitempty" doc:"As in btrfs.property. Left out: as it is."`
	NoCow         *bool     `json:"no_cow,omitempty" doc:"As in btrfs.property; true takes a compression away. Left out: as it is."`
	MaxReferenced *sdk.Size `json:"max_referenced,omitempty" min:"0" doc:"As in btrfs.limit. Left out: as it is."`
	MaxExclusive  *sdk.Size `json:"max_exclusive,omitempty" min:"0" doc:"As in btrfs.limit. Left out: as it is."`
	Mode          string    `json:"mode,omitempty" pattern:"^[0-7]{3,4}$" doc:"Permissions in octal of one that is made, as \"0750\"; of one that exists a difference is only told."`
	UID           *int      `json:"uid,omitempty" min:"0" doc:"Number of the user that one that is made belongs to; of one that exists a difference is only told."`
	GID           *int      `json:"gid,omitempty" min:"0" doc:"The same for the group."`
}

// Output is the output of btrfs.layout.
type Output struct {
	Created   []string `json:"created" doc:"Paths of the subvolumes that were made."`
	Changed   []string `json:"changed" doc:"Paths of those that were there and were changed."`
	Unchanged []string `json:"unchanged" doc:"Paths of those that were as they shall be."`
}
