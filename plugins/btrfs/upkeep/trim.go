package upkeep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// trimRecord is what is remembered of trims.
type trimRecord struct {
	versioned
	Last trimDone `json:"last"`
}

type trimDone struct {
	Run      string    `json:"run"`
	Step     string    `json:"step"`
	Finished time.Time `json:"finished"`
	Bytes    uint64    `json:"bytes"`
}

type trimPrivate struct {
	Filesystem string
	Trim       bool
}

// trimFacts is what a decision about a trim rests on.
type trimFacts struct {
	named
	last           *trimDone
	able, unable   []string // devices that can and can't discard blocks; those of which nobody knows are in neither
	unsynchronised string
}

func trimAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "trim",
		Summary: "Tell the devices which blocks are free",
		Description: "Discards the blocks that are not in use (FITRIM), so that a solid-state disk can erase them in advance, and a thin or sparse volume gives " +
			"them back. It is over in seconds to minutes and can't be stopped. A filesystem that is mounted with discard=async, the default on " +
			"most solid-state disks since Linux 6.2, does the same all the time.\n\n" +
			"With if_older a trim is due when the last one is older, by the record in .coppice/upkeep on the filesystem itself. Trims by other " +
			"programs are not in the record.",
		Touches: []string{trimType},
	}, sdk.Writer[TrimInput, TrimOutput, trimPrivate]{
		Plan: func(ctx context.Context, c *sdk.Call, in TrimInput) (sdk.Planned[TrimOutput, trimPrivate], error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return sdk.Planned[TrimOutput, trimPrivate]{}, err
			}
			defer f.Close()
			facts, err := observeTrim(h, f)
			if err != nil {
				return sdk.Planned[TrimOutput, trimPrivate]{}, err
			}
			return planTrim(facts, in, c.Instant, facts.planned(trimType, c.Prior))
		},
		Apply: func(ctx context.Context, c *sdk.Call, in TrimInput, private trimPrivate) (TrimOutput, error) {
			return applyTrim(ctx, h, c, in, private)
		},
	})
}

func observeTrim(h volume.Host, f *kernel.Filesystem) (trimFacts, error) {
	n, err := nameOf(f)
	if err != nil {
		return trimFacts{}, err
	}
	facts := trimFacts{named: n}
	var record trimRecord
	found, err := readRecord(f, trimFile, &record)
	if err != nil {
		return facts, err
	}
	if found {
		facts.last = &record.Last
	}
	devices, err := f.Devices()
	if err != nil {
		return facts, volume.Explain("", err)
	}
	for _, d := range devices {
		switch can, known := kernel.CanDiscard(d.Path); {
		case can:
			facts.able = append(facts.able, d.Path)
		case known:
			facts.unable = append(facts.unable, d.Path)
		}
	}
	facts.unsynchronised, err = h.Clock()
	return facts, volume.Explain("", err)
}

func planTrim(facts trimFacts, in TrimInput, instant time.Time, planned bool) (sdk.Planned[TrimOutput, trimPrivate], error) {
	var p sdk.Planned[TrimOutput, trimPrivate]
	var last *time.Time
	if facts.last != nil {
		last = &facts.last.Finished
		p.Outputs.Bytes = sdk.Size(facts.last.Bytes)
	}
	if planned {
		last = &instant
	}
	unable := len(facts.able) == 0 && len(facts.unable) > 0
	j := judge(last, time.Duration(in.IfOlder), instant, facts.unsynchronised)
	p.Outputs.Due, p.Outputs.Supported = j.Due, !unable
	p.Facts = map[string]any{"filesystem": facts.id, "due": j.Due.Due, "supported": !unable}
	switch {
	case unable && in.IfUnsupported == "fail":
		return p, facts.cannotTrim()
	case unable:
		p.Outputs.Due.Due = false
		p.Summary = "none of the devices can discard blocks"
		p.Kept = []sdk.Kept{{Resource: facts.resource(trimType), Reason: p.Summary}}
		return p, nil
	}
	if j.warning != nil {
		p.Diagnostics = append(p.Diagnostics, *j.warning)
	}
	if !j.Due.Due {
		p.Summary = "not due: " + j.reason
		p.Kept = []sdk.Kept{{Resource: facts.resource(trimType), Reason: j.reason}}
		return p, nil
	}
	if len(facts.unable) > 0 {
		p.Diagnostics = append(p.Diagnostics, volume.Warn("", "%s can't discard blocks: only the other devices of btrfs %s are trimmed", strings.Join(facts.unable, ", "), facts.name()))
	}
	p.Private = trimPrivate{Filesystem: facts.id, Trim: true}
	p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: facts.resource(trimType), Summary: "discard what is not in use", Reason: j.reason}}
	p.Outputs.Last = &instant
	p.Unknown = []string{"/bytes", "/last"}
	if in.IfOlder > 0 {
		p.Outputs.Next = &instant
		p.Unknown = append(p.Unknown, "/next")
	}
	return p, nil
}

func (facts trimFacts) cannotTrim() error {
	return volume.Refuse("leave the trim out, or set if_unsupported: skip", "btrfs %s can't be trimmed: none of its devices can discard blocks (%s)",
		facts.name(), strings.Join(facts.unable, ", "))
}

func applyTrim(ctx context.Context, h volume.Host, c *sdk.Call, in TrimInput, private trimPrivate) (TrimOutput, error) {
	var out TrimOutput
	if err := c.PlannedOutputs(&out); err != nil || !private.Trim {
		return out, err
	}
	f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer f.Close()
	facts, err := observeTrim(h, f)
	if err != nil {
		return out, err
	}
	done := facts.last
	var unrecorded error
	if done == nil || done.Run != c.Run || done.Step != c.Step { // else this plan was applied already
		bytes, err := f.Trim()
		switch {
		case errors.Is(err, kernel.ErrUnsupported) && in.IfUnsupported == "skip": // /sys did not tell
			c.Warn(volume.Warn("", "btrfs %s was not trimmed: none of its devices can discard blocks", facts.name()))
			return TrimOutput{}, nil
		case err != nil:
			return out, volume.Explain("", err)
		}
		c.Done(0)
		done = &trimDone{Run: c.Run, Step: c.Step, Finished: h.Now().UTC(), Bytes: bytes}
		unrecorded = writeRecord(f, trimFile, trimRecord{versioned{recordVersion}, *done})
	}
	out.Bytes = sdk.Size(done.Bytes)
	out.Last, out.Next = &done.Finished, nil
	if in.IfOlder > 0 {
		next := done.Finished.Add(time.Duration(in.IfOlder))
		out.Next = &next
	}
	c.Summarize("%v discarded", out.Bytes)
	if why := unwritable(unrecorded); why != "" {
		c.Warn(volume.Warn("", "btrfs %s is %s, so this trim can't be recorded: it will be due again", facts.name(), why))
		return out, nil
	}
	if unrecorded != nil {
		return out, volume.Explain("", fmt.Errorf("the filesystem is trimmed, and that can't be recorded: %w", unrecorded))
	}
	return out, nil
}
