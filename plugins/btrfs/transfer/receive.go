package transfer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func receiveAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "receive",
		Summary: "Make snapshots of stream files again",
		Description: "Reads the files that btrfs.send has written with to: file:/FOLDER, and makes of them the snapshot that is asked for, with those that it " +
			"was sent as changes to before it. They are read-only, <into>/<source>/<stamp>, and recorded as snapshots of the source, taken when the " +
			"originals were. What is there already, by UUID, is not received again.\n\n" +
			"Each file has to have the checksum that its description says, the stream its own, and the snapshot the content that was noted when it was sent with verify: content. " +
			"A snapshot has a temporary name until all of that is true.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[ReceiveInput, ReceiveOutput, receivePrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in ReceiveInput) ([]sdk.Lock, error) {
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return []sdk.Lock{{Key: volume.SendKey(f.UUID(), "receive"), Title: "receiving into btrfs " + f.UUID().String()}}, nil
		},
		Plan: func(ctx context.Context, c *sdk.Call, in ReceiveInput) (sdk.Planned[ReceiveOutput, receivePrivate], error) {
			return lookAndPlanReceive(ctx, h, c, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in ReceiveInput, private receivePrivate) (ReceiveOutput, error) {
			return applyReceive(ctx, h, c, in, private)
		},
	})
}

// library is what a folder of stream files has.
type library struct {
	sources []string              // sorted
	files   map[string][]manifest // by source, the oldest first
}

// readLibrary looks at a folder of stream files.
func readLibrary(dir string) (library, error) {
	l := library{files: map[string][]manifest{}}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, volume.Invalid("/from", "is the disk with it mounted?", "there is no folder %q", dir)
	}
	if err != nil {
		return l, volume.Explain("/from", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		s, err := readShelf(filepath.Join(dir, e.Name()))
		if err != nil {
			return l, volume.Explain("/from", err)
		}
		for _, m := range s.usable {
			if l.files[m.Source] == nil {
				l.sources = append(l.sources, m.Source)
			}
			l.files[m.Source] = append(l.files[m.Source], m)
		}
	}
	slices.Sort(l.sources)
	return l, nil
}

func lookAndPlanReceive(ctx context.Context, h volume.Host, c *sdk.Call, in ReceiveInput) (receivePlan, error) {
	into, bad := volume.CleanFolder("/into", in.Into)
	if bad != nil {
		return receivePlan{}, bad
	}
	if in.StallTimeout <= 0 {
		return receivePlan{}, sdk.InvalidInput("/stall_timeout", "must be longer than 0s")
	}
	if !filepath.IsAbs(string(in.From)) {
		return receivePlan{}, volume.Invalid("/from", "write the folder's absolute path", "%q is no absolute path", in.From)
	}
	if _, err := kernel.ParseUUID(in.Sender); err != nil && in.Sender != "" {
		return receivePlan{}, volume.Invalid("/sender", "it is in the descriptions of the files", "%q is no UUID", in.Sender)
	}
	files, err := readLibrary(string(in.From))
	if err != nil {
		return receivePlan{}, err
	}
	f, err := volume.Open(ctx, in.Target)
	if err != nil {
		return receivePlan{}, err
	}
	defer f.Close()
	p := &volumePlace{h: h, f: f, folder: into, log: c.Logf}
	var q query
	for _, s := range files.sources {
		q.Folders = append(q.Folders, subvolume.FolderOf(s))
	}
	there, err := p.observe(ctx, q)
	if err != nil {
		return receivePlan{}, err
	}
	there.lay(c.Prior, "")
	return planReceive(files, there, in)
}

// sentFrom are those of the files of one source that were sent from a filesystem; an empty text is the only one. Files whose
// description does not say it, as before there was that field, are of the filesystem that has sent the changes to them, or of the only one.
func sentFrom(source string, files []manifest, sender string) ([]manifest, *sdk.Error) {
	byUUID := map[kernel.UUID]manifest{}
	for _, m := range files {
		byUUID[m.UUID] = m
	}
	of := map[kernel.UUID]kernel.UUID{} // filesystem by origin
	var all []string
	for _, m := range files {
		if m.Filesystem.IsZero() {
			continue
		}
		all = append(all, m.Filesystem.String())
		for at, there := m, true; there && of[at.UUID].IsZero(); at, there = byUUID[at.Parent] {
			of[at.UUID] = m.Filesystem
			if p, known := byUUID[at.Parent]; known && !p.Filesystem.IsZero() {
				break
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > 1 && sender == "" {
		return nil, volume.Invalid("/sender", "choose one of "+quoted(all), "the files of %q were sent from %d filesystems", source, len(all))
	}
	var chosen []manifest
	for _, m := range files {
		if id := of[m.UUID]; sender == "" || id.String() == sender || id.IsZero() && len(all) < 2 && slices.Contains(all, sender) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, volume.Invalid("/sender", "there are files from "+quoted(all), "there are no files of %q that were sent from %s", source, sender)
	}
	return chosen, nil
}
