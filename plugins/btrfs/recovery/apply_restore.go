package recovery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/tree"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// reportAgain is how often progress is reported at most.
const reportAgain = 100 * time.Millisecond

// content is the name of the copy in the folder where it is made.
const content = "content"

func applyRestore(ctx context.Context, h volume.Host, c *sdk.Call, in RestoreInput, private restorePrivate) (RestoreOutput, error) {
	var out RestoreOutput
	if err := c.PlannedOutputs(&out); err != nil || private.Nothing && len(private.Left) == 0 {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	clean(f, c, private.Left)
	if private.Nothing {
		return out, nil
	}
	r := &restorer{h: h, c: c, f: f, in: in, private: private, total: int64(out.Bytes)}
	if r.from, err = openSnapshotFolder(f, private); err != nil {
		return out, err
	}
	defer r.from.Close()
	if r.to, err = openPlace(f, private.Where); err != nil {
		return out, volume.Drifted("the folder to restore into can't be opened any more: %v", err)
	}
	defer r.to.Close()
	done, err := r.asPlanned(ctx)
	if err != nil || done {
		return out, err
	}
	if err := r.run(ctx); err != nil {
		return out, volume.Explain("", err)
	}
	c.Done(len(private.Left))
	return out, nil
}

// openSnapshotFolder opens the folder in the snapshot that the thing is in, and makes sure that it is that snapshot.
func openSnapshotFolder(f *kernel.Filesystem, private restorePrivate) (*os.File, error) {
	s, found, err := f.AtPath(private.Snapshot)
	switch {
	case err != nil:
		return nil, volume.Explain("", err)
	case !found || s.UUID != private.UUID && !private.UUID.IsZero():
		return nil, volume.Drifted("the snapshot %q is not there any more", private.Snapshot)
	}
	from, err := parentOf(f, path.Join(private.Snapshot, private.Inside))
	if err != nil {
		return nil, volume.Explain("", err)
	}
	return from, nil
}

// restorer restores one thing.
type restorer struct {
	h        volume.Host
	c        *sdk.Call
	f        *kernel.Filesystem
	in       RestoreInput
	private  restorePrivate
	from, to *os.File // the folders of the thing, and of its copy
	total    int64    // bytes
	reported time.Time
}

// asPlanned finds out whether the name is as the plan saw it; done: what was to be made is there.
func (r *restorer) asPlanned(ctx context.Context) (done bool, err error) {
	name := r.private.Where.Name
	n, found, err := tree.Stat(r.to, name)
	if err != nil {
		return false, volume.Explain("", err)
	}
	if found {
		if done, err = tree.Same(ctx, r.from, path.Base(r.private.Inside), r.to, name); err != nil || done {
			return done, volume.Explain("", err)
		}
	}
	old := r.private.Replaces
	switch {
	case found != (old != nil):
		return false, volume.Drifted("%q is there now and was not, or the reverse", r.private.Where.path(name))
	case found && (n.Kind != old.Kind || n.Inode != old.Inode || n.Size != old.Size || !n.Modified.Equal(old.Modified)):
		return false, volume.Drifted("%q has changed", r.private.Where.path(name))
	}
	return false, nil
}

// run makes the copy in a folder of its own, and gives it its name when it is complete and on disk.
func (r *restorer) run(ctx context.Context) (err error) {
	temporary := stagingPrefix + rand.Text()
	if err := unix.Mkdirat(int(r.to.Fd()), temporary, 0o700); err != nil {
		return fmt.Errorf("cannot make a folder in %q: %w", r.private.Where.Folder, err)
	}
	fd, err := unix.Openat(int(r.to.Fd()), temporary, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Join(err, tree.Remove(r.to, temporary))
	}
	staging := os.NewFile(uintptr(fd), temporary)
	defer r.claim(temporary, staging)() // the last to go
	defer func() {
		// Through the open folder first: its name could lead elsewhere by now.
		cleanErr := tree.Remove(staging, content)
		staging.Close()
		if unlinkErr := unix.Unlinkat(int(r.to.Fd()), temporary, unix.AT_REMOVEDIR); unlinkErr != nil {
			cleanErr = errors.Join(cleanErr, unlinkErr)
		}
		if cleanErr != nil {
			r.c.Logf("warn", "cannot remove the folder %q in which the copy was made: %v", temporary, cleanErr)
		}
	}()
	cut("staging")
	copier := tree.Copier{MayCopy: r.in.Copy, Report: r.report, Warn: func(format string, args ...any) { r.c.Logf("warn", format, args...) }}
	if err := copier.Copy(ctx, r.from, path.Base(r.private.Inside), staging, content); err != nil {
		return err
	}
	cut("copied")
	if err := unix.Syncfs(int(staging.Fd())); err != nil {
		return fmt.Errorf("cannot write the copy to disk: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.name(staging); err != nil {
		return err
	}
	cut("named")
	if err := r.to.Sync(); err != nil {
		return fmt.Errorf("%q was restored, but may be lost in a power cut: %w", r.private.Where.path(r.private.Where.Name), err)
	}
	return nil
}

// name gives the copy its name. What is replaced is exchanged with it; a file is then removed with the folder of the copy.
func (r *restorer) name(staging *os.File) error {
	name := r.private.Where.Name
	rename := func(from *os.File, old, new string, flags uint) error {
		err := unix.Renameat2(int(from.Fd()), old, int(r.to.Fd()), new, flags)
		switch {
		case errors.Is(err, unix.EEXIST):
			return volume.Drifted("%q is there now and was not", r.private.Where.path(new))
		case errors.Is(err, unix.ENOENT) && flags == unix.RENAME_EXCHANGE:
			return volume.Drifted("%q is gone", r.private.Where.path(new))
		case err != nil:
			return fmt.Errorf("cannot give the copy the name %q: %w", r.private.Where.path(new), err)
		}
		return nil
	}
	switch {
	case r.private.Replaces == nil:
		return rename(staging, content, name, unix.RENAME_NOREPLACE)
	case r.private.Aside == "":
		return rename(staging, content, name, unix.RENAME_EXCHANGE)
	}
	// At no time is a folder hidden or missing: first the copy gets the name that the old one is to have.
	if err := rename(staging, content, r.private.Aside, unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	if err := rename(r.to, r.private.Aside, name, unix.RENAME_EXCHANGE); err != nil {
		return errors.Join(err, tree.Remove(r.to, r.private.Aside))
	}
	return nil
}

func (r *restorer) report(done tree.Total) {
	if now := r.h.Now(); now.Sub(r.reported) >= reportAgain {
		r.reported = now
		r.c.Progress(sdk.Progress{Current: done.Bytes, Total: r.total, Unit: "bytes"})
	}
}
