package boot

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// requestPrivate is what Apply does.
type requestPrivate struct {
	Filesystem string
	From       kernel.UUID // of what a copy is asked for
	At         string      // its path
	Staged     string      // where the copy goes
	Nothing    bool
}

type requestPlan = sdk.Planned[RequestOutput, requestPrivate]

func requestAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "boot_request",
		Summary: "Say what the next boots shall do",
		Description: "Leaves a request in .coppice/boot, which btrfs.rollback meets: so a machine without a console can be steered. For use, a writable copy of the archive is made now, " +
			"with the subvolumes in it; the boot only exchanges it for the root. The last request counts. Nothing is deleted: a copy that is not wanted any more stays in the archive, " +
			"where boot-cleanup finds it, and a root that it is exchanged for goes there as any does.",
		Converges: true,
		Touches:   []string{recordType, volume.ResourceType},
	}, sdk.Writer[RequestInput, RequestOutput, requestPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in RequestInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, volume.Target{Filesystem: in.Filesystem})
		},
		Plan: func(ctx context.Context, c *sdk.Call, in RequestInput) (requestPlan, error) {
			return planRequest(ctx, c, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in RequestInput, private requestPrivate) (RequestOutput, error) {
			return applyRequest(ctx, m, c, in, private)
		},
	})
}

func planRequest(ctx context.Context, c *sdk.Call, in RequestInput) (requestPlan, error) {
	planned := requestPlan{}
	source, _, err := Source{Root: in.Root, Archive: in.Archive}.clean()
	if err != nil {
		return planned, err
	}
	f, shelf, err := openShelf(ctx, in.Filesystem)
	if err != nil {
		return planned, err
	}
	defer f.Close()
	planned.Private.Filesystem = f.UUID().String()
	words, noop, err := shelf.asked(f, in, source.Root)
	if err != nil {
		return planned, volume.Explain("", err)
	}
	resource := sdk.Resource{Type: recordType, Scope: planned.Private.Filesystem, Name: "next boot"}
	if noop != "" {
		planned.Private.Nothing = true
		planned.Kept = []sdk.Kept{{Resource: resource, Reason: noop}}
		return planned, nil
	}
	if in.Request == "use" {
		from, err := find(f, source.Archive, in.From)
		if err != nil {
			return planned, err
		}
		if from.Path == source.Root {
			return planned, volume.Invalid("/from", "name an archive: \"coppice boot status\" lists them", "%q is the root already", from.Path)
		}
		words += from.Path
		if in.Once {
			words += ", once"
		} else {
			words += ", and nothing is rolled back until that is switched on again"
		}
		p := &planned.Private
		p.From, p.At = from.UUID, from.Path
		p.Staged = path.Join(source.Archive, strings.ReplaceAll(source.Root, "/", "-")+"-staged-"+subvolume.StampOf(c.Instant))
		planned.Outputs.Staged = p.Staged
		planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Create, Resource: sdk.Resource{Type: volume.ResourceType, Scope: p.Filesystem, Name: p.Staged},
			Summary: "writable copy of " + from.Path, After: subvolume.AfterCopy(from.UUID, c.Instant)})
	}
	planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Update, Resource: resource, Summary: words})
	return planned, nil
}

// asked puts a request into words, and says why there is nothing to do.
func (s shelf) asked(f *kernel.Filesystem, in RequestInput, root string) (words, noop string, err error) {
	skip, err := f.Exists(skipPath)
	if err != nil {
		return "", "", err
	}
	use, err := readUse(f)
	if err != nil && in.Request != "cancel" && in.Request != "use" {
		return "", "", err
	}
	switch in.Request {
	case "skip-next":
		if skip {
			noop = "it is asked for already"
		}
		return root + " is left as it is", noop, nil
	case "use":
		if in.From == "" {
			return "", "", sdk.InvalidInput("/from", "say which archive")
		}
		return root + " is a copy of ", "", nil
	case "cancel":
		if !skip && use == nil && err == nil {
			noop = "nothing was asked for"
		}
		return "nothing is asked for any more", noop, nil
	case "off":
		if s.State.Off != nil && !s.State.Off.Confirm {
			noop = "it is off: " + s.State.Off.Why
		}
		return "nothing is rolled back until that is switched on again", noop, nil
	case "on":
		if s.State.Off == nil {
			noop = "it is on"
		}
		return "the root is rolled back again", noop, nil
	}
	if len(in.Acknowledge) == 0 {
		return "", "", sdk.InvalidInput("/acknowledge", "say which paths")
	}
	fresh := s.unacknowledged(in.Acknowledge)
	if len(fresh) == 0 {
		noop = "it is acknowledged already"
	}
	return "may go with the root: " + listed(fresh), noop, nil
}

