package replica

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Capture reads the shape of a filesystem. notes are what could not be captured, in words.
func Capture(f *kernel.Filesystem) (_ Filesystem, notes []string, err error) {
	c := capture{f: f, out: Filesystem{UUID: sdk.UUID(f.UUID().String()), Device: f.Device(), Subvolumes: []Subvolume{}}}
	if c.out.Label, err = f.Label(); err != nil {
		return c.out, nil, err
	}
	for _, step := range []func() error{c.subvolumes, c.quotas, c.standard, c.mounts} {
		if err := step(); err != nil {
			return c.out, c.notes, err
		}
	}
	return c.out, c.notes, c.records("")
}

type capture struct {
	f     *kernel.Filesystem
	out   Filesystem
	ids   map[uint64]int // of subvolumes: their index
	paths map[uint64]string
	notes []string
}

func (c *capture) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

func (c *capture) subvolumes() error {
	all, err := c.f.List()
	if err != nil {
		return err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	c.ids, c.paths = map[uint64]int{}, map[uint64]string{kernel.TopLevelID: ""}
	for _, s := range all {
		if !utf8.ValidString(s.Path) {
			c.note("the subvolume %q is left out: its path is not UTF-8", s.Path)
			continue
		}
		if s.UUID.IsZero() {
			c.note("the subvolume %q is left out: it has no UUID", s.Path)
			continue
		}
		o := Subvolume{Path: s.Path, UUID: id(s.UUID), Parent: id(s.ParentUUID), Received: id(s.ReceivedUUID), Created: s.OTime, ReadOnly: s.ReadOnly}
		node, err := c.f.OpenNode(s.Path)
		switch {
		case errors.Is(err, kernel.ErrNotFound): // deleted meanwhile
			continue
		case err != nil:
			return err
		}
		o.Compression, o.NoCow, err = properties(node)
		if err = errors.Join(err, node.Close()); err != nil {
			return err
		}
		c.ids[s.ID], c.paths[s.ID] = len(c.out.Subvolumes), s.Path
		c.out.Subvolumes = append(c.out.Subvolumes, o)
	}
	return nil
}

func properties(n *kernel.Node) (compression string, noCow bool, err error) {
	if compression, err = n.Compression(); err != nil {
		return "", false, err
	}
	if compression == kernel.CompressionDefault {
		compression = ""
	}
	noCow, err = n.NoCow()
	return compression, noCow, err
}

func id(u kernel.UUID) sdk.UUID {
	if u.IsZero() {
		return ""
	}
	return sdk.UUID(u.String())
}

func (c *capture) quotas() error {
	q, err := c.f.Quota()
	if err != nil {
		return err
	}
	if q.Mode == kernel.QuotaOff {
		return nil
	}
	c.out.Quotas = string(q.Mode)
	for _, g := range q.Groups {
		i, known := c.ids[g.ID]
		if g.Level != 0 || !known {
			if g.Level != 0 {
				c.note("the quota group %d/%d is left out", g.Level, g.ID)
			}
			continue
		}
		size := func(n *uint64) *sdk.Size {
			if n == nil {
				return nil
			}
			s := sdk.Size(*n)
			return &s
		}
		c.out.Subvolumes[i].MaxReferenced, c.out.Subvolumes[i].MaxExclusive = size(g.MaxReferenced), size(g.MaxExclusive)
	}
	return nil
}

func (c *capture) standard() error {
	n, err := c.f.Default()
	if err != nil {
		return err
	}
	if path, known := c.paths[n]; known {
		c.out.Default = path
	}
	return nil
}

// mounts are those that this process sees.
func (c *capture) mounts() error {
	mounted, err := c.f.MountPoints()
	if err != nil {
		return err
	}
	for _, m := range mounted {
		if path, known := c.paths[m.Subvolume]; known && utf8.ValidString(m.Point) {
			c.out.Mounts = append(c.out.Mounts, Mount{At: m.Point, Subvolume: path})
		}
	}
	return nil
}

// runsFolder holds the records of runs: a copy has no use for them.
const runsFolder = "runs"

// records reads the files of coppice's folder, below a folder in it.
func (c *capture) records(below string) error {
	dir, err := c.f.OpenDir(strings.TrimSuffix(volume.StateFolder+"/"+below, "/"))
	if errors.Is(err, kernel.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := strings.TrimPrefix(below+"/"+e.Name, "/")
		switch {
		case path == runsFolder, strings.HasPrefix(e.Name, kernel.TempPrefix):
		case e.Type == kernel.EntryDir:
			if err := c.records(path); err != nil {
				return err
			}
		case e.Type == kernel.EntryFile:
			data, err := dir.ReadFile(e.Name)
			switch {
			case errors.Is(err, kernel.ErrNotFound):
			case err != nil:
				return err
			case !utf8.Valid(data) || !utf8.ValidString(path):
				c.note("the record %q is left out: it is not UTF-8", path)
			default:
				c.out.Records = append(c.out.Records, Record{Path: path, Content: string(data)})
			}
		default:
			c.note("%q in coppice's folder is left out: it is a %v", path, e.Type)
		}
	}
	return nil
}
