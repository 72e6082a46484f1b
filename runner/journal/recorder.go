package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
)

// Options of a recorder.
type Options struct {
	// Dirs are state folders, the best first: the first that can be written to is used.
	Dirs []string
	// Home is what the first of them is known by, wherever it can be found; "": it is one of the machine. A record that has
	// to be written to another folder can be brought home by it, see Move.
	Home string
	// SHA256 of the playbook's text, in hexadecimal.
	SHA256 string
	// Coppice is the version of the program.
	Coppice string
	// Inputs are of use for their secrets only: what makes the same ones known again.
	Inputs check.Saved
	// Secrets are replaced wherever they stand in a text; see report.Mask. Inputs that are secret are masked already.
	Secrets []string
	// Warn is told, in one line, what a person should know: that another folder is used, that nothing is recorded. It
	// is called by Emit, from the start of the run on. nil: nobody is told.
	Warn func(string)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Recorder writes the record of one run. It is safe for use by several goroutines at once.
type Recorder struct {
	options Options
	mask    *mask
	dirs    []string // those that are left to try; the first could be written to
	reasons []string // why not the others

	mu       sync.Mutex
	state    state
	started  bool
	f        *os.File
	dir      string
	size     int64 // of the whole lines in the file
	seq      int
	logLines int
	logBytes int
	warnings []string // to be told when mu is free
}

type state int

const (
	waiting state = iota // for the run to start
	on
	broken // the record could not be written on; its end will be tried
	off
)

// Open chooses the folder for a record. It never fails: a recorder that has no folder warns, and records nothing. The
// folder is made if need be; the file comes with the run's start. Don't open a recorder for a preview: that must leave no
// trace. Close it.
func Open(o Options) *Recorder {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Recorder{options: o, mask: newMask(o.Secrets), dirs: o.Dirs}
	r.choose()
	if len(r.dirs) == 0 {
		r.giveUp()
	}
	return r
}

// choose drops the folders that can't be used from the front.
func (r *Recorder) choose() {
	for len(r.dirs) > 0 {
		err := prepare(r.dirs[0])
		if err == nil {
			return
		}
		r.drop(err)
	}
}

func (r *Recorder) drop(err error) {
	r.reasons = append(r.reasons, fmt.Sprintf("%s: %s", r.dirs[0], reason(err)))
	r.dirs = r.dirs[1:]
}

func (r *Recorder) giveUp() {
	r.state = off
	if len(r.reasons) == 0 {
		r.reasons = []string{"there is none"}
	}
	r.warn("this run is not recorded: no state folder can be used (%s)", strings.Join(r.reasons, "; "))
}

// reason is an error without what everybody knows.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Sprintf("cannot %s %s: %v", strings.TrimSuffix(at.Op, "at"), at.Path, at.Err)
	}
	return err.Error()
}

func (r *Recorder) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// unlock also tells the warnings, once the run has started.
func (r *Recorder) unlock() {
	var told []string
	if r.started {
		told, r.warnings = r.warnings, nil
	}
	r.mu.Unlock()
	if r.options.Warn != nil {
		for _, text := range told {
			r.options.Warn(text)
		}
	}
}

// Dir is the state folder that is used; "": there is none, nothing is recorded. After the start of the run it is final.
func (r *Recorder) Dir() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.dir != "":
		return r.dir
	case r.state == waiting && len(r.dirs) > 0:
		return r.dirs[0]
	}
	return ""
}

// Err says why a better folder than Dir, or any folder, can't be used; nil: the first one is used.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reasons) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.reasons, "; "))
}

// Emit records one event. Events before the run's start, after its end and of a preview are not recorded.
func (r *Recorder) Emit(e engine.Event) {
	r.mu.Lock()
	defer r.unlock()
	if start, ok := e.(engine.RunStarted); ok && start.Mode != engine.ModePreview && !r.started {
		r.started = true
		if r.state == waiting {
			r.start(start)
		}
		return
	}
	_, last := e.(engine.RunFinished)
	if r.state != on && r.state != broken {
		return
	}
	if log, ok := e.(engine.StepLog); ok && !r.admit(&log) {
		return
	} else if ok {
		e = log
	}
	entry, ok := r.entry(e)
	if !ok {
		return
	}
	if r.state == broken && !last { // it counts, so that a reader sees that it is missing
		r.seq++
		return
	}
	line, err := r.line(entry)
	if err != nil {
		r.fail(err)
		return
	}
	if r.state == broken { // the disk may have space again
		if err := r.f.Truncate(r.size); err != nil {
			r.state = off
			return
		}
	}
	if err := r.write(line, entry.sync); err != nil {
		r.fail(err)
		return
	}
	if last {
		r.state = off
	}
}

// start makes the file: header and start in one write.
func (r *Recorder) start(e engine.RunStarted) {
	if !validID(e.Run) {
		r.state = off
		r.warn("this run is not recorded: its id %q can't be the name of a file", e.Run)
		return
	}
	lines, err := r.beginning(e)
	if err != nil {
		r.state = off
		r.warn("this run is not recorded: %v", err)
		return
	}
	for ; len(r.dirs) > 0; r.choose() {
		err := r.begin(r.dirs[0], e.Run, lines)
		if errors.Is(err, fs.ErrExist) {
			r.state = off
			r.warn("this run is not recorded: there is already a record of a run %s", e.Run)
			return
		}
		if err == nil {
			r.state, r.dir = on, r.dirs[0]
			if len(r.reasons) > 0 {
				r.warn("this run is recorded in %s, not in %s", r.dir, strings.Join(r.reasons, "; "))
			}
			return
		}
		r.drop(err)
	}
	r.giveUp()
}

// begin makes a file with its first lines; a failure leaves none.
func (r *Recorder) begin(dir, run string, lines []byte) error {
	f, err := create(dir, run)
	if err != nil {
		return err
	}
	r.f, r.size = f, 0
	if err = r.write(lines, true); err == nil {
		err = syncDir(runsIn(dir))
	}
	if err != nil {
		r.f = nil
		_ = os.Remove(f.Name())
		_ = f.Close()
	}
	return err
}

// line makes the line of an entry: of the small one when the other is too large.
func (r *Recorder) line(e entry) ([]byte, error) {
	r.seq++
	h := head{Seq: r.seq, Time: r.options.Now().UTC(), Type: e.kind}
	if e.kind == "header" {
		h.Format, h.Version = Format, Version
	}
	for _, body := range []any{e.body, e.small} {
		text, err := report.Encode(body)
		if err != nil {
			continue
		}
		line, err := seal(h, r.mask.object(text))
		if err == nil && len(line) < maxLine {
			return line, nil
		}
	}
	text, err := json.Marshal(map[string]any{"cut": map[string]int{e.kind: 1}})
	if err != nil {
		return nil, err
	}
	return seal(h, text)
}

// write appends whole lines.
func (r *Recorder) write(lines []byte, sync bool) error {
	n, err := r.f.Write(lines)
	if err != nil {
		if n > 0 {
			_ = r.f.Truncate(r.size) // else the reader sees a torn line, and knows what to do
		}
		return err
	}
	r.size += int64(len(lines))
	if sync {
		return r.f.Sync()
	}
	return nil
}

func (r *Recorder) fail(err error) {
	if r.state == broken {
		r.state = off
		return
	}
	r.state = broken
	r.warn("the record of this run is not complete: %s", reason(err))
}

// Close ends the record, and lets go of its lock. A second call does nothing.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.unlock()
	r.state = off
	if r.f != nil {
		_ = r.f.Close() // everything that matters is synced
		r.f = nil
	}
}
