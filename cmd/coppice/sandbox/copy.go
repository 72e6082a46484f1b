package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/plugins/btrfs/replica"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// Copy is the copy of one filesystem.
type Copy struct {
	Layout replica.Filesystem // of the original, expanded
	Image  *loopfs.Image
	UUID   kernel.UUID // its own
}

// Set is the copies of all filesystems of a layout.
type Set struct {
	Copies []*Copy
	UUIDs  replica.Copies
	// Unmounted shows the copies as an initrd has them: none of their subvolumes is mounted.
	Unmounted bool
}

// buildOptions are those of a mount that nobody else sees: a crash leaves nothing to be found, so that nothing has to be written in time.
const buildOptions = "noatime,nobarrier,commit=300"

// Build makes copies of the filesystems of a layout, which is expanded, on images in a folder. The images are unmounted and hold
// all. at says what time a copy is to have for one of the layout; nil: the same. progress is told of subvolumes. After an error nothing is
// left.
func Build(ctx context.Context, l replica.Layout, dir string, size int64, at func(time.Time) time.Time, progress func(done int)) (_ *Set, err error) {
	s := &Set{UUIDs: replica.Copies{}}
	var opened []*building
	defer func() {
		for _, b := range opened {
			err = errors.Join(err, b.close())
		}
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	before := 0
	for i, f := range l.Filesystems {
		b, err := begin(ctx, f, dir, size, fmt.Sprintf("%s/build/%d", Home, i))
		if err != nil {
			return s, err
		}
		opened, s.Copies = append(opened, b), append(s.Copies, b.copy)
		err = replica.Build(ctx, b.fs, f, s.UUIDs, func(done int) {
			if progress != nil {
				progress(before + done)
			}
		})
		if err != nil {
			return s, err
		}
		before += len(f.Subvolumes)
	}
	for _, b := range opened {
		if err := replica.WriteRecords(b.fs, b.copy.Layout, s.UUIDs); err != nil {
			return s, err
		}
	}
	for _, b := range opened {
		if err := b.close(); err != nil {
			return s, err
		}
		if err := setFacts(ctx, b.copy.Image, replica.Facts(b.copy.Layout, s.UUIDs, at)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// building is a copy while it is being built.
type building struct {
	copy *Copy
	fs   *kernel.Filesystem
	at   string
}

func begin(ctx context.Context, f replica.Filesystem, dir string, size int64, at string) (_ *building, err error) {
	image, err := loopfs.NewImage(dir, size)
	if err != nil {
		return nil, err
	}
	b := &building{copy: &Copy{Layout: f, Image: image}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(), image.Close())
		}
	}()
	if err := image.Attach(); err != nil {
		return b, err
	}
	args := []string{"--metadata", "single", "--data", "single"}
	if f.Label != "" {
		args = append(args, "--label", f.Label)
	}
	if err := image.Format(args...); err != nil {
		return b, err
	}
	if err := os.MkdirAll(at, 0o700); err != nil {
		return b, err
	}
	if err := loopfs.Mount(image.Device(), at, buildOptions); err != nil {
		return b, err
	}
	b.at = at
	if b.fs, err = kernel.Open(ctx, at); err != nil {
		return b, err
	}
	b.copy.UUID = b.fs.UUID()
	return b, nil
}

// close unmounts it; it may be called again.
func (b *building) close() error {
	var errs []error
	if b.fs != nil {
		errs = append(errs, b.fs.Close())
		b.fs = nil
	}
	if b.at != "" {
		errs = append(errs, loopfs.Unmount(b.at))
		b.at = ""
		errs = append(errs, b.copy.Image.Detach())
	}
	return errors.Join(errs...)
}

// setFacts writes into an unmounted image. A process that has copied this namespace may keep it mounted: it
// is waited for, five minutes at most.
func setFacts(ctx context.Context, image *loopfs.Image, facts map[kernel.UUID]ages.Facts) error {
	for try := 0; ; try++ {
		err := ages.SetFacts(image.Path(), facts)
		if !errors.Is(err, ages.ErrMounted) || try == 3000 || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Close lets go of all images.
func (s *Set) Close() error {
	var errs []error
	for _, c := range s.Copies {
		errs = append(errs, c.Image.Close())
	}
	s.Copies = nil
	return errors.Join(errs...)
}

// Show attaches the images and mounts the copies in the tree: each as a whole in Extra, and its subvolumes where the originals are
// mounted. options are as for mount -o.
func (s *Set) Show(t *Tree, options string) error {
	for _, c := range s.Copies {
		if c.Image.Device() == "" {
			if err := c.Image.Attach(); err != nil {
				return err
			}
		}
		if err := t.Device(c.Image.Device()); err != nil {
			return err
		}
		if _, err := t.Mount(c.Image.Device(), "", options+",subvolid=5"); err != nil {
			return err
		}
		mounts := c.Layout.Mounts
		if s.Unmounted {
			mounts = nil
		}
		for _, m := range mounts {
			sub := "subvolid=5"
			if m.Subvolume != "" {
				sub = "subvol=" + m.Subvolume
			}
			if _, err := t.Mount(c.Image.Device(), m.At, options+","+sub); err != nil {
				return err
			}
		}
		// The speed limit of a scrub is set there.
		if err := t.writable(path.Join("/sys/fs/btrfs", c.UUID.String())); err != nil {
			return err
		}
	}
	return nil
}

// Hide takes the copies out of the tree and detaches the images, so that these hold all. Whoever was in the tree has to be gone.
func (s *Set) Hide(t *Tree) error {
	err := t.Unmount()
	for _, c := range s.Copies {
		if c.Image.Device() == "" {
			continue
		}
		if err == nil {
			err = loopfs.Free(c.Image.Device())
		}
		err = errors.Join(err, c.Image.Detach())
	}
	return err
}

// Confinement is what ties a plugin to the copies. elsewhere are mount points of the machine of which there is no copy.
func (s *Set) Confinement(elsewhere []string, clock kernel.Clock) kernel.Confinement {
	c := kernel.Confinement{Names: map[string]kernel.UUID{}, Mounts: map[string]kernel.UUID{}, Clock: clock}
	for _, at := range elsewhere {
		c.Mounts[at] = kernel.UUID{}
	}
	if len(s.Copies) > 0 {
		c.Mounts["/"] = s.Copies[0].UUID // unless it is another's
	}
	for _, one := range s.Copies {
		c.Only = append(c.Only, one.UUID)
		c.Names["UUID="+string(one.Layout.UUID)] = one.UUID
		if one.Layout.Label != "" {
			c.Names["LABEL="+one.Layout.Label] = one.UUID
		}
		if one.Layout.Device != "" {
			c.Names[one.Layout.Device] = one.UUID
		}
		for _, m := range one.Layout.Mounts {
			c.Mounts[m.At] = one.UUID
		}
	}
	return c
}

// Look captures the copies, and tells what can be seen on them.
func (s *Set) Look(ctx context.Context) ([]replica.Filesystem, []rehearse.Thing, error) {
	var all []replica.Filesystem
	things := []rehearse.Thing{}
	for _, c := range s.Copies {
		f, err := kernel.OpenDevice(ctx, c.Image.Device(), false)
		if err != nil {
			return nil, nil, err
		}
		l, _, err := replica.Capture(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, nil, err
		}
		all = append(all, l)
		things = append(things, seen(l)...)
	}
	return all, things, nil
}

// seen are the subvolumes of a copy, its quotas and its default subvolume, with those of their attributes that changes have too.
func seen(l replica.Filesystem) []rehearse.Thing {
	var all []rehearse.Thing
	for _, sub := range l.Subvolumes {
		compression := sub.Compression
		if compression == "" {
			compression = kernel.CompressionDefault
		}
		attributes := map[string]any{"read_only": sub.ReadOnly, "compression": compression, "no_cow": sub.NoCow}
		limit := func(name string, n *sdk.Size) {
			if n != nil {
				bytes := uint64(*n)
				attributes[name] = string(subvolume.LimitOf(&bytes))
			}
		}
		limit("max_referenced", sub.MaxReferenced)
		limit("max_exclusive", sub.MaxExclusive)
		all = append(all, rehearse.Thing{Resource: sdk.Resource{Type: volume.ResourceType, Scope: string(l.UUID), Name: sub.Path, ID: string(sub.UUID)},
			Attributes: attributes})
	}
	one := func(name, attribute, value string) {
		all = append(all, rehearse.Thing{Resource: sdk.Resource{Type: volume.FilesystemType, Scope: string(l.UUID), Name: name},
			Attributes: map[string]any{attribute: value}})
	}
	one("quotas", "quotas", cmp.Or(l.Quotas, string(kernel.QuotaOff)))
	one("default subvolume", "default", cmp.Or(l.Default, "/"))
	return all
}

// SetTimes sets the times of subvolumes of a copy that is hidden, by their own UUIDs.
func SetTimes(ctx context.Context, c *Copy, times map[kernel.UUID]ages.Facts) error {
	return setFacts(ctx, c.Image, times)
}
