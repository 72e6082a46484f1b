package transfer

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// SendInput is the input of btrfs.send.
type SendInput struct {
	volume.Target
	Sources      []sdk.Subvolume `json:"sources,omitempty" doc:"The sources whose snapshots are sent; left out: every source that has snapshots in the folder."`
	Snapshots    string          `json:"snapshots" default:"snapshots" min:"1" doc:"Folder of the snapshots, a path from the filesystem's top level."`
	To           string          `json:"to" min:"1" doc:"Where the copies go: /FOLDER on another btrfs that is mounted, file:/FOLDER for files on any filesystem, or ssh://[USER@]HOST[:PORT]/FOLDER on the btrfs of another machine. The folder must exist."`
	Name         string          `json:"name" default:"" doc:"What the target is called in the holds on the snapshots that it needs; empty: as in to."`
	What         string          `json:"what" default:"all" enum:"all|newest" doc:"Which of the snapshots that are newer than the newest common one are sent: all, or the newest."`
	Max          int             `json:"max" default:"0" min:"0" doc:"Send at most this many snapshots of a source, the oldest; the others wait for the next run. 0: no limit."`
	Full         string          `json:"full" default:"first" enum:"first|allow" doc:"When a snapshot may be sent in full, because the target has none that it could be sent as changes to: only if none of the source was ever sent there, or always."`
	FullEvery    int             `json:"full_every" default:"0" min:"0" doc:"For files: send every Nth snapshot of a source in full, so that making one again takes at most N files, and all files before a full one can be deleted. 0: only the first."`
	Verify       string          `json:"verify" default:"received" enum:"received|content" doc:"received: every part of the stream has the right checksum, and the kernel says that the copy is whole. content: the copy and the snapshot are read besides, and compared."`
	OnAbsent     string          `json:"on_absent" default:"fail" enum:"fail|skip" doc:"What a target that is not there means: an error, or a warning. In both cases nothing is changed and every hold stays."`
	HoldFor      sdk.Duration    `json:"hold_for" default:"0s" doc:"For how long the newest common snapshot is held for the target after each transfer; 0s: until there is a newer one, however long the target is away."`
	StallTimeout sdk.Duration    `json:"stall_timeout" default:"10m" doc:"Give a transfer up when nothing has moved for this long. How long a whole one takes does not matter."`
	RateLimit    sdk.Size        `json:"rate_limit" default:"0" min:"0" doc:"Send at most this many bytes a second; 0: as fast as it goes."`
	SSHConfig    string          `json:"ssh_config" default:"" doc:"A configuration file for ssh, as with ssh -F: keys, known hosts, jump hosts; empty: root's own."`
}

// SendOutput is the output of btrfs.send.
type SendOutput struct {
	Present    bool           `json:"present" doc:"Whether the target was there."`
	Kind       string         `json:"kind" doc:"What the target is: btrfs or files; empty when it was not there."`
	Filesystem string         `json:"filesystem" doc:"The filesystem of the target, for btrfs.prune; empty when it is not a btrfs of this machine."`
	Folder     string         `json:"folder" doc:"The target's folder, a path from the top level of its filesystem, for btrfs.prune."`
	Sources    []string       `json:"sources" doc:"The sources that were looked at, for btrfs.prune."`
	Sent       []SentSnapshot `json:"sent" doc:"The snapshots that were sent, in that order."`
	Waiting    int            `json:"waiting" doc:"How many more wait for the next run, because of max."`
}

// SentSnapshot is one that was sent.
type SentSnapshot struct {
	Source   string `json:"source" doc:"Name of the source."`
	Snapshot string `json:"snapshot" doc:"Path of the snapshot from the top level."`
	UUID     string `json:"uuid" doc:"The snapshot's UUID."`
	Parent   string `json:"parent" doc:"UUID of the snapshot that it was sent as changes to; empty when it was sent in full."`
	Copy     string `json:"copy" doc:"Where the copy is: a path from the top level of the target's filesystem; for files that of the stream."`
	Bytes    int64  `json:"bytes" doc:"How many bytes were sent."`
}

// ReceiveInput is the input of btrfs.receive.
type ReceiveInput struct {
	volume.Target
	From         sdk.Path     `json:"from" min:"1" doc:"The folder of stream files, as btrfs.send has written it with to: file:/FOLDER."`
	Sources      []string     `json:"sources,omitempty" doc:"Only the snapshots of these sources; left out: of all that have files there."`
	Sender       string       `json:"sender" default:"" doc:"Only snapshots that were sent from the filesystem with this UUID; needed where the files of a source are from several."`
	Snapshot     string       `json:"snapshot" default:"newest" min:"1" doc:"Which one: newest, or a stamp such as 20261024T060000.000Z."`
	Into         string       `json:"into" default:"received" min:"1" doc:"Folder for the snapshots, a path from the filesystem's top level. Each source gets a folder of its own in it."`
	StallTimeout sdk.Duration `json:"stall_timeout" default:"10m" doc:"Give a file up when nothing has moved for this long."`
}

// ReceiveOutput is the output of btrfs.receive.
type ReceiveOutput struct {
	Received []ReceivedSnapshot `json:"received" doc:"The snapshots that were received, in that order."`
	Newest   []ReceivedSnapshot `json:"newest" doc:"The snapshot that was asked for, of each source."`
}

// ReceivedSnapshot is one that was received.
type ReceivedSnapshot struct {
	Source string   `json:"source" doc:"Name of the source."`
	Path   string   `json:"path" doc:"Path from the top level."`
	UUID   sdk.UUID `json:"uuid" doc:"UUID of the received snapshot."`
}
