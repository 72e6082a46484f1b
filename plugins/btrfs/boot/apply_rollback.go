package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// cut is called between the points of a rollback, with the name of the one that is reached. Tests end the process there.
var cut = func(point string) {}

func applyRollback(ctx context.Context, m machine, c *sdk.Call, in RollbackInput, private rollbackPrivate) (RollbackOutput, error) {
	var out RollbackOutput
	if err := c.PlannedOutputs(&out); err != nil || private.Filesystem == "" {
		return out, err
	}
	source, places, err := in.clean()
	if err != nil {
		return out, err
	}
	in.Source = source
	now, err := m.circumstances()
	if err != nil {
		return out, err
	}
	if all := now.trips(); len(all) > 0 {
		return out, volume.Drifted("the root stays as it is: %s", all[0].Words)
	}
	f, _, err := m.open(ctx, now, in.Filesystem, false)
	if err != nil {
		return out, err
	}
	defer f.Close()
	if id := f.UUID().String(); id != private.Filesystem {
		return out, volume.Drifted("%s is btrfs %s now, and was %s", in.Filesystem, id, private.Filesystem)
	}
	unlock, err := volume.LockNames(ctx, m.Host, f)
	if err != nil {
		return out, err
	}
	defer unlock()
	s, err := m.observe(f, now, in, places)
	if err != nil {
		return out, volume.Explain("", err)
	}
	d, trips := decide(now, s, in, c.Instant)
	if err := faults(trips); err != nil {
		return out, err
	}
	if d.Result == already && len(d.Recovered) == 0 {
		out.UUID = idOf(s.root().Now)
		return out, nil
	}
	var planned decision
	if err := json.Unmarshal(private.Decision, &planned); err != nil {
		return out, err
	}
	if same, err := d.same(planned); err != nil || !same {
		return out, errors.Join(err, volume.Drifted("the filesystem is not as it was when this was planned"))
	}
	r := &rollback{c: c, f: f, now: now, d: d, scene: s, noted: planned.notes() != ""}
	if err := r.run(ctx); err != nil {
		return out, volume.Explain("", err)
	}
	if out.UUID == "" {
		out.UUID = r.root.String()
	}
	return out, nil
}

// same reports whether a decision is the planned one, but for what changes by itself: a mount that replays a log gives subvolumes
// new transactions.
func (d decision) same(planned decision) (bool, error) {
	a, errA := json.Marshal(d.essence())
	b, errB := json.Marshal(planned.essence())
	return string(a) == string(b), errors.Join(errA, errB)
}

func (d decision) essence() decision {
	d.Settled = state{}
	d.Recovered = nil
	if d.Intent != nil {
		i := *d.Intent
		i.Trusted, i.Places = false, slices.Clone(i.Places)
		for n := range i.Places {
			i.Places[n].FromChanged, i.Places[n].NewChanged = 0, 0
		}
		d.Intent = &i
	}
	return d
}

// rollback does what was decided.
type rollback struct {
	c       *sdk.Call
	f       *kernel.Filesystem
	now     circumstances
	d       decision
	scene   scene
	root    kernel.UUID // of the new root
	changes int         // how many of the plan are made
	noted   bool        // the only change of the plan is what is written down
}

// run goes from point to point, each of which is on disk before the next.
func (r *rollback) run(ctx context.Context) error {
	cut("start")
	if err := r.prepare(); err != nil {
		return err
	}
	cut("folders")
	for _, v := range r.d.Recovered {
		if v.Abandon != nil {
			if err := v.Abandon.write(r.f); err != nil {
				return err
			}
		}
	}
	cut("recovered")
	s := r.d.Settled
	if r.d.Intent != nil {
		var err error
		if s, err = r.exchangeAll(ctx, s, *r.d.Intent); err != nil {
			return err
		}
	} else if s = r.without(s); !s.changed(r.scene.State) {
		return nil
	}
	if err := s.write(r.f); err != nil {
		return err
	}
	cut("finished")
	for _, request := range r.d.Consumed {
		if err := r.f.Remove(request); err != nil && !errors.Is(err, kernel.ErrNotFound) {
			return err
		}
	}
	if len(r.d.Consumed) > 0 {
		if err := volume.SyncFolder(r.f, folder); err != nil {
			return err
		}
	}
	if r.noted {
		r.c.Done(0)
	}
	cut("consumed")
	return nil
}

// prepare makes the folders.
func (r *rollback) prepare() error {
	if r.d.Intent == nil && len(r.d.Recovered) == 0 && len(r.d.Consumed) == 0 && r.d.Result == skipped {
		return nil // there is nothing to write
	}
	fresh, err := volume.MakeState(r.f)
	if err != nil {
		return err
	}
	folders := []string{archivesFolder}
	if r.d.Intent != nil {
		for _, m := range r.d.Intent.Places {
			folders = append(folders, path.Dir(m.Archive))
		}
	}
	for _, folder := range folders {
		made, err := r.f.MkdirAll(folder, 0o700)
		if err != nil {
			return err
		}
		fresh = fresh || len(made) > 0
	}
	if fresh { // the folders must be there before what is in them
		return r.f.Sync()
	}
	return nil
}

