package subvolume

import (
	"context"
	"errors"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// applyAdopt writes one record, for all at once.
func applyAdopt(ctx context.Context, h volume.Host, c *sdk.Call, in AdoptInput, private adoptPrivate) (AdoptOutput, error) {
	out := private.Output
	if len(private.Items) == 0 {
		return out, nil
	}
	none := AdoptOutput{Adopted: []AdoptedSnapshot{}, Left: out.Left}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return none, err
	}
	defer release()
	name := recordName(private.Stamp, c.Run+"-adopt") // not that of the run's own snapshots
	m, err := observe(ctx, h, f, look{catalogue: true})
	if err == nil {
		err = m.mayTouch()
	}
	if err == nil {
		err = m.state.broken[name]
	}
	if err != nil {
		return none, err
	}
	r, _ := m.state.catalogue.record(name)
	r.Run, r.Stamp, r.TakenBy = c.Run, private.Stamp, adoptedBy
	r.Members = slices.Clone(r.Members)
	var errs []error
	var made []int
	for i, item := range private.Items {
		s, there := m.withUUID(item.UUID)
		switch {
		case !there:
			errs = append(errs, volume.Drifted("cannot adopt %q: it does not exist any more", item.Path))
		case s.Path != item.Path || !s.ReadOnly:
			errs = append(errs, volume.Drifted("cannot adopt %q: it was moved or made writable", item.Path))
		case s.managed() && s.source == private.Source: // by this plan, applied before
		default:
			r.Members = append(r.Members, member{Path: item.Path, Source: private.Source, SourceUUID: s.ParentUUID, UUID: item.UUID, Adopted: true})
			made = append(made, i)
		}
	}
	if len(errs) > 0 {
		return none, errors.Join(errs...)
	}
	if len(made) == 0 {
		return out, nil
	}
	fresh, err := makeCatalogue(f)
	if err == nil && fresh {
		err = f.Sync() // the folder must be there before what is in it
	}
	if err == nil {
		err = f.WriteFileAtomic(recordsFolder+"/"+name, encodeRecord(r), 0o600)
	}
	if err != nil {
		return none, volume.Explain("", err)
	}
	for _, i := range made {
		c.Done(i)
	}
	return out, nil
}
