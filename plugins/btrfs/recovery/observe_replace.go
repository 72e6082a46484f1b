package recovery

import (
	"context"
	"errors"
	"os"
	"path"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// replacing is what the plan of a replacement looks at.
type replacing struct {
	view       *subvolume.View
	place      string          // of the one to replace
	old        subvolume.Known // what is there
	from       subvolume.Known
	archive    string
	archiveIs  kernel.EntryType // what is at that path
	archived   bool             // something is
	records    []replaced
	unreadable []error
	byID       []string // what mounts a subvolume by its id, in words
	room       int64    // bytes that metadata can still grow by
}

func observeReplace(ctx context.Context, h volume.Host, c *sdk.Call, f *kernel.Filesystem, in ReplaceInput, archive string) (*replacing, error) {
	o := &replacing{archive: archive}
	var err error
	if o.view, err = observe(ctx, h, f, c); err != nil {
		return nil, err
	}
	if o.place, err = placeOf(f, "/subvolume", string(in.Subvolume)); err != nil {
		return nil, err
	}
	o.records, o.unreadable = readReplaced(f)
	if path.IsAbs(string(in.Subvolume)) {
		o.place = o.placeBefore(o.place)
	}
	var there bool
	if o.old, there = o.view.At(o.place); !there {
		return nil, volume.Invalid("/subvolume", "name a subvolume; \"btrfs subvolume list\" shows them", "%q is no subvolume that can be replaced", in.Subvolume)
	}
	if o.from, err = o.view.Needed("/from", in.From); err != nil {
		return nil, err
	}
	if o.archiveIs, o.archived, err = f.Stat(archive); err != nil {
		return nil, invalid("/archive", err)
	}
	if !o.from.Planned {
		if err := o.observeFstab(f); err != nil {
			return nil, err
		}
	}
	if line, err := os.ReadFile(h.Cmdline); err == nil && strings.Contains(string(line), "subvolid=") {
		o.byID = append(o.byID, "the kernel's command line")
	}
	usage, err := f.Usage()
	if err != nil {
		return nil, volume.Explain("", err)
	}
	o.room = int64(usage.DeviceUnallocated) + int64(usage.Metadata.Total) - int64(usage.Metadata.Used) - int64(usage.GlobalReserve)
	return o, nil
}

// placeBefore is the place that a mounted subvolume had before it was replaced: its mount has followed it into the archive.
func (o *replacing) placeBefore(place string) string {
	k, there := o.view.At(place)
	for _, r := range o.records {
		if there && !k.Planned && r.Old == k.UUID && r.Archived == place {
			return r.Path
		}
	}
	return place
}

// observeFstab looks for mounts by id in the fstab of what is put in the place.
func (o *replacing) observeFstab(f *kernel.Filesystem) error {
	const fstab = "etc/fstab"
	data, err := f.ReadFile(path.Join(o.from.Path, fstab))
	switch {
	case errors.Is(err, kernel.ErrNotPermitted), errors.Is(err, kernel.ErrNotMounted):
		return volume.Explain("/from", err)
	case err != nil: // none, or none that can be read: it decides nothing
		return nil
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[0], "#") || fields[2] != "btrfs" {
			continue
		}
		if byID(fields[3]) {
			o.byID = append(o.byID, "the line of "+fields[1]+" in its /"+fstab)
		}
	}
	return nil
}

// byID reports whether options of a mount name a subvolume by its id. The top level, 5 or 0, is none that could be replaced, see btrfs(5).
func byID(options string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if id, ok := strings.CutPrefix(option, "subvolid="); ok && id != "5" && id != "0" {
			return true
		}
	}
	return false
}

// nested are the subvolumes that lie in one, by their paths in it.
func (o *replacing) nested(k subvolume.Known) []string {
	all := []string{}
	for _, s := range o.view.All() {
		if volume.Inside(k.Path, s.Path) {
			all = append(all, s.Path[len(k.Path)+1:])
		}
	}
	return all
}
