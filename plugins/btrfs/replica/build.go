package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Copies say which UUID the copy of something has, by the one that the layout gives it: subvolumes and filesystems, of all
// filesystems of a layout.
type Copies map[sdk.UUID]kernel.UUID

// Build makes the subvolumes of a layout, which is expanded, on an empty filesystem, and notes in copies what they have become.
//
// It is the first of three moves: WriteRecords comes when all filesystems of the layout are built, and Facts go into the unmounted
// image at last (ages.SetFacts), because no call of the kernel sets a time, and a snapshot that the kernel makes takes a commit.
// So a snapshot is an empty subvolume that says what it is a snapshot of.
func Build(ctx context.Context, f *kernel.Filesystem, l Filesystem, copies Copies, progress func(done int)) error {
	copies[l.UUID] = f.UUID()
	at := map[string]kernel.Subvolume{}
	for i, s := range l.Subvolumes { // sorted by path: what lies in another comes after it
		if err := ctx.Err(); err != nil {
			return err
		}
		made, err := create(f, s)
		if err != nil {
			return fmt.Errorf("cannot make %q on the copy: %w", s.Path, err)
		}
		copies[s.UUID], at[s.Path] = made.UUID, made
		if progress != nil {
			progress(i + 1)
		}
	}
	for _, folder := range l.Folders {
		if err := makeFolder(f, folder); err != nil {
			return fmt.Errorf("cannot make the folder %q on the copy: %w", folder.Path, err)
		}
	}
	if err := limit(ctx, f, l, at); err != nil {
		return err
	}
	if l.Default != "" {
		d, known := at[l.Default]
		if !known {
			return fmt.Errorf("the default subvolume %q is not in the layout", l.Default)
		}
		if err := f.SetDefault(d.ID, d.UUID); err != nil {
			return err
		}
	}
	return f.Sync()
}

func create(f *kernel.Filesystem, s Subvolume) (kernel.Subvolume, error) {
	if parent := volume.ParentOf(s.Path); parent != "" {
		if _, err := f.MkdirAll(parent, 0o700); err != nil {
			return kernel.Subvolume{}, err
		}
	}
	made, err := f.CreateSubvolume(s.Path)
	if err != nil {
		return made, err
	}
	node, err := f.OpenNode(s.Path)
	if err != nil {
		return made, err
	}
	return made, errors.Join(setProperties(node, s), node.Close())
}

func setProperties(node *kernel.Node, s Subvolume) error {
	compression, noCow, err := properties(node) // those of the folder around it
	if err != nil {
		return err
	}
	set := func(value string) error {
		if value == compression {
			return nil
		}
		compression = value
		if value == "" {
			value = kernel.CompressionDefault
		}
		return node.SetCompression(value)
	}
	if noCow != s.NoCow {
		if err := set(""); err != nil { // they exclude each other
			return err
		}
		if err := node.SetNoCow(s.NoCow); err != nil {
			return err
		}
	}
	return set(s.Compression)
}

func makeFolder(f *kernel.Filesystem, folder Folder) error {
	mode := uint64(0o700)
	if folder.Mode != "" {
		mode, _ = strconv.ParseUint(folder.Mode, 8, 12) // passed Check
	}
	if _, err := f.MkdirAll(folder.Path, 0o700); err != nil {
		return err
	}
	node, err := f.OpenNode(folder.Path)
	if err != nil {
		return err
	}
	return errors.Join(node.SetMode(uint32(mode)), node.Close())
}

