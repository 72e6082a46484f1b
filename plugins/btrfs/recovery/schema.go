package recovery

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// FindInput is the input of btrfs.find.
type FindInput struct {
	volume.Target
	Path   string `json:"path" default:"" doc:"A file or folder: an absolute path of the running system, or a path from the filesystem's top level. It need not exist any more. Empty: only list the snapshots."`
	Source string `json:"source" default:"" doc:"Without a path: only the snapshots of this subvolume, by its path from the top level."`
}

// FindOutput is the output of btrfs.find.
type FindOutput struct {
	Place     string          `json:"place" doc:"Where the file or folder is or was, as a path from the filesystem's top level; empty without a path."`
	Source    string          `json:"source" doc:"The subvolume that it is in."`
	Inside    string          `json:"inside" doc:"Its path inside of the subvolume."`
	Now       FileVersion     `json:"now" doc:"What is there now."`
	Versions  int             `json:"versions" doc:"How many different versions the snapshots have."`
	Snapshots []FoundSnapshot `json:"snapshots" doc:"The snapshots, the newest first."`
	Orphans   []OrphanPin     `json:"orphans" doc:"Pins on subvolumes that do not exist any more; they keep nothing. Listed without a path and a source only."`
}

// OrphanPin is a pin on a subvolume that does not exist any more.
type OrphanPin struct {
	UUID   sdk.UUID `json:"uuid" doc:"UUID of that subvolume."`
	Who    string   `json:"who" doc:"Whose pin it is."`
	Reason string   `json:"reason" doc:"Why it was pinned."`
}

// FileVersion is one state of a file or folder.
type FileVersion struct {
	Exists   bool      `json:"exists" doc:"Whether there is anything."`
	Version  int       `json:"version" doc:"Number of the version, 1 for that of the newest snapshot that has it. What is there now has the number of a version if it is the same, else 0. Of a folder only its own attributes count, not what is in it."`
	Kind     string    `json:"kind" doc:"file, folder, link, device, socket, or nested for another subvolume; empty if there is nothing."`
	Size     sdk.Size  `json:"size" doc:"Size of a file."`
	Modified time.Time `json:"modified,omitzero" doc:"When it was last written to."`
}

// FoundSnapshot is a snapshot, or another subvolume that holds an earlier state.
type FoundSnapshot struct {
	Path     string      `json:"path" doc:"Path from the filesystem's top level."`
	UUID     sdk.UUID    `json:"uuid" doc:"The subvolume's UUID."`
	Source   string      `json:"source" doc:"What it is a snapshot of; empty if that is not known."`
	Created  time.Time   `json:"created" doc:"When it was created, from its own record."`
	ReadOnly bool        `json:"read_only" doc:"Whether it is read-only."`
	Managed  bool        `json:"managed" doc:"Whether btrfs.prune may expire it."`
	Foreign  string      `json:"foreign" doc:"Why btrfs.prune leaves it alone, if it does."`
	Pinned   string      `json:"pinned" doc:"The pins on it, in words."`
	Mounted  string      `json:"mounted" doc:"Where it is mounted, in words."`
	File     FileVersion `json:"file" doc:"What it has at the path."`
}

// DiffInput is the input of btrfs.diff.
type DiffInput struct {
	volume.Target
	From  string `json:"from" min:"1" doc:"The earlier one: a subvolume's path from the filesystem's top level, or its UUID."`
	To    string `json:"to" default:"" doc:"The later one; empty: the subvolume that from is a snapshot of, as it is now."`
	Path  string `json:"path" default:"" doc:"Only what is below this path inside of them."`
	Limit int    `json:"limit" default:"1000" min:"0" doc:"List at most so many differences; the others are only counted. 0: all."`
}

// DiffOutput is the output of btrfs.diff.
type DiffOutput struct {
	From        string       `json:"from" doc:"Path of the earlier one."`
	To          string       `json:"to" doc:"Path of the later one."`
	Added       int          `json:"added" doc:"How many are only in the later one; a folder with all that is in it counts once."`
	Removed     int          `json:"removed" doc:"How many are only in the earlier one."`
	Changed     int          `json:"changed" doc:"How many have another kind, size, time or target."`
	Attributes  int          `json:"attributes" doc:"How many differ only in permissions, owner or extended attributes."`
	Complete    bool         `json:"complete" doc:"Whether all of them are listed."`
	Differences []Difference `json:"differences" doc:"The differences, sorted by path."`
}

