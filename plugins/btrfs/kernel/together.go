package kernel

import (
	"crypto/rand"
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// SnapshotResult is what became of one SnapshotSpec: the snapshot, or an error.
type SnapshotResult struct {
	Subvolume Subvolume
	Err       error
}

// SnapshotGroup is the result of one attempt.
type SnapshotGroup struct {
	Results []SnapshotResult // in the order of the specs

	// MarkerErr is set if the write that starts the transaction failed. The snapshots were tried nevertheless, and are
	// less likely to be in one transaction.
	MarkerErr error
}

// OneTransaction returns the transaction that all snapshots that were made share, and whether they do. Failed ones do
// not count; it is (0, false) if none was made.
func (g SnapshotGroup) OneTransaction() (transID uint64, together bool) {
	for _, r := range g.Results {
		switch {
		case r.Err != nil:
		case !together && transID == 0:
			transID, together = r.Subvolume.OTransID, true
		case r.Subvolume.OTransID != transID:
			return 0, false
		}
	}
	return transID, together
}

// SnapshotTogether tries once to make several snapshots in one transaction. It succeeds nearly always, and often under
// heavy load: OneTransaction says whether it did, and the caller decides about deleting the set and trying again. One
// that fails does not keep the others from being made.
//
// Every spec must have a DestDir of its own: two snapshots in one directory can't be made at the same time. Dirty data
// of a source is written out before its snapshot, which delays that one: a Sync shortly before keeps them together.
// markerDir is an existing directory in which a small file is made and removed again. Concurrent calls, of the whole
// process, wait for each other.
func (f *Filesystem) SnapshotTogether(markerDir string, specs []SnapshotSpec) SnapshotGroup {
	group := SnapshotGroup{Results: make([]SnapshotResult, len(specs))}
	barrier, err := newBarrier(len(specs))
	if err != nil {
		for i := range group.Results {
			group.Results[i].Err = fail(opSnapshot, quote(joinPath(specs[i].DestDir, specs[i].Name)), err)
		}
		return group
	}
	defer barrier.close()
	var ready, done sync.WaitGroup
	for i, spec := range specs {
		p, err := f.prepare(spec)
		if err != nil {
			group.Results[i].Err = err
			continue
		}
		ready.Add(1)
		done.Go(func() {
			defer p.close()
			runtime.LockOSThread() // each blocks in the kernel by itself
			defer runtime.UnlockOSThread()
			ready.Done()
			barrier.wait()
			group.Results[i].Subvolume, group.Results[i].Err = p.take()
		})
	}
	ready.Wait()
	// The write opens a transaction, and startSync returns when its commit has begun. Whoever wants to join one now has
	// to wait for the next, and that next one stays open for joining until the commit is written out. So all snapshots
	// that begin within that time (a few milliseconds) get into it.
	if err := f.touchMarker(markerDir); err != nil {
		group.MarkerErr = err
	} else if err := startSync(f.top); err != nil {
		group.MarkerErr = fail("start a commit of filesystem", f.uuid.String(), err)
	}
	barrier.open()
	done.Wait()
	return group
}

// touchMarker makes and removes a file. Its name is new each time, so that nothing that exists is in the way.
func (f *Filesystem) touchMarker(dir string) error {
	const op = "write a marker in"
	clean, err := cleanPath(op, dir)
	if err != nil {
		return err
	}
	d, err := openDirBeneath(op, f.top, clean, dir)
	if err != nil {
		return err
	}
	defer d.Close()
	name := TempPrefix + rand.Text()
	file, err := openBeneath(d, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return fail(op, quote(dir), err)
	}
	_, err = file.WriteString("coppice\n")
	if err = errors.Join(err, file.Close(), unlinkAt(d, name, 0)); err != nil {
		return fail(op, quote(dir), err)
	}
	return nil
}
