package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func sendAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "send",
		Summary: "Copy snapshots to another place",
		Description: "Sends the snapshots that btrfs.snapshot has taken (not adopted ones), and that the target does not have yet, each as changes to the newest one " +
			"before it that both sides have; the first one of a source is sent in full. What the target has is told by UUIDs. Only snapshots that " +
			"are newer than the newest common one are sent: what was expired on the target stays expired.\n\n" +
			"A target is a folder. On a btrfs a copy is a read-only snapshot <folder>/<source>/<stamp> there, which btrfs.prune expires as it does those that " +
			"were taken there, by the time at which the original was taken. With file: it is <folder>/<source>/<stamp>.btrfs, the stream, and a " +
			"description beside it; btrfs.receive makes snapshots of them again. Coppice deletes none of these files: each is needed for those after it, up to the next full one. " +
			"With ssh:// the other machine needs coppice and btrfs-progs.\n\n" +
			"A target whose disk is not mounted is absent, although its folder is there: at a mount point of the fstab something has to be mounted; the first " +
			"transfer leaves a file .coppice-target in the folder, and where it has sent anything before, that or copies have to be there; and nothing is sent for " +
			"the first time into a folder on the filesystem of / before somebody has made that file there by hand.\n\n" +
			"A copy has a temporary name until it is whole: every checksum of the stream is right, the kernel says that it was received, and, with verify: content, " +
			"its content is the same. What a transfer that was cut off has left is removed by the next one. The newest " +
			"common snapshot is held on both sides (.coppice/holds, who is the name of the target), so that nothing expires it before a newer one was verified.\n\n" +
			"If a snapshot of a source can't be sent, the later ones of that source wait for the next run, and the other sources go on.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[SendInput, SendOutput, sendPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in SendInput) ([]sdk.Lock, error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return []sdk.Lock{{Key: volume.SendKey(f.UUID(), holder(in)), Title: fmt.Sprintf("sending from btrfs %v to %s", f.UUID(), in.To)}}, nil
		},
		Plan: func(ctx context.Context, c *sdk.Call, in SendInput) (sdk.Planned[SendOutput, sendPrivate], error) {
			return lookAndPlan(ctx, h, c, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in SendInput, private sendPrivate) (SendOutput, error) {
			return applySend(ctx, h, c, in, private)
		},
	})
}

// holder is who holds what the target needs.
func holder(in SendInput) string {
	if in.Name != "" {
		return "backup:" + in.Name
	}
	return "backup:" + in.To
}

// keeper is who holds the copies in the place: the filesystem that they are from.
func keeper(source string) string { return senderPrefix + source }

const senderPrefix = "sender:"

// lookAndPlan looks at both sides and plans.
func lookAndPlan(ctx context.Context, h volume.Host, c *sdk.Call, in SendInput) (sendPlan, error) {
	to, bad := parseTarget(in.To)
	if bad != nil {
		return sendPlan{}, bad
	}
	if in.StallTimeout <= 0 {
		return sendPlan{}, sdk.InvalidInput("/stall_timeout", "must be longer than 0s")
	}
	folder, bad := volume.CleanFolder("/snapshots", in.Snapshots)
	if bad != nil {
		return sendPlan{}, bad
	}
	if in.Sources != nil && len(in.Sources) == 0 {
		return sendPlan{}, sdk.InvalidInput("/sources", "must not be empty; leave it out for the snapshots of every source")
	}
	f, err := volume.Open(ctx, in.Target)
	if err != nil {
		return sendPlan{}, err
	}
	defer f.Close()
	s, err := observeSource(ctx, h, f, c, in, folder)
	if err != nil {
		return sendPlan{}, err
	}
	s.local = to.kind != "ssh"
	p, err := opener{h: h, log: c.Logf}.open(ctx, to, in, f.UUID())
	if absent, is := errors.AsType[*absentError](err); is {
		return planAbsent(in, absent)
	}
	if err != nil {
		return sendPlan{}, err
	}
	defer p.close()
	q := query{Who: keeper(s.uuid)}
	for _, src := range s.sources {
		q.Folders = append(q.Folders, src.folder)
	}
	if s.content, err = p.observe(ctx, q); err != nil {
		return sendPlan{}, err
	}
	s.content.lay(c.Prior, q.Who)
	err = s.rightPlace()
	if absent, is := errors.AsType[*absentError](err); is {
		return planAbsent(in, absent)
	}
	if err != nil {
		return sendPlan{}, err
	}
	return planSend(s, in, c.Instant)
}

// observeSource looks at the side of the snapshots.
func observeSource(ctx context.Context, h volume.Host, f *kernel.Filesystem, c *sdk.Call, in SendInput, folder string) (sides, error) {
	s := sides{uuid: f.UUID().String(), to: in.To, who: holder(in)}
	v, err := observe(ctx, h, f, c.Prior)
	if err != nil {
		return s, err
	}
	s.readOnly = v.ReadOnly()
	names, err := v.Sources(folder, in.Sources)
	if err != nil {
		return s, err
	}
	if len(names) == 0 {
		return s, volume.Invalid("/snapshots", "take some first, with btrfs.snapshot", "there are no snapshots in %q", folder)
	}
	for _, n := range names {
		s.sources = append(s.sources, shelved{name: n, folder: subvolume.FolderOf(n), snapshots: v.Stamped(n, folder)})
	}
	holds, err := readHolds(f)
	s.holds = layHolds(holds, s.uuid, c.Prior)
	return s, err
}

// planAbsent is the plan for a target that is not there.
func planAbsent(in SendInput, absent error) (sendPlan, error) {
	err := volume.Explain("/to", fmt.Errorf("the target is not there: %w", absent))
	if in.OnAbsent != "skip" {
		return sendPlan{}, err
	}
	d := volume.ItemError(err)
	d.Severity, d.Reason = sdk.SeverityWarning, ""
	if d.Advice != "" {
		d.Advice += "; "
	}
	d.Advice += "nothing was sent, and what the target needs stays held"
	return sendPlan{Outputs: SendOutput{Sources: []string{}, Sent: []SentSnapshot{}}, Facts: sendFacts{}, Diagnostics: []sdk.Diagnostic{d}}, nil
}
