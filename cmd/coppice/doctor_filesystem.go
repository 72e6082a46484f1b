package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/upkeep"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/sdk/unit"
)

// filesystem checks that one can be reached and written to, and has room.
func (s *session) filesystem(e *examination, ref string) {
	f, err := kernel.Open(s.ctx, ref)
	if err != nil {
		e.bad(levelError, "btrfs", ref, `"findmnt -t btrfs" lists the btrfs filesystems that are mounted`, "%v", err)
		return
	}
	defer f.Close()
	e.ok("btrfs", ref, "its top level can be reached (%s)", f.UUID())
	readOnly, err := f.ReadOnly()
	problem, failed := volume.CheckState(f)
	switch {
	case err != nil || failed != nil:
		e.unknown("state", ref, "%v", firstError(err, failed))
	case readOnly:
		e.bad(levelError, "state", ref, "journalctl -k: btrfs turns read-only when something is wrong; else: mount -o remount,rw", "it is read-only, so nothing can be done or recorded")
	case problem != nil:
		e.bad(levelError, "state", ref, "", "%v", problem)
	default:
		e.ok("state", ref, "%s can be used", volume.StateFolder)
	}
	var usage upkeep.UsageOutput
	if err := s.ask(oneStep{group: "doctor", verb: "look", uses: "btrfs.usage", with: map[string]any{"filesystem": ref}}, &usage); err != nil {
		e.unknown("space", ref, "%s", text(err))
		return
	}
	free := fmt.Sprintf("%s free (%.0f %%)", unit.FormatSize(int64(usage.Free)), 100*usage.FreeRatio)
	metadata := int64(usage.MetadataSize) - int64(usage.MetadataUsed)
	switch {
	case usage.FreeRatio < picture.LittleFree:
		e.bad(levelError, "space", ref, "delete what is not needed, or a shorter retention", "only %s", free)
	case int64(usage.Unallocated) < 1<<20 && usage.MetadataSize > 0 && metadata*10 < int64(usage.MetadataSize):
		e.bad(levelWarning, "space", ref, "coppice run monthly-maintenance -i balance_below=1 makes room", "%s, but nothing is unallocated, and the room for metadata is nearly used up", free)
	default:
		e.ok("space", ref, "%s", free)
	}
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// wide are options of btrfs(5) that hold for the whole filesystem: the first mount decides, and what later ones say is dropped
// without a word.
var wide = []string{"compress", "compress-force", "nodatacow", "nodatasum", "autodefrag"}

// mounts compares what the machine's fstab says with how its filesystems are mounted.
func (e *examination) mounts() {
	data, err := os.ReadFile("/etc/fstab")
	if err != nil {
		return
	}
	mounted, err := mountinfo.Self()
	if err != nil {
		e.unknown("mounts", "/proc/self/mountinfo", "%v", err)
		return
	}
	lines := fstab(string(data))
	wrong := overridden(lines, mounted)
	for _, w := range wrong {
		e.bad(levelWarning, "mounts", w.place, "give subvolumes properties instead: coppice plan server-layout", "%s", w.what)
	}
	if len(wrong) == 0 && len(lines) > 0 {
		e.ok("mounts", "/etc/fstab", "each btrfs is mounted as it says")
	}
}

// tabled is a line of fstab that mounts a btrfs.
type tabled struct {
	place   string
	options []string
}

// fstab reads the lines of a btrfs. man fstab
func fstab(text string) []tabled {
	var all []tabled
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 || strings.HasPrefix(words[0], "#") || words[2] != "btrfs" {
			continue
		}
		all = append(all, tabled{mountinfo.Unescape(words[1]), strings.Split(words[3], ",")})
	}
	return all
}

// disregarded is an option that has no effect.
type disregarded struct{ place, what string }

// overridden finds options that hold for a whole filesystem, and that a mount asks for and has not.
func overridden(lines []tabled, mounted []mountinfo.Mount) []disregarded {
	var all []disregarded
	for _, l := range lines {
		i := slices.IndexFunc(mounted, func(m mountinfo.Mount) bool { return m.FSType == "btrfs" && m.MountPoint == l.place })
		if i < 0 {
			continue // not mounted now
		}
		for _, option := range l.options {
			key, value, _ := strings.Cut(option, "=")
			if !slices.Contains(wide, key) {
				continue
			}
			is, there := mounted[i].SuperOption(key)
			switch {
			case (value == "no" || value == "none") && !there, there && (value == "" || is == value || strings.HasPrefix(is, value+":")):
			case there:
				all = append(all, disregarded{l.place, fmt.Sprintf("fstab asks for %s, but it is mounted with %s=%s: the first mount of a btrfs decides for all of it", option, key, is)})
			default:
				all = append(all, disregarded{l.place, fmt.Sprintf("fstab asks for %s, and it is mounted without: the first mount of a btrfs decides for all of it", option)})
			}
		}
	}
	return all
}
