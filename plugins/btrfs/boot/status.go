package boot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func statusAction(m machine) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "boot_status",
		Summary: "Tell how the last boots went, and what the next one will do",
		Description: "Reads the records in .coppice/boot and the archives, and decides what btrfs.rollback would decide at the next boot with the same inputs: " +
			"as if the machine were off, and started again with the same kernel command line.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in RollbackInput) (sdk.Planned[StatusOutput, sdk.None], error) {
		out, err := m.status(ctx, in, c.Instant)
		return sdk.Planned[StatusOutput, sdk.None]{Outputs: out, Summary: "the next boot: " + out.Next}, err
	})
}

func (m machine) status(ctx context.Context, in RollbackInput, instant time.Time) (StatusOutput, error) {
	out := StatusOutput{Requests: []string{}, NextWhy: []string{}, Archives: []ArchiveEntry{}, Foreign: []string{}}
	source, places, err := in.clean()
	if err != nil {
		return out, err
	}
	in.Source = source
	now, err := m.circumstances()
	if err != nil {
		return out, err
	}
	f, shelf, err := openShelf(ctx, in.Filesystem)
	if err != nil {
		return out, err
	}
	defer f.Close()
	s, err := m.observe(f, now, in, places)
	if err != nil {
		return out, volume.Explain("", err)
	}
	out.Root, out.UUID, out.Boot = in.Root, idOf(s.root().Now), now.Boot
	out.told(shelf.State, now.Boot)
	if s.State.Intent != nil {
		out.Unfinished = fmt.Sprintf("a rollback of boot %s was cut off", s.State.Intent.Boot[:minBoot])
	}
	if s.Skip {
		out.Requests = append(out.Requests, "the next boot is not rolled back")
	}
	if s.Use != nil {
		out.Requests = append(out.Requests, fmt.Sprintf("the next boot has a copy of %s as its root", s.Use.Of))
	}
	known := map[string]bool{}
	for _, k := range expire(shelf.All, policy{Instant: instant, Unconfirmed: "-"}) {
		if k.Now.Found {
			known[k.Now.Path] = true
			if k.Keep == "-" {
				k.Keep = ""
			}
			out.Archives = append(out.Archives, k.entry())
		}
	}
	if out.Foreign, err = foreign(f, in.Archive, known); err != nil {
		return out, volume.Explain("/archive", err)
	}
	out.forecast(now, s, in, instant)
	return out, nil
}

// told is what the state says.
func (o *StatusOutput) told(s state, boot string) {
	o.LastBoot, o.LastResult, o.LastAt, o.Unconfirmed = s.Last.Boot, s.Last.What, s.Last.At, s.Unconfirmed
	if s.Confirmed != nil {
		o.Confirmed, o.ConfirmedAt = s.Confirmed.Boot == boot, s.Confirmed.At
	}
	if s.Off != nil {
		o.Off = s.Off.Why
	}
}

// nextBoot is the id of a boot that is to come.
const nextBoot = "next-boot"

// forecast decides as the next boot will.
func (o *StatusOutput) forecast(now circumstances, s scene, in RollbackInput, instant time.Time) {
	now.Boot = nextBoot
	now.Crash = false
	for i := range s.Members {
		s.Members[i].Mounted = ""
	}
	trips := now.trips()
	d := decision{Result: skipped, Why: reason(trips)}
	if len(trips) == 0 {
		d, trips = decide(now, s, in, instant)
	}
	if faults(trips) != nil {
		o.Next = "refused"
		for _, t := range trips {
			if !t.Meant {
				o.NextWhy = append(o.NextWhy, t.Words)
			}
		}
		return
	}
	o.Next = d.Result
	if d.Why != "" {
		o.NextWhy = append(o.NextWhy, d.Why)
	}
}

// foreign is what lies in the archive and was not put there by coppice.
func foreign(f *kernel.Filesystem, archive string, known map[string]bool) ([]string, error) {
	all := []string{}
	dir, err := f.OpenDir(archive)
	if errors.Is(err, kernel.ErrNotFound) || errors.Is(err, kernel.ErrInvalid) || errors.Is(err, kernel.ErrSymlink) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return all, err
	}
	for _, e := range entries {
		if p := path.Join(archive, e.Name); !known[p] {
			all = append(all, p)
		}
	}
	return all, nil
}
