package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
)

// Listing is what stands in state folders.
type Listing struct {
	Runs []Summary // newest first
	// Ignored are files that are no records.
	Ignored []Ignored
}

// Ignored is a file that is no record.
type Ignored struct{ Path, Why string }

// List reads the summaries of all records in some state folders. A folder that does not exist is empty; an error is about
// a folder that can't be read. Of two records of one run the one in the earlier folder counts.
func List(dirs []string) (Listing, error) {
	var l Listing
	seen := map[string]bool{}
	for _, dir := range dirs {
		names, err := namesIn(dir)
		if err != nil {
			return l, err
		}
		for _, name := range names {
			path := filepath.Join(runsIn(dir), name)
			run, ok := strings.CutSuffix(name, suffix)
			if !ok || !validID(run) {
				l.Ignored = append(l.Ignored, Ignored{path, "its name is not that of a record"})
				continue
			}
			if seen[run] {
				continue
			}
			s, err := summary(path, run)
			if errors.Is(err, fs.ErrNotExist) {
				continue // pruned just now
			}
			if err != nil {
				l.Ignored = append(l.Ignored, Ignored{path, reason(err)})
				continue
			}
			seen[run] = true
			l.Runs = append(l.Runs, s)
		}
	}
	slices.SortStableFunc(l.Runs, func(a, b Summary) int {
		// One that goes on from another has the other's instant.
		return cmp.Or(b.Instant.Compare(a.Instant), b.Started.Compare(a.Started), strings.Compare(b.Run, a.Run))
	})
	return l, nil
}

// namesIn are the names in a state folder's folder of records, sorted.
func namesIn(dir string) ([]string, error) {
	path := runsIn(dir)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", path)
	}
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// summary reads a record's summary: its first and its last line, if they tell enough.
func summary(path, run string) (Summary, error) {
	f, err := open(path)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	status := stillThere(f) // asked before reading: what a dead writer has written is all there
	b := &builder{light: true}
	if b.ends(f) {
		b.sum()
	} else {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return Summary{}, err
		}
		b = &builder{light: true}
		if err := b.build(f); err != nil {
			return Summary{}, err
		}
	}
	return b.record.Summary, b.accept(f, path, run, status)
}

// stillThere is what a run is that has not told its end.
func stillThere(f *os.File) engine.RunStatus {
	if held(f) {
		return Running
	}
	return Interrupted
}

// ends reads the first and the last line, and reports whether they are a header and the end of a run.
func (b *builder) ends(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	s := newScanner(io.NewSectionReader(f, 0, info.Size()))
	line, whole, err := s.next()
	if err != nil {
		return false
	}
	if b.line(line, whole); !b.header {
		return false
	}
	tail := make([]byte, min(info.Size(), 8<<10))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return false
	}
	tail, whole = bytes.CutSuffix(tail, []byte("\n"))
	start := bytes.LastIndexByte(tail, '\n') + 1
	var h head
	if !whole || start == 0 || !sealed(tail[start:]) || json.Unmarshal(tail[start:], &h) != nil || h.Type != "run_finished" {
		return false
	}
	b.record.Last = h.Time
	return b.event(h, tail[start:]) == nil && b.record.Finished != nil
}

// accept holds what was read against the file that it was read from.
func (b *builder) accept(f *os.File, path, run string, status engine.RunStatus) error {
	r := &b.record
	r.Path = path
	if r.Finished == nil {
		r.Status = status
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case b.later > 0:
		r.Header = Header{Run: run, Version: b.later}
		r.Status, r.Reason = Unknown, fmt.Sprintf("it was written by a later coppice (version %d): left alone", b.later)
	case !b.any && !begins(f):
		return notRecord("there is no record in it")
	case r.Run == "":
		r.Run = run
	case r.Run != run:
		return notRecord(fmt.Sprintf("it is the record of run %s", r.Run))
	}
	if r.Instant.IsZero() { // its header is lost
		r.Instant = info.ModTime().UTC()
		if r.Started.IsZero() {
			r.Started, r.Last = r.Instant, r.Instant
		}
	}
	return nil
}

