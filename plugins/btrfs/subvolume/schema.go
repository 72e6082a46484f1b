package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// ListInput is the input of btrfs.list.
type ListInput struct {
	volume.Target
	Under     string `json:"under" default:"" doc:"Only subvolumes below this path from the filesystem's top level; empty: all."`
	CountOnly bool   `json:"count_only" default:"false" doc:"Only count them: the list stays empty."`
}

// ListOutput is the output of btrfs.list.
type ListOutput struct {
	Count      int                `json:"count" doc:"How many there are."`
	Subvolumes []SubvolumeSummary `json:"subvolumes" doc:"The subvolumes, sorted by path."`
}

// SubvolumeSummary describes one subvolume.
type SubvolumeSummary struct {
	Path       string    `json:"path" doc:"Path from the filesystem's top level."`
	ID         int64     `json:"id" doc:"The subvolume's id. It can be used again for another one after a remount."`
	UUID       sdk.UUID  `json:"uuid" doc:"The subvolume's UUID."`
	ParentUUID string    `json:"parent_uuid" doc:"UUID of the subvolume that it is a snapshot of; empty when it is none."`
	ReadOnly   bool      `json:"read_only" doc:"Whether it is read-only."`
	Created    time.Time `json:"created" doc:"When it was created, from its own record."`
	Managed    bool      `json:"managed" doc:"Whether it is a snapshot that coppice took and may expire."`
}

// CreateInput is the input of btrfs.create.
type CreateInput struct {
	volume.Target
	Subvolume string `json:"subvolume" min:"1" doc:"Path of the subvolume from the filesystem's top level. Its parent folder must exist."`
}

// CreateOutput is the output of btrfs.create.
type CreateOutput struct {
	Path string   `json:"path" doc:"Path from the filesystem's top level."`
	UUID sdk.UUID `json:"uuid" doc:"The subvolume's UUID."`
}

// SnapshotInput is the input of btrfs.snapshot.
type SnapshotInput struct {
	volume.Target
	Sources       []sdk.Subvolume `json:"sources" min:"1" doc:"The subvolumes to snapshot, together: paths from the filesystem's top level, or absolute paths at which they are mounted."`
	Into          string          `json:"into" default:"snapshots" min:"1" doc:"Folder for the snapshots, a path from the filesystem's top level. Each source gets a folder of its own in it."`
	ReadOnly      bool            `json:"read_only" default:"true" doc:"Whether the snapshots are read-only. Writable ones are never expired by btrfs.prune."`
	OnMissing     string          `json:"on_missing" default:"fail" enum:"fail|skip" doc:"What a source that does not exist means: the step fails after the others were taken, or a warning."`
	RequireAtomic bool            `json:"require_atomic" default:"false" doc:"Fail, and leave no snapshot, when they can't all be taken in one transaction."`
	Clock         string          `json:"clock" default:"system" enum:"system|rtc" doc:"Which clock to believe, as in btrfs.prune. The age of snapshots that are taken without a clock to believe counts from the next ones that are taken with one."`
}

// SnapshotOutput is the output of btrfs.snapshot.
type SnapshotOutput struct {
	Stamp     string          `json:"stamp" doc:"Name that all snapshots of the group have: the run's instant, UTC."`
	Atomic    bool            `json:"atomic" doc:"Whether all were taken in one transaction, and so belong to one moment."`
	Attempts  int             `json:"attempts" doc:"How often the group was taken until it was in one transaction."`
	Snapshots []TakenSnapshot `json:"snapshots" doc:"The snapshots, in the order of the sources."`
	Missing   []string        `json:"missing" doc:"Sources that do not exist."`
}

// TakenSnapshot is one snapshot of a group.
type TakenSnapshot struct {
	Source      string   `json:"source" doc:"Path of the source from the top level."`
	Path        string   `json:"path" doc:"Path of the snapshot from the top level."`
	UUID        sdk.UUID `json:"uuid" doc:"The snapshot's UUID."`
	Transaction int64    `json:"transaction" doc:"The transaction in which it was created."`
}

