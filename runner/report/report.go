package report

import (
	"io"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
)

// Reporter renders the events of one run or preview.
type Reporter interface {
	// Emit renders one event. It is called by one goroutine at a time, never panics, and ignores events after Close.
	Emit(engine.Event)
	// Close finishes the output and returns the first error of a write; after such an error nothing more is written.
	// If the run never finished, it says so. If there was no event at all, nothing is written. A second call does
	// nothing and returns the same.
	Close() error
}

// Options of all forms.
type Options struct {
	Out io.Writer // the result; nil discards
	Err io.Writer // the story; nil discards. See the package comment for what goes where

	Color   bool // ANSI colours, the 16 that every terminal has
	Live    bool // Out is a terminal that understands carriage return and clear-line
	Width   int  // columns of the terminal; 0: no limit, or 80 in the live form
	Verbose bool // fold nothing, show what is kept, lines at level debug, outputs
	Quiet   bool // only warnings, errors and the summary

	// Columns, if not nil, is asked for the width before each line that is drawn, so that a resized terminal is
	// no trouble. It wins over Width when it returns more than 0.
	Columns func() int

	// Now is the clock; nil: time.Now.
	Now func() time.Time

	// Secrets are masked in every text before it is laid out, so that a name cut in the middle does not show half of
	// one. See Mask for the forms that are found.
	Secrets []string

	// OutJournal and ErrJournal say that Out or Err is connected to the journal. NewLines gives Journal the lines that
	// belong there; where that is nil, or fails, it writes them with the priority in front, "<4>…".
	OutJournal, ErrJournal bool
	Journal                func(Entry) error
}

// NewRun is NewLive or NewLines, by Options.Live.
func NewRun(o Options) Reporter {
	if o.Live {
		return NewLive(o)
	}
	return NewLines(o)
}

// Together is several reporters as one.
func Together(all ...Reporter) Reporter { return together(all) }

type together []Reporter

func (t together) Emit(e engine.Event) {
	for _, r := range t {
		r.Emit(e)
	}
}

func (t together) Close() error {
	var first error
	for _, r := range t {
		if err := r.Close(); first == nil {
			first = err
		}
	}
	return first
}

// form is what all forms share.
type form struct {
	Options
	out, err *sink
	hide     *patterns
}

func newForm(o Options) form {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := form{Options: o, hide: newPatterns(o.Secrets)}
	f.out = newSink(o.Out)
	if sameWriter(o.Out, o.Err) {
		f.err = f.out
	} else {
		f.err = newSink(o.Err)
	}
	return f
}

// clean makes text of any origin fit for one line: secrets masked, what is not printable escaped.
func (f *form) clean(s string) string { return diagnostic.Escape(f.hide.mask(s)) }

// columns is the width that a line may have; 0: no limit.
func (f *form) columns() int {
	if f.Columns != nil {
		if n := f.Columns(); n > 0 {
			return max(n, minWidth)
		}
	}
	if f.Width > 0 {
		return max(f.Width, minWidth)
	}
	return 0
}

// minWidth is the narrowest terminal that is laid out for.
const minWidth = 20

func (f *form) page() *page { return &page{width: f.columns(), color: f.Color} }

// flush ends all output, and returns the first error there was.
func (f *form) flush() error {
	err := f.out.flush()
	if other := f.err.flush(); err == nil {
		err = other
	}
	return err
}
