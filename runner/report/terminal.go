package report

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/term"
)

// Detect returns the options that fit two files and the environment: colours and live progress if out is a terminal
// that can show them (https://no-color.org holds for colours), its width, asked again as the terminal is resized, and
// priorities if both are connected to the journal. getenv is os.Getenv or a stand-in.
func Detect(out, err *os.File, getenv func(string) string) Options {
	o := Options{Out: out, Err: err, Journal: isJournal(out, getenv) && isJournal(err, getenv)}
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

// isJournal compares a file with $JOURNAL_STREAM, as systemd.exec(5) tells to.
func isJournal(f *os.File, getenv func(string) string) bool {
	want := getenv("JOURNAL_STREAM")
	if want == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && want == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
