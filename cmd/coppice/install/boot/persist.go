package boot

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hbohlen/coppice/cmd/coppice/install"
)

// Persist says what of the root stays through boots: paths that are bind mounts of those of the same name below On, which is on a
// subvolume that no rollback replaces.
type Persist struct {
	On    string   // absolute
	Paths []string // absolute; folders or files
}

// mountable is what can stand in a unit as it is, in every setting that has paths.
var mountable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/[A-Za-z0-9._+@:/-]*$`) })

// Source is where a path really lies.
func (p Persist) Source(kept string) string { return path.Join(p.On, kept) }

// check finds what can't be right.
func (p Persist) check() error {
	for _, at := range append([]string{p.On}, p.Paths...) {
		switch {
		case !mountable().MatchString(at) || path.Clean(at) != at:
			return fmt.Errorf("%q is no plain absolute path of letters, digits and ._+-@: alone", at)
		case at == "/":
			return fmt.Errorf("%q can't be kept: it is the root itself", at)
		}
	}
	seen := map[string]bool{}
	for _, at := range p.Paths {
		switch {
		case seen[at]:
			return fmt.Errorf("%s is named twice", at)
		case at == p.On || strings.HasPrefix(at+"/", p.On+"/") || strings.HasPrefix(p.On+"/", at+"/"):
			return fmt.Errorf("%s and %s lie in each other", at, p.On)
		}
		seen[at] = true
	}
	return nil
}

// files are a mount unit for each path. When one can't be mounted the boot ends in emergency mode, as with a line of fstab: what is
// written to the root instead would be gone.
func (p Persist) files() ([]install.File, error) {
	if len(p.Paths) == 0 {
		return nil, nil
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	var all []install.File
	for _, at := range slices.Sorted(slices.Values(p.Paths)) {
		unit := UnitName(at) + ".mount"
		text := fmt.Sprintf(`# Written by "coppice install boot".
[Unit]
Description=Keep %s through boots
DefaultDependencies=no
RequiresMountsFor=%s
Before=local-fs.target umount.target
Conflicts=umount.target

[Mount]
What=%s
Where=%s
Type=none
Options=bind

[Install]
RequiredBy=local-fs.target
`, at, p.On, p.Source(at), at)
		all = append(all, install.File{Path: units + unit, Mode: 0o644, Content: text},
			install.Link(units+"local-fs.target.requires/"+unit, units+unit))
	}
	return all, nil
}
