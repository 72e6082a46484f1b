package layout

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// wanted is one entry of a layout, understood.
type wanted struct {
	input string // JSON pointer to it
	path  string
	wish
	maxReferenced, maxExclusive *sdk.Size
	mode                        *uint32
	uid, gid                    *int
}

// readEntries returns the entries, those that others lie in first, or everything that is wrong with them as such.
func readEntries(entries []Entry) ([]wanted, error) {
	var all []wanted
	var errs []error
	first := map[string]int{}
	for i, e := range entries {
		w := wanted{input: volume.At("subvolumes", i), wish: wish{e.Compression, e.NoCow},
			maxReferenced: e.MaxReferenced, maxExclusive: e.MaxExclusive, uid: e.UID, gid: e.GID}
		path, bad := volume.CleanPath(w.input+"/path", e.Path)
		switch other, taken := first[path]; {
		case bad != nil:
		case path == "":
			bad = sdk.InvalidInput(w.input+"/path", "the top level is there already: name a subvolume in it")
		case reserved(path):
			bad = reservedError(w.input+"/path", path)
		case taken:
			bad = volume.Invalid(w.input+"/path", "say all about it in one entry", "%q is in the list twice; it is number %d too", path, other+1)
		}
		if bad == nil {
			bad = w.check(w.input)
		}
		if e.Mode != "" && bad == nil {
			mode, err := strconv.ParseUint(e.Mode, 8, 12)
			if err != nil {
				bad = sdk.InvalidInput(w.input+"/mode", "%q are no permissions in octal, such as 0750", e.Mode)
			}
			m := uint32(mode)
			w.mode = &m
		}
		if bad != nil {
			errs = append(errs, bad)
			continue
		}
		first[path] = i
		w.path = path
		all = append(all, w)
	}
	depth := func(w wanted) int { return strings.Count(w.path, "/") }
	sort.SliceStable(all, func(i, j int) bool { return depth(all[i]) < depth(all[j]) })
	return all, errors.Join(errs...)
}

// limited reports whether it says anything about limits.
func (w wanted) limited() bool { return w.maxReferenced != nil || w.maxExclusive != nil }

// owned says how mode and owner differ from what is there; "": they don't.
func (w wanted) owned(t target) string {
	var words []string
	if w.mode != nil && *w.mode != t.mode {
		words = append(words, fmt.Sprintf("mode %04o, not %04o", t.mode, *w.mode))
	}
	if w.uid != nil && *w.uid != int(t.uid) {
		words = append(words, fmt.Sprintf("user %d, not %d", t.uid, *w.uid))
	}
	if w.gid != nil && *w.gid != int(t.gid) {
		words = append(words, fmt.Sprintf("group %d, not %d", t.gid, *w.gid))
	}
	return strings.Join(words, ", ")
}
