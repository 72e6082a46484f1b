package transfer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// Names of the files of a copy: the stream, the same while it is being written, and what describes it, which is written
// last. A stream without a description is none.
const (
	streamSuffix   = ".btrfs"
	partialSuffix  = streamSuffix + ".partial"
	manifestSuffix = ".json"
)

// manifest describes a stream file.
type manifest struct {
	Version int         `json:"version"`
	Source  string      `json:"source"`
	Stamp   string      `json:"stamp"`
	UUID    kernel.UUID `json:"uuid"` // the origin
	// Filesystem is what it was sent from; none: nobody has noted it, as before there was this field.
	Filesystem kernel.UUID `json:"filesystem,omitzero"`
	Parent     kernel.UUID `json:"parent,omitzero"` // the origin of what it has the changes to; none: it is a full one
	Bytes      int64       `json:"bytes"`
	SHA256     string      `json:"sha256"` // of the stream
	Created    string      `json:"created,omitempty"`
	Untrusted  string      `json:"clock_untrusted,omitempty"`
	Content    *digest     `json:"content,omitempty"` // of the snapshot, where it was read to be compared
}

const manifestVersion = 1

// maxManifest is the most bytes of a manifest that is read.
const maxManifest = 1 << 20

// readManifest reads that of a stamp in the folder of a source.
func readManifest(dir, stamp string) (manifest, error) {
	path := filepath.Join(dir, stamp+manifestSuffix)
	fail := func(err error) (manifest, error) {
		return manifest{}, fmt.Errorf("cannot use the description %q: %w", path, err)
	}
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return fail(err)
	case !st.Mode().IsRegular() || st.Size() > maxManifest:
		return fail(fmt.Errorf("it is not a small regular file"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fail(err)
	}
	clean, bad := volume.CleanPath("", m.Source)
	switch {
	case m.Version != manifestVersion:
		return fail(fmt.Errorf("it is of version %d; this coppice knows version %d", m.Version, manifestVersion))
	case m.Stamp != stamp:
		return fail(fmt.Errorf("it is of %q", m.Stamp))
	case bad != nil || clean != m.Source || subvolume.FolderOf(m.Source) != filepath.Base(dir):
		return fail(fmt.Errorf("it is of the source %q", m.Source))
	case m.UUID.IsZero() || m.UUID == m.Parent:
		return fail(fmt.Errorf("its UUIDs make no sense"))
	}
	return m, nil
}

// usable returns those of the copies of one folder, as files, from which a snapshot can be made, with all that they have the
// changes to; and how many files each of them takes, by UUID.
func usable(dir string, all []manifest) ([]manifest, map[kernel.UUID]int) {
	byUUID := map[kernel.UUID]manifest{}
	for _, m := range all {
		if st, err := os.Lstat(filepath.Join(dir, m.Stamp+streamSuffix)); err == nil && st.Mode().IsRegular() && st.Size() == m.Bytes {
			byUUID[m.UUID] = m
		}
	}
	needs := map[kernel.UUID]int{} // 0: not usable
	var count func(kernel.UUID) int
	count = func(id kernel.UUID) int {
		if n, known := needs[id]; known {
			return n
		}
		needs[id] = 0 // until it is known: whatever runs in a circle is not usable
		m, there := byUUID[id]
		if !there {
			return 0
		}
		before := 0
		if !m.Parent.IsZero() {
			if before = count(m.Parent); before == 0 {
				return 0
			}
		}
		needs[id] = before + 1
		return before + 1
	}
	var whole []manifest
	for _, m := range all {
		if count(m.UUID) > 0 {
			whole = append(whole, m)
		}
	}
	return whole, needs
}

// upTo returns what it takes to make a snapshot of usable ones, a full one first.
func upTo(all map[kernel.UUID]manifest, id kernel.UUID) []manifest {
	var way []manifest
	for !id.IsZero() {
		m := all[id]
		way = append(way, m)
		id = m.Parent
	}
	slices.Reverse(way)
	return way
}
