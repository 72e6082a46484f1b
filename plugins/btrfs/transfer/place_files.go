package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/transfer/stream"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// filePlace is a folder of stream files, on any filesystem.
type filePlace struct {
	h   volume.Host
	dir string
	is  os.FileInfo // that folder, when it was opened
}

func openFilePlace(h volume.Host, dir string) (*filePlace, error) {
	if err := mounted(h, dir); err != nil {
		return nil, err
	}
	st, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot open the folder: %w", err)
	case !st.IsDir():
		return nil, volume.Invalid("/to", "name a folder", "%q is not a folder", dir)
	}
	return &filePlace{h: h, dir: dir, is: st}, nil
}

// same makes sure that the folder is the one that was opened: its disk may have been unmounted since.
func (p *filePlace) same() error {
	if now, err := os.Stat(p.dir); err != nil || !os.SameFile(p.is, now) {
		return notThere("mount it again", "%q is another folder now: its disk was unmounted meanwhile", p.dir)
	}
	return nil
}

func (p *filePlace) close() error { return nil }

// filesystem is the UUID of the btrfs that it is on; zero if that is none.
func (p *filePlace) filesystem() (kernel.UUID, error) {
	f, err := kernel.Open(context.Background(), p.dir)
	if errors.Is(err, kernel.ErrNotBtrfs) {
		return kernel.UUID{}, nil
	}
	if err != nil {
		return kernel.UUID{}, err
	}
	return f.UUID(), f.Close()
}

func (p *filePlace) observe(ctx context.Context, q query) (content, error) {
	c := newContent("files", "", p.dir)
	var st unix.Statfs_t
	if err := unix.Statfs(p.dir, &st); err != nil {
		return c, fmt.Errorf("cannot look at %q: %w", p.dir, err)
	}
	c.ReadOnly = st.Flags&unix.ST_RDONLY != 0
	own, _ := kernel.ParseUUID(strings.TrimPrefix(q.Who, senderPrefix))
	for _, folder := range q.Folders {
		s, err := readShelf(filepath.Join(p.dir, folder))
		if err != nil {
			return c, err
		}
		c.Taken[folder] = s.taken
		for _, m := range s.usable {
			if !m.Filesystem.IsZero() && m.Filesystem != own {
				c.Others[folder] = m.Filesystem.String()
				c.Taken[folder] = append(c.Taken[folder], m.Stamp)
				continue
			}
			c.Copies[folder] = append(c.Copies[folder], replica{Name: m.Stamp, Origin: m.UUID, Needs: s.needs[m.UUID],
				Path: filepath.Join(p.dir, folder, m.Stamp+streamSuffix)})
		}
		for _, l := range s.left {
			// Where another filesystem's copies are, what nobody has put his name to may be of a transfer that goes on: on
			// network filesystems a lock may be seen on one machine only.
			if l.owner == own || l.owner.IsZero() && c.Others[folder] == "" {
				c.Remnants = append(c.Remnants, remnant{Path: l.path})
			}
		}
	}
	var err error
	c.Standing, err = standingOf(ctx, p.h, p.dir)
	return c, err
}

// shelf is the folder of one source.
type shelf struct {
	usable []manifest
	needs  map[kernel.UUID]int // how many files each of them takes
	left   []unfinished
	taken  []string // stamps that something else stands in the way of
}

// unfinished is what a transfer has left that was cut off.
type unfinished struct {
	path  string
	owner kernel.UUID // the filesystem that it was sent from; zero: nobody knows
}

// partialName is that of a stream that is being written.
func partialName(stamp string, sender kernel.UUID) string {
	if sender.IsZero() {
		return stamp + partialSuffix
	}
	return stamp + "." + sender.String() + partialSuffix
}

// parsePartial reads such a name.
func parsePartial(name string) (sender kernel.UUID, ok bool) {
	stamp, ok := strings.CutSuffix(name, partialSuffix)
	if !ok {
		return sender, false
	}
	if n := len(stamp) - 37; n > 0 && stamp[n] == '.' {
		if id, err := kernel.ParseUUID(stamp[n+1:]); err == nil {
			stamp, sender = stamp[:n], id
		}
	}
	_, ok = subvolume.ParseStamp(stamp)
	return sender, ok
}

