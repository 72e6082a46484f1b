package boot

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// clean makes the paths of the inputs clean ones, the root last in places.
func (s Source) clean() (Source, []string, error) {
	var errs []error
	fix := func(input string, p *string) {
		clean, bad := volume.CleanFolder(input, *p)
		if bad != nil {
			errs = append(errs, bad)
			return
		}
		*p = clean
	}
	fix("/root", &s.Root)
	fix("/archive", &s.Archive)
	if s.Blank != "" {
		fix("/blank", &s.Blank)
	}
	var places []string
	seen := map[string]bool{s.Root: true}
	for i, p := range s.Reset {
		at := volume.At("reset", i)
		fix(at, &p)
		if seen[p] {
			errs = append(errs, sdk.InvalidInput(at, "%q is named twice", p))
		}
		seen[p] = true
		places = append(places, p)
	}
	return s, append(places, s.Root), errors.Join(errs...)
}

// observe looks at the filesystem. It asks for a fixed number of paths and subvolumes, whatever lies in them.
func (m machine) observe(f *kernel.Filesystem, c circumstances, in RollbackInput, places []string) (scene, error) {
	s := scene{UUID: f.UUID().String(), SameRoot: m.roots(c, f)}
	s.Name = s.UUID
	if label, err := f.Label(); err == nil && label != "" {
		s.Name = fmt.Sprintf("%s (%s)", s.UUID, label)
	}
	var err error
	if s.ReadOnly, err = f.ReadOnly(); err != nil {
		return s, err
	}
	problem, err := volume.CheckState(f)
	if err != nil {
		return s, err
	}
	if s.Problem = problem; problem != nil {
		return s, nil
	}
	if s.State, err = readState(f); err != nil {
		s.Problem = err
		return s, nil
	}
	o := observer{f: f}
	s.Held = o.exists(volume.HoldPath)
	s.Skip = o.exists(skipPath)
	if s.Use, err = readUse(f); err != nil {
		s.Problem = err
		return s, nil
	}
	if s.Use != nil {
		s.Staged = o.byUUID(s.Use.Staged)
	}
	if s.State.Confirmed != nil {
		s.Good = o.byUUID(s.State.Confirmed.Root)
	}
	s.Previous = o.byUUID(s.State.Previous)
	if s.State.Intent != nil {
		for _, p := range s.State.Intent.Places {
			s.Intent = append(s.Intent, seen{At: o.at(p.Place), Stage: o.stage(p.Archive)})
		}
	}
	mounted, err := f.MountedSubvolumes()
	if err != nil {
		return s, err
	}
	standard, err := f.Default()
	if err != nil {
		return s, err
	}
	for _, p := range places {
		n := member{Place: p, Now: o.at(p), Sealed: o.sealed(p)}
		if n.Now.subvolume() {
			n.Default = n.Now.ID == standard
			if at, is := mounted[n.Now.ID]; is {
				n.Mounted = "mounted at " + at.Point
			}
		}
		n.Adrift = !n.Now.Found && volume.ParentOf(p) != "" && !o.exists(volume.ParentOf(p))
		s.Members = append(s.Members, n)
	}
	s.Archive, s.ArchiveSealed = o.at(in.Archive), o.sealed(in.Archive)
	root := s.root().Now
	if in.Blank != "" {
		if s.Blank = o.at(in.Blank); s.Blank.subvolume() {
			s.Clean = o.bootable(in.Blank, c.Release)
		}
	}
	if root.subvolume() {
		s.Present = o.bootable(in.Root, c.Release)
		for _, p := range identity {
			if known(p, in.Acknowledge) || known(p, s.State.Losses) {
				continue
			}
			if o.filled(path.Join(in.Root, p)) && !(s.Blank.subvolume() && o.filled(path.Join(in.Blank, p))) {
				s.Loses = append(s.Loses, p)
			}
		}
	}
	usage, err := f.Usage()
	if err != nil {
		return s, err
	}
	s.Room = int64(usage.DeviceUnallocated) + int64(usage.Metadata.Total) - int64(usage.Metadata.Used) - int64(usage.GlobalReserve)
	return s, o.err
}

// known reports whether a path, or a folder that it is in, is among those that somebody has acknowledged.
func known(p string, acknowledged []string) bool {
	for _, a := range acknowledged {
		if a = strings.Trim(a, "/"); a == p || a != "" && volume.Inside(a, p) {
			return true
		}
	}
	return false
}

// observer asks a filesystem for one thing after the other; its first error is in err.
type observer struct {
	f   *kernel.Filesystem
	err error
}

// fails keeps an error, unless it only says that there is nothing, or a link that is not followed.
func (o *observer) fails(err error) bool {
	if err == nil {
		return false
	}
	if o.err == nil && !errors.Is(err, kernel.ErrNotFound) && !errors.Is(err, kernel.ErrSymlink) && !errors.Is(err, kernel.ErrInvalid) {
		o.err = err
	}
	return true
}

func (o *observer) exists(p string) bool {
	there, err := o.f.Exists(p)
	return !o.fails(err) && there
}

func (o *observer) at(p string) presence {
	kind, found, err := o.f.Stat(p)
	if o.fails(err) || !found {
		// A link on the way, or a file in the place of a folder: something is there that is in the way.
		return presence{Found: errors.Is(err, kernel.ErrSymlink), Kind: kernel.EntrySymlink}
	}
	n := presence{Found: true, Kind: kind}
	if kind == kernel.EntrySubvolume {
		s, there, err := o.f.AtPath(p)
		if o.fails(err) || !there {
			return presence{}
		}
		n.Subvolume = s
	}
	return n
}

// stage is at, and looks whether anything is in it.
func (o *observer) stage(p string) presence {
	n := o.at(p)
	if n.subvolume() {
		node, err := o.f.OpenNode(p)
		if o.fails(err) {
			return n
		}
		defer node.Close()
		n.Empty, err = node.Empty()
		o.fails(err)
	}
	return n
}

func (o *observer) byUUID(id kernel.UUID) presence {
	if id.IsZero() {
		return presence{}
	}
	s, err := o.f.ByUUID(id)
	if o.fails(err) {
		return presence{}
	}
	return presence{Found: true, Kind: kernel.EntrySubvolume, Subvolume: s}
}

// sealed finds the read-only subvolume that a path lies in.
func (o *observer) sealed(p string) string {
	for dir := volume.ParentOf(p); dir != ""; dir = volume.ParentOf(dir) {
		if n := o.at(dir); n.subvolume() {
			if n.ReadOnly {
				return dir
			}
			return ""
		}
	}
	return ""
}

// bootable looks for an operating system.
func (o *observer) bootable(root, release string) bootable {
	any := func(paths ...string) bool {
		for _, p := range paths {
			if o.exists(path.Join(root, p)) {
				return true
			}
		}
		return false
	}
	b := bootable{
		Init:    any("sbin/init", "usr/sbin/init", "usr/bin/init", "usr/lib/systemd/systemd", "lib/systemd/systemd"),
		Modules: any("usr/lib/modules/"+release, "lib/modules/"+release),
		Nix:     any("etc/NIXOS", "nix"),
	}
	b.System = b.Init || any("usr/lib")
	return b
}

// filled reports whether a path is a file with something in it. What is mounted there or linked to is not of this subvolume.
func (o *observer) filled(p string) bool {
	kind, found, err := o.f.Stat(p)
	if o.fails(err) || !found || kind != kernel.EntryFile {
		return false
	}
	data, err := o.f.ReadFile(p)
	text := strings.TrimSpace(string(data))
	return !o.fails(err) && text != "" && text != "uninitialized" // see machine-id(5)
}