// listed are a few of them.
func listed(all []string) string { return words(all, 8) }

// unacknowledged are the paths that are not known yet.
func (s shelf) unacknowledged(paths []string) []string {
	var fresh []string
	for _, p := range paths {
		if p = strings.Trim(p, "/"); p != "" && !known(p, s.State.Losses) && !slices.Contains(fresh, p) {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// find finds the subvolume that somebody names.
func find(f *kernel.Filesystem, archive, name string) (kernel.Subvolume, error) {
	all, err := f.List()
	if err != nil {
		return kernel.Subvolume{}, volume.Explain("", err)
	}
	for _, s := range all {
		if s.Path == name || s.Path == path.Join(archive, name) || s.UUID.String() == strings.ToLower(name) {
			return s, nil
		}
	}
	return kernel.Subvolume{}, volume.Invalid("/from", "\"coppice boot status\" lists the archives", "there is no subvolume %q", name)
}

func applyRequest(ctx context.Context, m machine, c *sdk.Call, in RequestInput, private requestPrivate) (RequestOutput, error) {
	var out RequestOutput
	if err := c.PlannedOutputs(&out); err != nil || private.Nothing {
		return out, err
	}
	source, _, err := Source{Root: in.Root, Archive: in.Archive}.clean()
	if err != nil {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, m.Host, volume.Target{Filesystem: in.Filesystem}, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	err = changeState(f, func(s state) (state, error) { // the folder is there then
		switch in.Request {
		case "off":
			why := in.Why
			if why == "" {
				why = "it was switched off"
			}
			s.Off = &off{Since: c.Instant.UTC(), Why: why}
		case "on":
			s.Off = nil
		case "acknowledge":
			s.Losses = append(slices.Clone(s.Losses), shelf{State: s}.unacknowledged(in.Acknowledge)...)
		}
		return s, nil
	})
	if err != nil {
		return out, volume.Explain("", err)
	}
	last := 0
	switch in.Request {
	case "skip-next":
		err = f.WriteFileAtomic(skipPath, []byte{}, 0o600)
	case "cancel":
		for _, p := range []string{skipPath, usePath} {
			if gone := f.Remove(p); gone != nil && !errors.Is(gone, kernel.ErrNotFound) {
				err = errors.Join(err, gone)
			}
		}
		err = errors.Join(err, volume.SyncFolder(f, folder))
	case "use":
		err = stageUse(f, c, in, private, source.Root)
		last = 1
	}
	if err != nil {
		return out, volume.Explain("", err)
	}
	c.Done(last)
	return out, nil
}

// stageUse makes the copy, and leaves the request when it is on disk. Until the request is met, the record says that it never came to its
// place: what is left of a cut, or of a request that was taken back, boot-cleanup finds by that.
func stageUse(f *kernel.Filesystem, c *sdk.Call, in RequestInput, private requestPrivate, root string) error {
	if _, err := f.MkdirAll(volume.ParentOf(private.Staged), 0o700); err != nil {
		return err
	}
	made, found, err := f.AtPath(private.Staged)
	if err != nil {
		return err
	}
	if !found {
		if made, err = copyTree(f, private.From, private.At, private.Staged); err != nil {
			return err
		}
		c.Done(0)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if made, _, err = f.AtPath(private.Staged); err != nil {
		return err
	}
	a := archived{Schema: schema, UUID: made.UUID, Place: root, Path: private.Staged, At: c.Instant.UTC(), Abandoned: true, Changed: made.CTransID}
	if err := a.write(f); err != nil {
		return err
	}
	return volume.WriteRecord(f, usePath, use{Schema: schema, Staged: made.UUID, Of: private.At, From: private.From, Place: root, Once: in.Once, At: c.Instant.UTC()})
}