// Difference is one path that is not the same.
type Difference struct {
	Path     string   `json:"path" doc:"Path inside of the subvolumes."`
	What     string   `json:"what" doc:"added, removed, changed or attributes."`
	Kind     string   `json:"kind" doc:"file, folder, link, device, socket or nested; of the later one, where there is one."`
	Before   sdk.Size `json:"before" doc:"Size in the earlier one; of a folder that was removed that of all files in it."`
	After    sdk.Size `json:"after" doc:"Size in the later one; of a folder that was added that of all files in it."`
	Contains int      `json:"contains" doc:"Of a folder that was added or removed: how many things are in it."`
}

// RestoreInput is the input of btrfs.restore.
type RestoreInput struct {
	volume.Target
	Snapshot string `json:"snapshot" min:"1" doc:"The snapshot: its path from the filesystem's top level, or its UUID. Any subvolume will do."`
	Path     string `json:"path" min:"1" doc:"The file or folder, as a path inside of the snapshot."`
	To       string `json:"to" default:"" doc:"What to make of it: an absolute path of the running system, or a path from the filesystem's top level; its folder must exist. Empty: where it was, in the subvolume that the snapshot is of."`
	Existing string `json:"existing" default:"fail" enum:"fail|beside|replace" doc:"What to do if something else is there: fail; restore beside it, with the suffix; or replace it. A folder that is replaced stays beside the new one under another name, a file is gone then."`
	Suffix   string `json:"suffix" default:".restored" min:"1" doc:"What is put behind the name of one that is restored beside."`
	Copy     bool   `json:"copy" default:"false" doc:"Copy the data where it can't be shared with the snapshot: to another filesystem."`
}

// RestoreOutput is the output of btrfs.restore.
type RestoreOutput struct {
	Path     string   `json:"path" doc:"What was restored: a path from the filesystem's top level, or an absolute one on another filesystem."`
	Snapshot string   `json:"snapshot" doc:"Path of the snapshot that it is from."`
	Files    int      `json:"files" doc:"How many files there are."`
	Folders  int      `json:"folders" doc:"How many folders."`
	Others   int      `json:"others" doc:"How many symbolic links, device nodes and pipes."`
	Bytes    sdk.Size `json:"bytes" doc:"Size of all files."`
	Kept     string   `json:"kept" doc:"Where the folder that was replaced is now; empty if none was."`
}

// ReplaceInput is the input of btrfs.replace.
type ReplaceInput struct {
	volume.Target
	Subvolume sdk.Subvolume `json:"subvolume" min:"1" doc:"The subvolume to replace: its path from the filesystem's top level, or an absolute path at which it is mounted."`
	From      string        `json:"from" min:"1" doc:"What to put in its place: the path of a snapshot or archived subvolume from the filesystem's top level, or its UUID. It stays as it is; a writable copy of it is made."`
	Archive   string        `json:"archive" default:"old_roots" min:"1" doc:"The folder into which the replaced one goes, a path from the filesystem's top level. It is made if it is missing."`
	Again     bool          `json:"again" default:"false" doc:"Do it also when a copy of the same one was put there before, whatever has become of it since."`
}

// ReplaceOutput is the output of btrfs.replace.
type ReplaceOutput struct {
	Path         string   `json:"path" doc:"Path of the subvolume."`
	UUID         sdk.UUID `json:"uuid" doc:"UUID of the one that is there now."`
	From         string   `json:"from" doc:"Path of what it is a copy of."`
	Archived     string   `json:"archived" doc:"Path of the one that it has replaced; empty if nothing was to do."`
	ArchivedUUID string   `json:"archived_uuid" doc:"UUID of that one."`
	Nested       []string `json:"nested" doc:"Subvolumes that lie in the replaced one and went with it, by their path in it."`
	InUse        string   `json:"in_use" doc:"Where the replaced one is mounted: until that ends, what is written there goes into it; empty if nowhere."`
}
