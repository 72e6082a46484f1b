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
	Pinned    string    `json:"pinned" doc:"The pins on it, in words."`
	Mounted   string    `json:"mounted" doc:"Where it is mounted, in words."`
	Keep      string    `json:"keep" doc:"Why it stays; empty if it has had its day."`
}
