package report

import (
	"os"
	"strconv"

	"golang.org/x/term"

	"github.com/hbohlen/coppice/runner/report/systemd"
)

// Detect returns the options that fit two files and the environment: colours and live progress if out is a terminal
// that can show them (https://no-color.org holds for colours), its width, asked again as the terminal is resized, and
// the journal for those that are connected to it. getenv is os.Getenv or a stand-in.
func Detect(out, err *os.File, getenv func(string) string) Options {
	o := Options{Out: out, Err: err}
	if o.OutJournal = systemd.IsJournal(out, getenv); o.OutJournal {
		o.Out = systemd.NewStream(out)
	}
	if o.ErrJournal = systemd.IsJournal(err, getenv); o.ErrJournal {
		o.Err = systemd.NewStream(err)
	}
	if o.OutJournal || o.ErrJournal {
		o.Journal = ToJournal(systemd.NewJournal(systemd.JournalSocket))
	}
	fd := int(out.Fd())
	if !term.IsTerminal(fd) {
		return o
	}
	o.Live = getenv("TERM") != "dumb"
	o.Color = o.Live && getenv("NO_COLOR") == ""
	o.Width = 80
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		o.Width = n
	}
	o.Columns = func() int {
		n, _, err := term.GetSize(fd)
		if err != nil {
			return 0
		}
		return n
	}
	return o
}

// ToJournal sends entries natively, for Options.Journal.
func ToJournal(j *systemd.Journal) func(Entry) error {
	return func(e Entry) error { return j.Send(e.Fields()) }
}
