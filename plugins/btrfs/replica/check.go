package replica

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Schema is that of a file.
func Schema() *schema.Schema { return schema.For[Layout]() }

// Decode reads a layout out of JSON. Violations are all places where it does not fit the schema or itself; then the layout is of no use. An
// error is about the text as a whole.
func Decode(data []byte) (Layout, []schema.Violation, error) {
	var l Layout
	s := Schema()
	value, err := s.Fill(data)
	if err != nil {
		return l, nil, err
	}
	if wrong := s.Check(value); len(wrong) > 0 {
		return l, wrong, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&l); err != nil {
		return l, nil, err
	}
	return l, l.Check(), nil
}

// Encode is a layout as a file.
func Encode(l Layout) ([]byte, error) {
	data, err := json.MarshalIndent(l, "", "  ")
	return append(data, '\n'), err
}

// Check finds where a layout that fits the schema does not fit itself.
func (l Layout) Check() []schema.Violation {
	c := &checker{}
	for i, f := range l.Filesystems {
		c.filesystem(fmt.Sprintf("/filesystems/%d", i), f)
	}
	return c.found
}

type checker struct{ found []schema.Violation }

func (c *checker) wrong(at, format string, args ...any) {
	c.found = append(c.found, schema.Violation{Path: at, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) filesystem(at string, f Filesystem) {
	c.uuid(at+"/uuid", f.UUID)
	if len(f.Label) > 255 {
		c.wrong(at+"/label", "must have at most 255 bytes")
	}
	known := map[string]bool{}
	for i, s := range f.Subvolumes {
		p := fmt.Sprintf("%s/subvolumes/%d", at, i)
		c.path(p+"/path", s.Path)
		if s.Path == volume.StateFolder || volume.Inside(volume.StateFolder, s.Path) {
			c.wrong(p+"/path", "is coppice's own folder; its records are in \"records\"")
		}
		if known[s.Path] {
			c.wrong(p+"/path", "there is another %q", s.Path)
		}
		known[s.Path] = true
	}
	uuids := map[sdk.UUID]bool{}
	for i, s := range f.Subvolumes {
		c.subvolume(fmt.Sprintf("%s/subvolumes/%d", at, i), s, f, known, uuids)
	}
	named := func(at, what string) {
		if !known[what] {
			c.wrong(at, "there is no subvolume %q in this filesystem", what)
		}
	}
	for i, s := range f.Series {
		p := fmt.Sprintf("%s/series/%d", at, i)
		named(p+"/of", s.Of)
		c.path(p+"/into", s.Into)
		if s.Every <= 0 {
			c.wrong(p+"/every", "must be more than nothing")
		}
	}
	for i, m := range f.Mounts {
		p := fmt.Sprintf("%s/mounts/%d", at, i)
		if m.Subvolume != "" {
			named(p+"/subvolume", m.Subvolume)
		}
		if path.Clean(m.At) != m.At {
			c.wrong(p+"/at", "must be written as %q", path.Clean(m.At))
		}
	}
	for i, folder := range f.Folders {
		p := fmt.Sprintf("%s/folders/%d/path", at, i)
		if c.path(p, folder.Path); known[folder.Path] {
			c.wrong(p, "is a subvolume")
		}
	}
	for i, r := range f.Records {
		c.path(fmt.Sprintf("%s/records/%d/path", at, i), r.Path)
	}
	if f.Default != "" {
		named(at+"/default", f.Default)
	}
}

func (c *checker) subvolume(at string, s Subvolume, f Filesystem, known map[string]bool, uuids map[sdk.UUID]bool) {
	c.uuid(at+"/uuid", s.UUID)
	c.uuid(at+"/parent", s.Parent)
	c.uuid(at+"/received", s.Received)
	if s.UUID != "" && uuids[s.UUID] {
		c.wrong(at+"/uuid", "there is another one with it")
	}
	uuids[s.UUID] = true
	switch {
	case s.SnapshotOf == "":
	case s.Parent != "":
		c.wrong(at+"/snapshot_of", "can't be given beside \"parent\"")
	case !known[s.SnapshotOf]:
		c.wrong(at+"/snapshot_of", "there is no subvolume %q in this filesystem", s.SnapshotOf)
	}
	if !s.Created.IsZero() && s.Age != 0 {
		c.wrong(at+"/age", "can't be given beside \"created\"")
	}
	if !s.Created.IsZero() && s.Created.Unix() <= 0 {
		c.wrong(at+"/created", "must be after 1970")
	}
	if s.Age < 0 {
		c.wrong(at+"/age", "must not be negative")
	}
	if s.NoCow && s.Compression != "" {
		c.wrong(at+"/no_cow", "can't be given beside \"compression\": what is without copy on write is not compressed")
	}
	limited := s.MaxReferenced != nil || s.MaxExclusive != nil
	if limited && (f.Quotas == "" || f.Quotas == string(kernel.QuotaOff)) {
		c.wrong(at, "has a limit, and quotas of its filesystem are off")
	}
}

func (c *checker) path(at, given string) {
	clean, err := volume.CleanPath("", given)
	switch {
	case err != nil:
		c.wrong(at, "%s", err.Summary)
	case clean != given || clean == "":
		c.wrong(at, "must be a path from the top level, such as \"snapshots/root\"")
	}
}

func (c *checker) uuid(at string, given sdk.UUID) {
	if given == "" {
		return
	}
	if u, err := kernel.ParseUUID(string(given)); err != nil || u.IsZero() || u.String() != strings.ToLower(string(given)) || string(given) != u.String() {
		c.wrong(at, "must be a UUID in small letters")
	}
}
