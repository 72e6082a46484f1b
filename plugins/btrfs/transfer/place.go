package transfer

import (
	"context"
	"io"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// place keeps copies. Its methods are called one after the other.
type place interface {
	// observe looks at what is there, and changes nothing.
	observe(ctx context.Context, q query) (content, error)
	// clean removes remnants that observe has found, and reports which of them are gone, by their index.
	clean(ctx context.Context, all []remnant) ([]int, error)
	// keep takes a copy in, verifies it and puts it into place. It reads the stream to its end, or fails; after a failure
	// nothing of it is there, or a remnant.
	keep(ctx context.Context, j job, stream io.Reader) (kept, error)
	// hold sees to it that nothing deletes the copy of an origin, and lets go of the older ones of the same folder.
	hold(ctx context.Context, h heldCopy) error
	close() error
}

// query says what to look for.
type query struct {
	Folders []string // names of the folders of sources
	Who     string   // whose holds
}

// content is what a place has. It travels as JSON.
type content struct {
	Kind     string               // btrfs or files
	Scope    string               // UUID of the filesystem; "" for files
	Folder   string               // path from the top level; for files that on the machine
	ReadOnly bool                 // nothing can be written
	Switch   string               // hold switch that is on: remnants stay; "" if none is
	Copies   map[string][]replica // by the names of the folders, the oldest first
	Taken    map[string][]string  // names in the folders that are no copies, sorted
	Holds    map[string][]replica // those that are held by Who
	Others   map[string]string    `json:",omitempty"` // by folders: the UUID of another filesystem whose copies are in it
	Remnants []remnant
	Standing standing
}

func newContent(kind, scope, folder string) content {
	return content{Kind: kind, Scope: scope, Folder: folder,
		Copies: map[string][]replica{}, Taken: map[string][]string{}, Holds: map[string][]replica{}, Others: map[string]string{}}
}

// replica is a copy in a place.
type replica struct {
	Name   string // its stamp
	Path   string
	Origin kernel.UUID
	UUID   kernel.UUID // btrfs only
	Needs  int         // files only: how many files it takes to make the snapshot

	planned string // of one that an earlier step makes: the key of what it is a copy of
}

// key is what all copies of a snapshot have in common, as subvolume.Known.OriginKey.
func (r replica) key() string {
	if r.planned != "" {
		return r.planned
	}
	return r.Origin.String()
}

// remnant is what a transfer that was cut off has left.
type remnant struct {
	Path string
	UUID kernel.UUID // btrfs only; zero: only its claim is left
	Note string      // name of its claim
}

// job is one copy that is to be made.
type job struct {
	Run, Source, Folder, Stamp string
	Origin, Parent             kernel.UUID // zero: a full stream
	Sender                     kernel.UUID // the filesystem that it is sent from; zero: nobody knows
	Untrusted                  string
	Content                    *digest // what the content has to be; nil: it is not compared
	Created                    string  // RFC 3339, for people
}

// kept is a copy that was made.
type kept struct {
	UUID  kernel.UUID // btrfs only
	Path  string
	Bytes int64
}

// heldCopy is a copy that must stay, and who wants it to.
type heldCopy struct {
	Folder, Source, Who, Reason string
	Origin                      kernel.UUID
}
