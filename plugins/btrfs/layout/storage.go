package layout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// wish is what inputs ask for. "" and nil: as it is.
type wish struct {
	compression string
	noCow       *bool
}

// check finds what can't be asked for at all. input is the JSON pointer to the object with both inputs.
func (w wish) check(input string) *sdk.Error {
	legal := append([]string{kernel.CompressionDefault, kernel.CompressionNone}, kernel.CompressionKinds...)
	kind, level, leveled := strings.Cut(w.compression, ":")
	switch {
	case leveled && slices.Contains(kernel.CompressionKinds, kind):
		return volume.Invalid(input+"/compression", fmt.Sprintf("write %s; a level can only be given to the whole filesystem, with the mount option compress=%s", kind, w.compression),
			"the kernel ignores the level %q of a property: %s would be stored and mean %s", level, w.compression, kind)
	case w.compression != "" && !slices.Contains(legal, w.compression):
		return sdk.InvalidInput(input+"/compression", "%q is no compression: expected one of %s", w.compression, strings.Join(legal, ", "))
	case w.noCow != nil && *w.noCow && w.compression != "" && w.compression != kernel.CompressionDefault:
		return volume.Invalid(input+"/compression", "leave compression out: data without copy on write is never compressed",
			"no_cow and compression exclude each other")
	}
	return nil
}

// apply is what becomes of a storage. conflict says why the kernel would not take it, as what it has already is in the way of
// what is asked for; "": it would.
func (w wish) apply(from storage) (to storage, conflict string) {
	to = from
	if w.compression != "" {
		to.compression = w.compression
	}
	if w.noCow != nil {
		to.noCow = *w.noCow
	}
	switch {
	case !to.noCow || to.compression == kernel.CompressionDefault:
	case w.noCow != nil && *w.noCow:
		conflict = fmt.Sprintf("it has the compression %s", to.compression)
	default:
		conflict = "it is without copy on write"
	}
	return to, conflict
}

// shapes are the Before and After of a change from one storage to another, and what it does in words.
func shapes(from, to storage) (before, after subvolume.Shape, words []string) {
	if from.compression != to.compression {
		before.Compression, after.Compression = from.compression, to.compression
		words = append(words, "compression "+to.compression)
	}
	if from.noCow != to.noCow {
		before.NoCow, after.NoCow = &from.noCow, &to.noCow
		if to.noCow {
			words = append(words, "without copy on write")
		} else {
			words = append(words, "with copy on write")
		}
	}
	return before, after, words
}

// kept is what a change of storage does not do to the data that is there.
type kept int

const (
	keptNothing kept = iota
	keptNoCow
	keptCompression
)

// keeps finds out what data that is there keeps.
func (t target) keeps(to storage) kept {
	switch {
	case t.empty || t.storage == to:
		return keptNothing
	case t.noCow != to.noCow:
		return keptNoCow
	}
	return keptCompression
}

// advice is what helps.
func (k kept) advice() string {
	if k == keptNoCow {
		return "copy them anew (cp -a --reflink=never) into a subvolume or folder that is made after this; a file changes its copy on write at no other time"
	}
	return "btrfs.defragment with a compression rewrites existing files, those that snapshots share only with shared: copy; a folder gets a compression with btrfs.property"
}

// words say it about some paths, in quotes.
func (k kept) words(paths ...string) string {
	what := map[kept]string{keptNoCow: "copy on write", keptCompression: "compression"}[k]
	return fmt.Sprintf("files and folders that are in %s already keep the %s that they have, and so will new files in these folders", strings.Join(paths, ", "), what)
}

func shownPath(path string) string {
	if path == "" {
		return topLevel
	}
	return path
}

// setStorage changes what differs and reads it back. The order matters: the kernel takes neither of the two while the other is on.
func setStorage(node *kernel.Node, to storage) (changed bool, err error) {
	from, err := storageOf(node)
	if err != nil || from == to {
		return false, err
	}
	if from.noCow && !to.noCow {
		if err := node.SetNoCow(false); err != nil {
			return false, err
		}
	}
	if from.compression != to.compression {
		if err := node.SetCompression(to.compression); err != nil {
			return false, err
		}
	}
	if !from.noCow && to.noCow {
		if err := node.SetNoCow(true); err != nil {
			return false, err
		}
	}
	now, err := storageOf(node)
	if err == nil && now != to {
		err = fmt.Errorf("the kernel has taken the properties of %q and not kept them: it has compression %s, no_cow %v", node.Path(), now.compression, now.noCow)
	}
	return true, err
}
