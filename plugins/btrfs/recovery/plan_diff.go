package recovery

import (
	"fmt"
	"path"
	"unicode/utf8"

	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/sdk"
)

// differ puts a comparison together.
type differ struct {
	out   DiffOutput
	limit int // 0: none
}

// add notes a difference below a path.
func (d *differ) add(t tree.Difference, below string) error {
	switch t.What {
	case tree.Added:
		d.out.Added++
	case tree.Removed:
		d.out.Removed++
	case tree.Changed:
		d.out.Changed++
	case tree.Attributes:
		d.out.Attributes++
	}
	if d.limit > 0 && len(d.out.Differences) == d.limit {
		d.out.Complete = false
		return nil
	}
	one := Difference{Path: shown(path.Join(below, t.Path)), What: string(t.What), Kind: string(t.After.Kind), Before: sdk.Size(t.Before.Size), After: sdk.Size(t.After.Size)}
	in := t.Inside
	if things := in.Files + in.Folders + in.Links + in.Devices + in.Sockets + in.Nested; things > 0 {
		one.Contains = things - 1
	}
	switch t.What {
	case tree.Removed:
		one.Kind = string(t.Before.Kind)
		one.Before += sdk.Size(in.Bytes)
	case tree.Added:
		one.After += sdk.Size(in.Bytes)
	}
	d.out.Differences = append(d.out.Differences, one)
	return nil
}

// shown is a path as JSON can hold it.
func shown(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	return fmt.Sprintf("%q", p)
}

func (d *differ) summary() string {
	return fmt.Sprintf("%d added, %d removed, %d changed, %d with other attributes", d.out.Added, d.out.Removed, d.out.Changed, d.out.Attributes)
}