// readShelf reads the folder of one source.
func readShelf(dir string) (s shelf, err error) {
	entries, err := os.ReadDir(dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("cannot read the folder %q: %w", dir, err)
	}
	described := map[string]bool{}
	var all []manifest
	for _, e := range entries {
		stamp, ok := strings.CutSuffix(e.Name(), manifestSuffix)
		if _, strict := subvolume.ParseStamp(stamp); !ok || !strict {
			continue
		}
		described[stamp] = true
		m, err := readManifest(dir, stamp)
		if err != nil {
			s.taken = append(s.taken, stamp)
			continue
		}
		all = append(all, m)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		owner, left := parsePartial(e.Name())
		if stamp, whole := strings.CutSuffix(e.Name(), streamSuffix); whole && !described[stamp] {
			_, left = subvolume.ParseStamp(stamp)
		}
		if !left || !e.Type().IsRegular() {
			continue
		}
		if lock, err := lockFile(path, unix.LOCK_SH); err == nil {
			lock.Close()
			s.left = append(s.left, unfinished{path, owner})
		}
	}
	s.usable, s.needs = usable(dir, all)
	return s, nil
}

// lockFile opens a file and locks it; the lock ends with the file.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %q: %w", path, err), f.Close())
	}
	return f, nil
}

func (p *filePlace) clean(_ context.Context, all []remnant) (gone []int, err error) {
	var errs []error
	for i, r := range all {
		err := p.cleanOne(r.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot remove %q, which a transfer that was cut off has left: %w", r.Path, err))
			continue
		}
		gone = append(gone, i)
	}
	return gone, errors.Join(errs...)
}

// cleanOne removes one file if it still is a remnant.
func (p *filePlace) cleanOne(path string) error {
	lock, err := lockFile(path, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Close()
	if stamp, ok := strings.CutSuffix(path, streamSuffix); ok {
		if _, err := os.Lstat(stamp + manifestSuffix); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, kernel.ErrChanged)
		}
	}
	return os.Remove(path)
}

func (p *filePlace) keep(ctx context.Context, j job, from io.Reader) (kept, error) {
	if err := p.same(); err != nil {
		return kept{}, err
	}
	if err := p.mark(); err != nil {
		return kept{}, err
	}
	dir := filepath.Join(p.dir, j.Folder)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return kept{}, fmt.Errorf("cannot make the folder of a source: %w", err)
	}
	if err := syncDir(p.dir); err != nil {
		return kept{}, err
	}
	partial := filepath.Join(dir, partialName(j.Stamp, j.Sender))
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return kept{}, fmt.Errorf("cannot write the stream: %w", err)
	}
	defer f.Close()
	m := manifest{Version: manifestVersion, Source: j.Source, Stamp: j.Stamp, UUID: j.Origin, Parent: j.Parent, Filesystem: j.Sender,
		Created: j.Created, Untrusted: j.Untrusted, Content: j.Content}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return kept{}, fmt.Errorf("cannot lock %q: %w", partial, err)
	}
	if err := p.write(ctx, f, from, &m); err != nil {
		return kept{}, errors.Join(err, os.Remove(partial))
	}
	whole := filepath.Join(dir, j.Stamp+streamSuffix)
	if err := os.Rename(partial, whole); err != nil {
		return kept{}, errors.Join(err, os.Remove(partial))
	}
	if err := syncDir(dir); err != nil {
		return kept{}, err
	}
	if err := writeManifest(dir, m); err != nil {
		return kept{}, errors.Join(err, os.Remove(whole))
	}
	return kept{Path: whole, Bytes: m.Bytes}, nil
}

// write writes the stream to disk and notes its size and sum.
func (p *filePlace) write(ctx context.Context, f *os.File, from io.Reader, m *manifest) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), stream.NewReader(from, stream.Begin{UUID: m.UUID, Parent: m.Parent}, ""))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	m.Bytes, m.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	if m.Content == nil {
		return nil
	}
	// Read again from the disk, as far as it can be had: what the kernel still has in memory is dropped.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	again := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(again, f); err != nil {
		return err
	}
	if hex.EncodeToString(again.Sum(nil)) != m.SHA256 {
		return fmt.Errorf("%q does not have what was written to it", f.Name())
	}
	return ctx.Err()
}

// writeManifest makes a stream count: it is there whole or not at all.
func writeManifest(dir string, m manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, kernel.TempPrefix+"*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(data, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, m.Stamp+manifestSuffix))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // some network filesystems can't
		return fmt.Errorf("cannot write folder %q to disk: %w", dir, err)
	}
	return nil
}

func (p *filePlace) hold(context.Context, heldCopy) error { return nil }
