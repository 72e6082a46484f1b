package install

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Target is the machine, or an image of one: a folder that is taken for its root. It is not for concurrent use.
type Target struct {
	dir    string
	root   *os.File
	record record
}

// Open opens a target, "/" or the folder of an image, and reads what was installed there. Close it.
func Open(dir string) (*Target, error) {
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	t := &Target{dir: dir, root: root}
	if info, err := root.Stat(); err != nil || !info.IsDir() {
		root.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a folder", dir))
	}
	if err := t.readRecord(); err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

// Close lets go of it.
func (t *Target) Close() { _ = t.root.Close() } // it was only looked through

// Read is what is at a path now, links not followed; nil: nothing.
func (t *Target) Read(path string) (*File, error) { return t.read(path) }

// Parts are the names of what is installed, sorted.
func (t *Target) Parts() []string {
	var all []string
	for _, f := range t.record.Files {
		all = append(all, f.Parts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Paths are the files of a part, as they were written, sorted.
func (t *Target) Paths(part string) []string {
	var all []string
	for _, f := range t.record.Files {
		if slices.Contains(f.Parts, part) {
			all = append(all, f.Path)
		}
	}
	return all
}

// Written is the version of coppice that has written the record; "" without a record.
func (t *Target) Written() string { return t.record.Coppice }

// Compare finds what is to be done so that the parts are there exactly as given: files that one of them had before, and that
// no part has any more, go. A part without files is uninstalled. Parts that are not named stay as they are.
func (t *Target) Compare(parts ...Part) ([]Change, error) {
	type want struct {
		file  File
		parts []string
	}
	wanted := map[string]*want{}
	var names, paths []string
	for _, p := range parts {
		names = append(names, p.Name)
		for _, f := range p.Files {
			if err := f.check(); err != nil {
				return nil, err
			}
			w := wanted[f.Path]
			if w == nil {
				w = &want{file: f}
				wanted[f.Path] = w
				paths = append(paths, f.Path)
			}
			if !w.file.same(f) {
				return nil, fmt.Errorf("%s is to have two contents, that of %s and another", f.Path, w.parts[0])
			}
			if !slices.Contains(w.parts, p.Name) {
				w.parts = append(w.parts, p.Name)
			}
		}
	}
	var changes []Change
	for _, path := range paths {
		w := wanted[path]
		before, err := t.read(path)
		if err != nil {
			return nil, err
		}
		c := Change{File: w.file, Before: before, parts: w.parts}
		known := t.record.find(path)
		if known != nil {
			c.parts = union(w.parts, without(known.Parts, names))
		}
		switch {
		case before == nil:
			c.Kind = Create
		case before.same(w.file):
			c.Kind = Same
		default:
			c.Kind, c.Touched = Update, touched(known, *before)
		}
		changes = append(changes, c)
	}
	for _, known := range slices.Backward(t.record.Files) { // folders of links (*.wants) sort behind the units that they lead to
		left := without(known.Parts, names)
		if wanted[known.Path] != nil || len(left) == len(known.Parts) {
			continue
		}
		before, err := t.read(known.Path)
		if err != nil {
			return nil, err
		}
		c := Change{File: File{Path: known.Path}, Before: before, Kind: Forget, parts: left}
		if len(left) == 0 && before != nil {
			c.Kind, c.Touched = Delete, touched(&known, *before)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// touched says why what is at a path is not just what was installed there.
func touched(known *installed, is File) string {
	switch {
	case known == nil:
		return "is not of coppice"
	case known.is(is):
		return ""
	}
	return "was changed since it was installed"
}

// Changed are the installed files of a part that are not as they were written, with what is wrong, sorted by path.
func (t *Target) Changed(part string) (map[string]string, error) {
	all := map[string]string{}
	for _, known := range t.record.Files {
		if !slices.Contains(known.Parts, part) {
			continue
		}
		is, err := t.read(known.Path)
		switch {
		case err != nil:
			return nil, err
		case is == nil:
			all[known.Path] = "is missing"
		default:
			if why := touched(&known, *is); why != "" {
				all[known.Path] = why
			}
		}
	}
	return all, nil
}

// Write makes the changes, each at once, in their order; with force also those to what somebody has touched, which are left out
// otherwise. What was written is remembered, also when a later one fails. version is coppice's own.
func (t *Target) Write(changes []Change, force bool, version string) error {
	var failed error
	wrote := false
	for _, c := range changes {
		if c.Touched != "" && !force {
			continue
		}
		var made []string
		switch c.Kind {
		case Create, Update:
			made, failed = t.write(c.File)
		case Delete:
			failed = t.remove(c.File.Path)
		}
		t.record.Folders = append(t.record.Folders, made...)
		wrote = wrote || len(made) > 0
		if failed != nil {
			break
		}
		entry := installed{Path: c.File.Path, Mode: permissions(c.File.Mode), SHA256: digest(c.File.Content), Parts: c.parts}
		if c.Kind == Forget && len(c.parts) > 0 { // others have it still, as it was written
			entry = *t.record.find(c.File.Path)
			entry.Parts = c.parts
		}
		wrote = t.record.set(entry) || wrote
	}
	if !wrote {
		return failed
	}
	t.record.Coppice = version
	if err := t.writeRecord(); err != nil {
		return errors.Join(failed, fmt.Errorf("cannot record what was installed: %w", err))
	}
	return failed
}

// Diff is all that Write would do, as unified diffs.
func Diff(changes []Change, force bool) string {
	var text string
	for _, c := range changes {
		if c.Touched == "" || force {
			text += c.Diff()
		}
	}
	return text
}

// Kept are the changes that Write leaves out.
func Kept(changes []Change, force bool) []Change {
	if force {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.Touched == "" })
}

// Pending reports whether Write would change anything on the machine.
func Pending(changes []Change, force bool) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Writes() && (c.Touched == "" || force) })
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
