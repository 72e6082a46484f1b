package boot

import (
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Source is the filesystem, the places, and what is put there.
type Source struct {
	Filesystem sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it. It need not be mounted. \"/\" in an initrd: the one that the kernel's command line, or the initrd's fstab, names as the root."`
	Root       string         `json:"root" default:"root" min:"1" doc:"The subvolume that is mounted as the root, by its path from the filesystem's top level."`
	Blank      string         `json:"blank" default:"" doc:"The subvolume that the clean root is a snapshot of, by its path from the top level. Empty: the root is empty, from which only some distributions start, as NixOS."`
	Reset      []string       `json:"reset,omitempty" doc:"Other subvolumes that are replaced by empty ones at the same time, by their paths from the top level."`
	Archive    string         `json:"archive" default:"old_roots" min:"1" doc:"The folder into which the old ones go, a path from the top level. It is made if it is missing."`
}

// RollbackInput is the input of btrfs.rollback.
type RollbackInput struct {
	Source
	FallBack    int      `json:"fall_back" default:"3" min:"0" doc:"After so many boots in a row that were not confirmed the last confirmed root comes back. 0: never."`
	Acknowledge []string `json:"acknowledge,omitempty" doc:"What may go with the root, of what identifies a machine: paths in it, as etc/machine-id. What \"coppice boot diff --acknowledge\" has written on the filesystem counts as well."`
}

// RollbackOutput is the output of btrfs.rollback.
type RollbackOutput struct {
	Result   string          `json:"result" doc:"rolled-back; reused: the root was clean still; fell-back: the last confirmed root has come back; used, used-once: the archive that was asked for is the root; done: this boot has had it already; skipped: something says not to."`
	Why      string          `json:"why" doc:"Why it was skipped, or fell back; empty otherwise."`
	Root     string          `json:"root" doc:"Path of the root."`
	UUID     string          `json:"uuid" doc:"UUID of what is the root now; empty when the filesystem was not looked at."`
	Archived []ArchivedPlace `json:"archived" doc:"What has gone into the archive."`
}

// ArchivedPlace is one that has gone into the archive.
type ArchivedPlace struct {
	Place string   `json:"place" doc:"Where it was."`
	Path  string   `json:"path" doc:"Where it is."`
	UUID  sdk.UUID `json:"uuid" doc:"Its UUID."`
}

// ArchiveEntry is an archive in outputs.
type ArchiveEntry struct {
	Path      string    `json:"path" doc:"Path from the filesystem's top level; empty if it is gone."`
	UUID      sdk.UUID  `json:"uuid" doc:"The subvolume's UUID."`
	Place     string    `json:"place" doc:"Where it was."`
	At        time.Time `json:"at" doc:"When it was archived, by the clock of that boot."`
	Trusted   bool      `json:"trusted" doc:"Whether that clock was synchronised."`
	Boot      string    `json:"boot" doc:"Id of the boot that has archived it."`
	Confirmed bool      `json:"confirmed" doc:"Whether a confirmed boot ran from it."`
	Abandoned bool      `json:"abandoned" doc:"Whether it never came to its place."`
	Adopted   bool      `json:"adopted" doc:"Whether another tool has put it away, and it was adopted; at is by its name then."`
	Pinned    string    `json:"pinned" doc:"The pins on it, in words."`
	Mounted   string    `json:"mounted" doc:"Where it is mounted, in words."`
	Keep      string    `json:"keep" doc:"Why it stays; empty if it has had its day."`
}

// StatusOutput is the output of btrfs.boot_status.
type StatusOutput struct {
	Root        string         `json:"root" doc:"Path of the root."`
	UUID        string         `json:"uuid" doc:"UUID of what is there; empty if nothing is."`
	Boot        string         `json:"boot" doc:"Id of this boot."`
	LastBoot    string         `json:"last_boot" doc:"Id of the last boot in which there was a rollback, or what came in its place; empty if there was none."`
	LastResult  string         `json:"last_result" doc:"What that came to, as btrfs.rollback has it."`
	LastAt      time.Time      `json:"last_at,omitzero" doc:"When that was, by the clock of that boot."`
	Unconfirmed int            `json:"unconfirmed" doc:"Boots in a row that were not confirmed."`
	Confirmed   bool           `json:"confirmed" doc:"Whether this boot is confirmed."`
	ConfirmedAt time.Time      `json:"confirmed_at,omitzero" doc:"When a boot was confirmed last."`
	Off         string         `json:"off" doc:"Why nothing is rolled back; empty if it is."`
	Unfinished  string         `json:"unfinished" doc:"What a rollback that was cut off has left, in words; empty if nothing."`
	Requests    []string       `json:"requests" doc:"What the next boot was asked for, in words."`
	Next        string         `json:"next" doc:"What the next boot will come to, as btrfs.rollback has it, or refused."`
	NextWhy     []string       `json:"next_why" doc:"Why."`
	Archives    []ArchiveEntry `json:"archives" doc:"The archives, the newest first."`
	Foreign     []string       `json:"foreign" doc:"What else lies in the archive's folder: nothing that coppice does deletes it."`
}

// ExpiredInput is the input of btrfs.boot_expired and boot_tidy.
type ExpiredInput struct {
	Filesystem  sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it."`
	Retention   sdk.Duration   `json:"retention" default:"30d" doc:"An archive has had its day when it was archived so long ago."`
	KeepAtLeast int            `json:"keep_at_least" default:"3" min:"0" doc:"So many of the newest archives of each place stay, however old."`
	Nested      []string       `json:"nested,omitempty" doc:"Subvolumes in an archive that may go with it: paths in it, as var/lib/machines, which systemd makes by itself. One with any other subvolume in it stays."`
	Clock       string         `json:"clock" default:"system" enum:"system|rtc" doc:"system: the clock counts when it is synchronised; rtc: it is right without that."`
}

// ExpiredOutput is the output of btrfs.boot_expired.
type ExpiredOutput struct {
	Subvolumes []string       `json:"subvolumes" doc:"UUIDs of the archives that have had their day, and of what lies in them, the inner ones first: for btrfs.delete_tree."`
	Why        string         `json:"why" doc:"Why none goes at all; empty otherwise."`
	Archives   []ArchiveEntry `json:"archives" doc:"All archives, the newest first."`
}

// TidyOutput is the output of btrfs.boot_tidy.
type TidyOutput struct {
	Forgotten int `json:"forgotten" doc:"Records of archives that are gone, which were removed."`
	Dated     int `json:"dated" doc:"Archives of a boot without a trusted clock, whose age counts from now on."`
}

// ConfirmInput is the input of btrfs.boot_confirm.
type ConfirmInput struct {
	Filesystem sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it."`
	Root       string         `json:"root" default:"root" min:"1" doc:"The subvolume that is mounted as the root, by its path from the filesystem's top level."`
}

// ConfirmOutput is the output of btrfs.boot_confirm.
type ConfirmOutput struct {
	Boot string   `json:"boot" doc:"Id of the boot."`
	UUID sdk.UUID `json:"uuid" doc:"UUID of the root that it runs from."`
}

// RequestInput is the input of btrfs.boot_request.
type RequestInput struct {
	Filesystem  sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it."`
	Root        string         `json:"root" default:"root" min:"1" doc:"The subvolume that is mounted as the root, by its path from the filesystem's top level."`
	Archive     string         `json:"archive" default:"old_roots" min:"1" doc:"The folder of the archives, a path from the top level."`
	Request     string         `json:"request" enum:"skip-next|use|cancel|off|on|acknowledge" doc:"skip-next: leave the next boot as it is; use: have a copy of an archive as its root; cancel: neither; off and on: roll back never, or again; acknowledge: paths may go with the root."`
	From        string         `json:"from" default:"" doc:"For use: the archive, or any other subvolume: its path from the top level, its name in the archive's folder, or its UUID."`
	Once        bool           `json:"once" default:"false" doc:"For use: the boot after it is rolled back again. Without it nothing is rolled back until that is switched on."`
	Acknowledge []string       `json:"acknowledge,omitempty" doc:"For acknowledge: paths in the root, as etc/machine-id."`
	Why         string         `json:"why" default:"" doc:"For off: a reason, for those who find it so."`
}

// RequestOutput is the output of btrfs.boot_request.
type RequestOutput struct {
	Staged string `json:"staged" doc:"For use: the path of the copy; empty otherwise."`
}

// LossInput is the input of btrfs.boot_diff.
type LossInput struct {
	Source
	Acknowledge []string `json:"acknowledge,omitempty" doc:"What may go with the root, as btrfs.rollback has it."`
	Nested      []string `json:"nested,omitempty" doc:"Subvolumes in the root that may go with it: paths in it."`
	Limit       int      `json:"limit" default:"1000" min:"0" doc:"List at most so many paths; the others are only counted. 0: all."`
}

// LossOutput is the output of btrfs.boot_diff.
type LossOutput struct {
	Root     string   `json:"root" doc:"Path of the root."`
	Identity []string `json:"identity" doc:"What makes the machine the one it is and would go, and nobody has acknowledged: paths in the root."`
	Nested   []string `json:"nested" doc:"Subvolumes in the root that are not on the list: they would go into the archive with it."`
	Count    int      `json:"count" doc:"How many paths are in the root and not in a clean one, or other ones there; a folder with all that is in it counts once."`
	Complete bool     `json:"complete" doc:"Whether all of them are listed."`
	Losses   []Loss   `json:"losses" doc:"These paths."`
}

// Loss is a path that the next boot would put away.
type Loss struct {
	Path     string   `json:"path" doc:"Path in the root."`
	What     string   `json:"what" doc:"added: a clean root does not have it; changed or attributes: it has another one; removed: it has it, and the root does not."`
	Kind     string   `json:"kind" doc:"file, folder, link, device, socket or nested."`
	Size     sdk.Size `json:"size" doc:"Size of a file, or of all files in a folder that was added."`
	Contains int      `json:"contains" doc:"Of a folder that was added: how many things are in it."`
}

// RebaseInput is the input of btrfs.boot_rebase.
type RebaseInput struct {
	Filesystem sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it."`
	Root       string         `json:"root" default:"root" min:"1" doc:"The subvolume that is mounted as the root, by its path from the filesystem's top level."`
	Blank      string         `json:"blank" min:"1" doc:"The blank, by its path from the top level. It need not be there yet."`
}

// RebaseOutput is the output of btrfs.boot_rebase.
type RebaseOutput struct {
	UUID string `json:"uuid" doc:"UUID of the new blank."`
	Kept string `json:"kept" doc:"Where the blank until now is; empty if there was none."`
}

// AdoptInput is the input of btrfs.boot_adopt.
type AdoptInput struct {
	Filesystem sdk.Filesystem `json:"filesystem" default:"/" doc:"The btrfs filesystem: UUID=…, LABEL=…, its device, or any path on it."`
	Root       string         `json:"root" default:"root" min:"1" doc:"What they were roots of: the subvolume that is mounted as the root, by its path from the filesystem's top level."`
	Blank      string         `json:"blank" default:"" doc:"The blank, which is not adopted if it lies in the archive."`
	Archive    string         `json:"archive" default:"old_roots" min:"1" doc:"The folder of the archives, a path from the top level."`
	Subvolumes []string       `json:"subvolumes,omitempty" doc:"Which: their paths from the top level, their names in the archive's folder, or their UUIDs. Left out: all that lie directly in the folder and that there is no record of."`
}

// AdoptOutput is the output of btrfs.boot_adopt.
type AdoptOutput struct {
	Adopted []string `json:"adopted" doc:"Their paths from the top level."`
}