// PruneInput is the input of btrfs.prune.
type PruneInput struct {
	volume.Target
	Snapshots        string          `json:"snapshots" default:"snapshots" min:"1" doc:"Folder of the snapshots, a path from the filesystem's top level."`
	Sources          []sdk.Subvolume `json:"sources,omitempty" doc:"Only the snapshots of these sources; left out: of every source that has snapshots in the folder."`
	OnMissing        string          `json:"on_missing" default:"fail" enum:"fail|skip" doc:"What a source without snapshots means: an error, or a warning."`
	Within           sdk.Duration    `json:"within" default:"0s" doc:"Keep every snapshot up to this age."`
	Last             int             `json:"last" default:"0" min:"0" doc:"Keep the newest N."`
	Frequently       int             `json:"frequently" default:"0" min:"0" doc:"Keep the first of each period of frequent_period, for the newest N periods that have snapshots."`
	Hourly           int             `json:"hourly" default:"0" min:"0" doc:"Keep the first of each hour, for the newest N hours that have snapshots."`
	Daily            int             `json:"daily" default:"0" min:"0" doc:"Keep the first of each day, for the newest N days that have snapshots."`
	Weekly           int             `json:"weekly" default:"0" min:"0" doc:"Keep the first of each week, for the newest N weeks that have snapshots."`
	Monthly          int             `json:"monthly" default:"0" min:"0" doc:"Keep the first of each month, for the newest N months that have snapshots."`
	Quarterly        int             `json:"quarterly" default:"0" min:"0" doc:"Keep the first of each quarter of a year, for the newest N quarters that have snapshots."`
	Yearly           int             `json:"yearly" default:"0" min:"0" doc:"Keep the first of each year, for the newest N years that have snapshots."`
	FrequentlyWithin sdk.Duration    `json:"frequently_within" default:"0s" doc:"Keep the first of each period of frequent_period, back to the one of so long ago."`
	HourlyWithin     sdk.Duration    `json:"hourly_within" default:"0s" doc:"Keep the first of each hour, back to the hour of so long ago."`
	DailyWithin      sdk.Duration    `json:"daily_within" default:"0s" doc:"Keep the first of each day, back to the day of so long ago."`
	WeeklyWithin     sdk.Duration    `json:"weekly_within" default:"0s" doc:"Keep the first of each week, back to the week of so long ago."`
	MonthlyWithin    sdk.Duration    `json:"monthly_within" default:"0s" doc:"Keep the first of each month, back to the month of so long ago."`
	QuarterlyWithin  sdk.Duration    `json:"quarterly_within" default:"0s" doc:"Keep the first of each quarter, back to the quarter of so long ago."`
	YearlyWithin     sdk.Duration    `json:"yearly_within" default:"0s" doc:"Keep the first of each year, back to the year of so long ago."`
	Keep             string          `json:"keep" default:"oldest" enum:"oldest|newest" doc:"Which snapshot of each hour, day … the rules above keep: the first or the last one."`
	FrequentPeriod   sdk.Duration    `json:"frequent_period" default:"15m" doc:"Length of the periods of frequently: whole minutes that divide an hour evenly."`
	Timezone         string          `json:"timezone" default:"UTC" min:"1" doc:"Where hours and days begin: an IANA name such as Europe/Berlin. An hour that the clocks there show twice is two hours."`
	DayStart         int             `json:"day_start" default:"0" min:"0" max:"23" doc:"Hour at which days begin, and with them weeks, months, quarters and years."`
	WeekStart        string          `json:"week_start" default:"monday" enum:"monday|tuesday|wednesday|thursday|friday|saturday|sunday" doc:"Day on which weeks begin."`
	AtLeast          int             `json:"at_least" default:"1" min:"1" doc:"Never leave fewer than this many of a source."`
	FreshWithin      sdk.Duration    `json:"fresh_within" default:"0s" doc:"Delete nothing of a source whose newest snapshot is older than this; 0s: whatever its age."`
	MaxDeletes       int             `json:"max_deletes" default:"0" min:"0" doc:"Delete at most this many of a source, the oldest; 0: no cap."`
	MinFree          float64         `json:"min_free" default:"0" min:"0" max:"1" doc:"While a smaller part of the filesystem than this is free, delete also what only rules keep, the oldest of all sources first; 0: never."`
	MinFreeSize      sdk.Size        `json:"min_free_size" default:"0" min:"0" doc:"The same in bytes; with both, until both are free."`
	Clock            string          `json:"clock" default:"system" enum:"system|rtc" doc:"Which clock to believe: the system's only while it is synchronised (NTP), or the hardware clock's as it is. Without a clock to believe nothing is deleted by age."`
	SharedWith       string          `json:"shared_with" default:"nobody" enum:"nobody|others" doc:"Whether another tool (snapper, btrbk) is meant to keep snapshots in the same folder. If it does and is not meant to, nothing is deleted."`
}

// PruneOutput is the output of btrfs.prune.
type PruneOutput struct {
	Deleted []PrunedSnapshot `json:"deleted" doc:"The snapshots that were deleted, oldest first within each source."`
	Kept    []PrunedSnapshot `json:"kept" doc:"The snapshots that stay, newest first within each source."`
	Foreign []string         `json:"foreign" doc:"Paths in the folders that are no snapshots of ours and were left alone."`
}

// PrunedSnapshot is a decision of btrfs.prune.
type PrunedSnapshot struct {
	Source  string    `json:"source" doc:"Name of the source."`
	Path    string    `json:"path" doc:"Path from the top level."`
	UUID    sdk.UUID  `json:"uuid" doc:"The snapshot's UUID."`
	Created time.Time `json:"created" doc:"When it was taken."`
	Why     string    `json:"why" doc:"Why it is kept or deleted."`
	// KeptUntil is zero where nobody can tell.
	KeptUntil time.Time `json:"kept_until,omitzero" doc:"From when nothing would keep it if nothing else changed; absent for one that newer ones have to replace, for one that is protected, and for one that is deleted."`
}

// DeleteInput is the input of btrfs.delete.
type DeleteInput struct {
	volume.Target
	Snapshots  string   `json:"snapshots" default:"snapshots" min:"1" doc:"Folder of the snapshots, a path from the filesystem's top level. Nothing outside of it is deleted."`
	Subvolumes []string `json:"subvolumes" min:"1" doc:"The snapshots to delete: paths from the filesystem's top level, or UUIDs."`
}

// DeleteOutput is the output of btrfs.delete.
type DeleteOutput struct {
	Deleted []DeletedSnapshot `json:"deleted" doc:"What was deleted."`
}

// DeletedSnapshot is one deletion.
type DeletedSnapshot struct {
	Path string   `json:"path" doc:"Path from the top level."`
	UUID sdk.UUID `json:"uuid" doc:"The snapshot's UUID."`
}