// without is the state after a boot in which nothing is exchanged.
func (r *rollback) without(s state) state {
	switch {
	case r.d.Result == reused, r.d.Result == skipped && len(r.d.Consumed) > 0:
		return s.ended(r.now.Boot, r.d.Result, last{Boot: r.now.Boot, At: r.c.Instant.UTC(), What: r.d.Result})
	}
	return s
}

// changed reports whether a state says something else than another one.
func (s state) changed(other state) bool {
	a, errA := json.Marshal(s)
	b, errB := json.Marshal(other)
	return errA != nil || errB != nil || string(a) != string(b)
}

// exchangeAll puts the new ones at their places. It returns the state for when that is over.
func (r *rollback) exchangeAll(ctx context.Context, s state, i intent) (state, error) {
	s.Intent = &i
	if err := s.write(r.f); err != nil {
		return s, err
	}
	cut("intent")
	for n := range i.Places {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		made, err := r.make(i.Places[n])
		if err != nil {
			return s, err
		}
		i.Places[n].New = made.UUID
		cut(fmt.Sprintf("made %d", n))
	}
	if err := r.f.Sync(); err != nil {
		return s, err
	}
	for _, m := range i.Places {
		if m.Old.IsZero() {
			continue
		}
		a := m.record(i, m.Old)
		a.Confirmed = s.Confirmed != nil && s.Confirmed.Root == m.Old
		if err := a.write(r.f); err != nil {
			return s, err
		}
	}
	cut("records")
	if err := s.write(r.f); err != nil {
		return s, err
	}
	cut("ready")
	if err := ctx.Err(); err != nil { // the last moment at which nothing has changed
		return s, err
	}
	for n, m := range i.Places {
		if err := r.exchange(m); err != nil {
			return s, err
		}
		r.done(m)
		if m.Place == i.Root {
			r.root = m.New
		}
		cut(fmt.Sprintf("exchanged %d", n))
	}
	if err := r.f.Sync(); err != nil {
		return s, volume.Refuse("", "the root was exchanged, but the old one may be back after a power cut: %v", err)
	}
	cut("synced")
	for n, m := range i.Places { // the exchange itself has changed the time of each
		at, found, err := r.f.AtPath(m.Place)
		if err != nil {
			return s, err
		}
		if found && at.UUID == m.New {
			i.Places[n].NewChanged = at.CTransID
		}
	}
	return s.finished(i), nil
}

// done tells of the changes of one place: archived, and made.
func (r *rollback) done(m intentMember) {
	if !m.Old.IsZero() {
		r.c.Done(r.changes)
		r.changes++
	}
	r.c.Done(r.changes)
	r.changes++
}

// make makes the new one where the old one will be archived.
func (r *rollback) make(m intentMember) (kernel.Subvolume, error) {
	switch {
	case m.Kind == staged:
		if err := r.f.Rename(r.d.Source, m.New, m.Archive); err != nil {
			return kernel.Subvolume{}, err
		}
		made, _, err := r.f.AtPath(m.Archive)
		return made, err
	case m.Kind == copied:
		return copyTree(r.f, m.From, r.d.Source, m.Archive)
	case !m.From.IsZero():
		return r.f.Snapshot(kernel.SnapshotSpec{SourceUUID: m.From, DestDir: path.Dir(m.Archive), Name: path.Base(m.Archive)})
	}
	made, err := r.f.CreateSubvolume(m.Archive)
	if err != nil {
		return made, err
	}
	return made, alike(r.f, m.Place, m.Archive, m.Old.IsZero())
}

// exchange puts one at its place.
func (r *rollback) exchange(m intentMember) error {
	if m.Old.IsZero() {
		return r.f.Rename(m.Archive, m.New, m.Place)
	}
	return r.f.Exchange(kernel.Place{Path: m.Place, UUID: m.Old}, kernel.Place{Path: m.Archive, UUID: m.New})
}

// alike gives an empty subvolume the mode, owner and way of writing of another one, which may not be there.
func alike(f *kernel.Filesystem, old, made string, alone bool) error {
	to, err := f.OpenNode(made)
	if err != nil {
		return err
	}
	defer to.Close()
	if alone {
		return to.SetMode(0o755)
	}
	from, err := f.OpenNode(old)
	if err != nil {
		return err
	}
	defer from.Close()
	uid, gid := from.Owner()
	if err := errors.Join(to.SetOwner(int(uid), int(gid)), to.SetMode(from.Mode())); err != nil {
		return err
	}
	noCow, err := from.NoCow()
	if err != nil {
		return err
	}
	if noCow {
		return to.SetNoCow(true)
	}
	compression, err := from.Compression()
	if err != nil || compression == kernel.CompressionDefault {
		return err
	}
	return to.SetCompression(compression)
}
