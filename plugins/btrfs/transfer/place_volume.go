package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/transfer/stream"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// volumePlace is a folder of a mounted btrfs.
type volumePlace struct {
	h      volume.Host
	f      *kernel.Filesystem
	folder string                                      // path from the top level
	live   string                                      // its path in the running system; "": it is no target
	log    func(level string, format string, a ...any) // never nil
}

// patience is how much longer than others a transfer waits for the lock on names: hours of work may hang on it.
const patience = 20

// openVolumePlace opens the btrfs that a directory of the running system is on.
func openVolumePlace(ctx context.Context, h volume.Host, path string, log func(string, string, ...any)) (*volumePlace, error) {
	if err := mounted(h, path); err != nil {
		return nil, err
	}
	f, err := kernel.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	folder, err := f.FolderAt(path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, bad := volume.CleanFolder("/to", folder); bad != nil {
		return nil, errors.Join(bad, f.Close())
	}
	return &volumePlace{h: patient(h), f: f, folder: folder, live: path, log: log}, nil
}

func (p *volumePlace) close() error { return p.f.Close() }

func (p *volumePlace) observe(ctx context.Context, q query) (content, error) {
	c := newContent("btrfs", p.f.UUID().String(), p.folder)
	// The claims come before the list: a subvolume that is put into place in between is a copy then.
	claims, err := abandoned(p.f, p.folder)
	if err != nil {
		return c, volume.Explain("", err)
	}
	v, err := observe(ctx, p.h, p.f, nil)
	if err != nil {
		return c, err
	}
	c.ReadOnly = v.ReadOnly()
	if around, is := v.Around(p.folder); is && around.ReadOnly {
		return c, volume.Refuse("choose another folder", "the folder %q lies in the subvolume %q, which is read-only", p.folder, around.Path)
	}
	all := make([]kernel.Subvolume, len(v.All()))
	for i, s := range v.All() {
		all[i] = s.Subvolume
	}
	byPath, err := p.copies(&c, q, all)
	if err != nil {
		return c, err
	}
	for name, claimed := range claims {
		c.Remnants = append(c.Remnants, remnant{Path: claimed.Path(), UUID: byPath[claimed.Path()].UUID, Note: name})
	}
	sort.Slice(c.Remnants, func(i, j int) bool { return c.Remnants[i].Path < c.Remnants[j].Path })
	if on := p.h.SwitchesOn(p.f); len(on) > 0 {
		c.Switch = on[0]
	}
	if p.live != "" {
		c.Standing, err = standingOf(ctx, p.h, p.live)
	}
	return c, err
}

// copies looks into the folders of sources. all are the subvolumes that there are, which it returns by their paths.
func (p *volumePlace) copies(c *content, q query, all []kernel.Subvolume) (map[string]kernel.Subvolume, error) {
	holds, err := readHolds(p.f)
	if err != nil {
		return nil, err
	}
	byPath := make(map[string]kernel.Subvolume, len(all))
	for _, s := range all {
		byPath[s.Path] = s
	}
	for _, folder := range q.Folders {
		path := p.folder + "/" + folder
		dir, err := p.f.OpenDir(path)
		if errors.Is(err, kernel.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, volume.Explain("", err)
		}
		entries, err := dir.ReadEntries()
		dir.Close()
		if err != nil {
			return nil, volume.Explain("", err)
		}
		for _, e := range entries {
			s, known := byPath[path+"/"+e.Name]
			if !known || !s.ReadOnly || s.ReceivedUUID.IsZero() || strings.HasPrefix(e.Name, kernel.TempPrefix) {
				c.Taken[folder] = append(c.Taken[folder], e.Name)
				continue
			}
			r := replica{Name: e.Name, Path: s.Path, Origin: s.ReceivedUUID, UUID: s.UUID}
			c.Copies[folder] = append(c.Copies[folder], r)
			if _, held := holds[s.UUID].Of(q.Who); held && q.Who != "" {
				c.Holds[folder] = append(c.Holds[folder], r)
			}
			for _, h := range holds[s.UUID] {
				if source, sender := strings.CutPrefix(h.Who, senderPrefix); sender && h.Who != q.Who {
					c.Others[folder] = source
				}
			}
		}
	}
	return byPath, nil
}

// locked calls do under the lock on names.
func (p *volumePlace) locked(ctx context.Context, do func() error) error {
	unlock, err := volume.LockNames(ctx, p.h, p.f)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

func (p *volumePlace) clean(ctx context.Context, all []remnant) (gone []int, err error) {
	err = p.locked(ctx, func() error {
		mounted, err := p.f.MountedSubvolumes()
		if err != nil {
			return volume.Explain("", err)
		}
		var errs []error
		for i, r := range all {
			if err := p.cleanOne(r, mounted); err != nil {
				errs = append(errs, volume.Explain("", fmt.Errorf("cannot remove %q, which a transfer that was cut off has left: %w", r.Path, err)))
				continue
			}
			gone = append(gone, i)
		}
		if err := p.f.Sync(); err != nil { // the claims go after what they claim
			return volume.Explain("", errors.Join(append(errs, err)...))
		}
		for _, i := range gone {
			if err := p.f.Remove(claimsFolder + "/" + all[i].Note); err != nil && !errors.Is(err, kernel.ErrNotFound) {
				errs = append(errs, volume.Explain("", err))
			}
		}
		return errors.Join(errs...)
	})
	return gone, err
}

// cleanOne deletes one remnant if it still is one.
func (p *volumePlace) cleanOne(r remnant, mounted map[uint64]kernel.MountedAt) error {
	file, err := lockClaim(p.f, r.Note, unix.LOCK_EX)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil // somebody else was quicker
	}
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := p.f.ReadFile(claimsFolder + "/" + r.Note)
	if err != nil {
		return err
	}
	c, err := volume.DecodeReceiving(data)
	if err != nil {
		return err
	}
	if !volume.Inside(p.folder, c.Folder) {
		return fmt.Errorf("it is not in %q", p.folder)
	}
	if c.Path() != r.Path {
		return fmt.Errorf("its claim is for %q: %w", c.Path(), kernel.ErrChanged)
	}
	return p.discard(c, r.UUID, mounted)
}

// discard deletes the subvolume of a claim. want is what it has to be; zero: nothing may be there.
func (p *volumePlace) discard(c claim, want kernel.UUID, mounted map[uint64]kernel.MountedAt) error {
	s, found, err := p.f.AtPath(c.Path())
	switch {
	case err != nil || !found:
		return err
	case s.UUID != want:
		return fmt.Errorf("it has UUID %v, not %v: %w", s.UUID, want, kernel.ErrChanged)
	}
	if at, is := mounted[s.ID]; is {
		return fmt.Errorf("it is mounted at %q: %w", at.Point, kernel.ErrInUse)
	}
	return p.f.DeleteByUUID(s.ID, s.UUID)
}

// undoTime is how long a transfer that failed may take to remove what it has made.
const undoTime = 20 * time.Second

func (p *volumePlace) keep(ctx context.Context, j job, from io.Reader) (kept, error) {
	c := claim{Folder: p.folder + "/" + j.Folder, Temp: tempPrefix + j.Stamp + "-" + rand.Text()[:10],
		Source: j.Source, Stamp: j.Stamp, Origin: j.Origin, Run: j.Run}
	name := j.Stamp + "-" + rand.Text() + ".json"
	var lock *os.File
	err := p.locked(ctx, func() error { return p.claim(c, name, &lock) })
	if err != nil {
		return kept{}, err
	}
	defer lock.Close()
	made, err := p.receive(ctx, c, lock, j, from)
	if err == nil {
		err = p.locked(ctx, func() error { return p.putInPlace(c, name, made, j) })
	}
	if err != nil {
		if left := p.undo(ctx, c, name); left != nil {
			p.log("warn", "%q is left over, and the next transfer removes it: %v", c.Path(), left)
		}
		return kept{}, err
	}
	return kept{UUID: made.UUID, Path: c.Folder + "/" + j.Stamp}, nil
}

// claim makes the folder of the source and the claim.
func (p *volumePlace) claim(c claim, name string, lock **os.File) error {
	problem, err := volume.CheckState(p.f)
	if err = errors.Join(problem, err); err != nil {
		return err
	}
	fresh, err := volume.MakeState(p.f)
	if err != nil {
		return err
	}
	if err := p.mark(); err != nil {
		return err
	}
	made, err := p.f.MkdirAll(c.Folder, 0o700)
	if err != nil {
		return err
	}
	if fresh || len(made) > 0 {
		if err := p.f.Sync(); err != nil {
			return err
		}
	}
	*lock, err = volume.MakeClaim(p.f, claimsFolder, name, c)
	return err
}

// receive applies the stream, and verifies what has come of it.
func (p *volumePlace) receive(ctx context.Context, c claim, lock *os.File, j job, from io.Reader) (kernel.Subvolume, error) {
	r, err := startReceiver(ctx, p.f, c.Folder, lock)
	if err != nil {
		return kernel.Subvolume{}, err
	}
	if err := r.feed(ctx, stream.NewReader(from, stream.Begin{UUID: j.Origin, Parent: j.Parent}, c.Temp)); err != nil {
		return kernel.Subvolume{}, err
	}
	s, found, err := p.f.AtPath(c.Path())
	switch {
	case err != nil:
		return s, err
	case !found:
		return s, fmt.Errorf("btrfs receive has ended well, but there is no subvolume %q", c.Path())
	case !s.ReadOnly || s.ReceivedUUID != j.Origin:
		return s, fmt.Errorf("btrfs receive has ended well, but %q is not whole: received UUID %v, not %v", c.Path(), s.ReceivedUUID, j.Origin)
	}
	// To disk first: what is compared then is not only in memory, and what is put into place is there for good.
	if err := p.f.Sync(); err != nil {
		return s, err
	}
	if j.Content != nil {
		got, err := digestOf(ctx, p.f, c.Path(), s.UUID)
		if err != nil {
			return s, err
		}
		if got != *j.Content {
			return s, fmt.Errorf("the copy of %q is not the same as the snapshot: it has %v, the snapshot %v", j.Source+"/"+j.Stamp, got, *j.Content)
		}
	}
	return s, ctx.Err()
}

// putInPlace makes a whole copy one that counts.
func (p *volumePlace) putInPlace(c claim, name string, s kernel.Subvolume, j job) error {
	// Recorded first: one that has no record would never expire.
	err := subvolume.RecordReceived(p.f, subvolume.Received{
		Path: c.Folder + "/" + j.Stamp, Source: j.Source, Stamp: j.Stamp, UUID: s.UUID, Origin: j.Origin, Untrusted: j.Untrusted})
	if err != nil {
		return err
	}
	if err := p.f.Rename(c.Path(), s.UUID, c.Folder+"/"+j.Stamp); err != nil {
		return err
	}
	return p.f.Remove(claimsFolder + "/" + name)
}

// undo removes what a transfer that failed has made. It goes on when the transfer was cancelled.
func (p *volumePlace) undo(ctx context.Context, c claim, name string) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer stop()
	return p.locked(ctx, func() error {
		s, found, err := p.f.AtPath(c.Path())
		if err != nil {
			return err
		}
		if found {
			if err := p.f.DeleteByUUID(s.ID, s.UUID); err != nil {
				return err
			}
		}
		// Not a sync of everything: much may have been written, and who has cancelled waits for this.
		if err := volume.SyncFolder(p.f, c.Folder); err != nil {
			return err
		}
		if err := p.f.Remove(claimsFolder + "/" + name); err != nil {
			return err
		}
		if err := p.f.Remove(c.Folder); err != nil && !errors.Is(err, kernel.ErrNotEmpty) { // made for nothing
			return err
		}
		return nil
	})
}

func (p *volumePlace) hold(ctx context.Context, h heldCopy) error {
	return p.locked(ctx, func() error {
		all, err := p.f.List()
		if err != nil {
			return volume.Explain("", err)
		}
		c := newContent("btrfs", p.f.UUID().String(), p.folder)
		if _, err := p.copies(&c, query{Folders: []string{h.Folder}, Who: h.Who}, all); err != nil {
			return err
		}
		i := slices.IndexFunc(c.Copies[h.Folder], func(r replica) bool { return r.Origin == h.Origin })
		if i < 0 {
			return volume.Drifted("the copy of the snapshot with UUID %v is gone from %q", h.Origin, p.folder+"/"+h.Folder)
		}
		return moveHold(p.f, c.Copies[h.Folder][i].UUID, uuidsOf(c.Holds[h.Folder]), volume.Hold{Who: h.Who, Reason: h.Reason})
	})
}

func uuidsOf(all []replica) []kernel.UUID {
	ids := make([]kernel.UUID, len(all))
	for i, r := range all {
		ids[i] = r.UUID
	}
	return ids
}