func limit(ctx context.Context, f *kernel.Filesystem, l Filesystem, at map[string]kernel.Subvolume) error {
	if l.Quotas == "" || l.Quotas == string(kernel.QuotaOff) {
		return nil
	}
	if err := f.EnableQuota(kernel.QuotaMode(l.Quotas)); err != nil {
		return err
	}
	bytes := func(n *sdk.Size) *uint64 {
		if n == nil {
			return nil
		}
		u := uint64(*n)
		return &u
	}
	for _, s := range l.Subvolumes {
		if s.MaxReferenced == nil && s.MaxExclusive == nil {
			continue
		}
		of := at[s.Path]
		if err := f.SetQuotaLimit(of.ID, of.UUID, kernel.QuotaLimit{MaxReferenced: bytes(s.MaxReferenced), MaxExclusive: bytes(s.MaxExclusive)}); err != nil {
			return err
		}
	}
	for l.Quotas == string(kernel.QuotaClassic) {
		busy, err := f.Rescanning()
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// WriteRecords writes coppice's records, with the UUIDs of the copies, and notes on every subvolume what it was received from.
// All filesystems of the layout are built.
func WriteRecords(f *kernel.Filesystem, l Filesystem, copies Copies) error {
	for _, s := range l.Subvolumes {
		if s.Received != "" {
			if err := f.SetReceived(s.Path, copies[s.UUID], copies.of(s.Received)); err != nil {
				return err
			}
		}
	}
	var pairs []string
	for from, to := range copies {
		pairs = append(pairs, string(from), to.String())
	}
	translate := strings.NewReplacer(pairs...)
	folders := map[string]bool{}
	for _, r := range l.Records {
		at := volume.StateFolder + "/" + translate.Replace(r.Path)
		if parent := volume.ParentOf(at); !folders[parent] {
			if _, err := f.MkdirAll(parent, 0o700); err != nil {
				return err
			}
			folders[parent] = true
		}
		if err := f.WriteFile(at, []byte(translate.Replace(r.Content)), 0o600); err != nil {
			return err
		}
	}
	return f.Sync()
}

// of is the UUID of a copy. What is in no layout, because it is gone or elsewhere, gets one of its own.
func (c Copies) of(id sdk.UUID) kernel.UUID {
	if id == "" {
		return kernel.UUID{}
	}
	copied, known := c[id]
	if !known {
		_, _ = rand.Read(copied[:]) // never fails, see crypto/rand
		copied[6], copied[8] = copied[6]&0x0f|0x40, copied[8]&0x3f|0x80
		c[id] = copied
	}
	return copied
}

// Facts are what is to be set of the copies of a layout's subvolumes in the unmounted image. at says what time the copy is to have
// for one of the layout; nil: the same.
func Facts(l Filesystem, copies Copies, at func(time.Time) time.Time) map[kernel.UUID]ages.Facts {
	all := make(map[kernel.UUID]ages.Facts, len(l.Subvolumes))
	for _, s := range l.Subvolumes {
		facts := ages.Facts{Created: s.Created, Parent: copies.of(s.Parent), ReadOnly: s.ReadOnly}
		if at != nil && !s.Created.IsZero() {
			facts.Created = at(s.Created)
		}
		all[copies[s.UUID]] = facts
	}
	return all
}

// Original is the layout of a copy in the words of the original: with its UUIDs.
func (c Copies) Original(l Filesystem) Filesystem {
	back := make(map[sdk.UUID]sdk.UUID, len(c))
	var pairs []string
	for from, to := range c {
		back[id(to)] = from
		pairs = append(pairs, to.String(), string(from))
	}
	name := func(u sdk.UUID) sdk.UUID {
		if original, known := back[u]; known {
			return original
		}
		return u
	}
	translate := strings.NewReplacer(pairs...)
	l.UUID = name(l.UUID)
	l.Subvolumes, l.Records = slices.Clone(l.Subvolumes), slices.Clone(l.Records)
	for i := range l.Subvolumes {
		s := &l.Subvolumes[i]
		s.UUID, s.Parent, s.Received = name(s.UUID), name(s.Parent), name(s.Received)
	}
	for i := range l.Records {
		l.Records[i].Path, l.Records[i].Content = translate.Replace(l.Records[i].Path), translate.Replace(l.Records[i].Content)
	}
	sort.Slice(l.Records, func(i, j int) bool { return l.Records[i].Path < l.Records[j].Path })
	return l
}