// begins reports whether a file without a whole line is a record that was just begun.
func begins(f *os.File) bool {
	const start = `{"format":"` + Format + `"`
	text := make([]byte, len(start))
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	text = bytes.TrimRight(text[:n], "\x00") // written, and never reached the disk
	return strings.HasPrefix(start, string(text))
}

// UnknownRunError says that there is no record of a run, or that several could be meant.
type UnknownRunError struct {
	Run     string
	Several bool     // it is the beginning of more than one
	Near    []string // those; or what may have been meant, the best first
}

func (e *UnknownRunError) Error() string {
	if e.Several {
		return fmt.Sprintf("%q is the beginning of several runs", e.Run)
	}
	return fmt.Sprintf("there is no run %q", e.Run)
}

// Find returns the file of a run, named by its id or the beginning of it that no other has. The error is an
// *UnknownRunError, or about a folder that can't be read.
func Find(dirs []string, run string) (path string, err error) {
	paths := map[string]string{}
	var ids []string
	for _, dir := range dirs {
		names, err := namesIn(dir)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			id, ok := strings.CutSuffix(name, suffix)
			if ok && validID(id) && paths[id] == "" {
				paths[id] = filepath.Join(runsIn(dir), name)
				ids = append(ids, id)
			}
		}
	}
	if path := paths[run]; path != "" {
		return path, nil
	}
	slices.Sort(ids)
	slices.Reverse(ids) // ids begin with a time
	var match []string
	for _, id := range ids {
		if run != "" && strings.HasPrefix(id, run) {
			match = append(match, id)
		}
	}
	switch len(match) {
	case 0:
		return "", &UnknownRunError{Run: run, Near: near(run, ids)}
	case 1:
		return paths[match[0]], nil
	}
	return "", &UnknownRunError{Run: run, Several: true, Near: match[:min(len(match), maxNear)]}
}

const maxNear = 5

// near are the ids that may have been meant: those that contain it, one that is a slip away, those that begin like it.
func near(run string, ids []string) []string {
	var all []string
	add := func(id string) {
		if id != "" && len(all) < maxNear && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	for _, id := range ids {
		if run != "" && strings.Contains(id, run) {
			add(id)
		}
	}
	add(diagnostic.Suggest(run, ids))
	same := func(id string) int {
		n := 0
		for n < len(id) && n < len(run) && id[n] == run[n] {
			n++
		}
		return n
	}
	rest := slices.Clone(ids)
	slices.SortStableFunc(rest, func(a, b string) int { return same(b) - same(a) })
	for _, id := range rest {
		add(id)
	}
	return all
}

// Read reads the record of a run, found as Find finds it. A torn end is dropped; whatever else is wrong with the file is
// among the record's problems. A record of a later version has the status Unknown, its id, and nothing else.
func Read(dirs []string, run string) (*Record, error) {
	path, err := Find(dirs, run)
	if err != nil {
		return nil, err
	}
	return ReadFile(path)
}

// ReadFile reads the record at a path that List or Find has told, as Read does.
func ReadFile(path string) (*Record, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the record %s: %w", path, err)
	}
	defer f.Close()
	status := stillThere(f)
	b := &builder{}
	if err := b.build(f); err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	id := strings.TrimSuffix(filepath.Base(path), suffix)
	if err := b.accept(f, path, id, status); err != nil {
		return nil, fmt.Errorf("cannot read the record %s: %w", path, err)
	}
	return &b.record, nil
}

// Copy writes the whole lines of a record's file, as they are.
func Copy(w io.Writer, path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s := newScanner(f)
	for first := true; ; first = false {
		line, whole, err := s.next()
		if err != nil {
			return s.failed()
		}
		var h head
		later := first && json.Unmarshal(line, &h) == nil && h.Format == Format && h.Version > Version
		if later { // whatever its lines are like
			_, err := io.Copy(w, io.NewSectionReader(f, 0, 1<<62))
			return err
		}
		if !whole || !sealed(line) {
			continue
		}
		if _, err := w.Write(append(line[:len(line):len(line)], '\n')); err != nil {
			return err
		}
	}
}
