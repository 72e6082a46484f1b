package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hbohlen/coppice/runner/report/systemd"
)

// The priorities of what is said outside of a run, as syslog(3) has them.
const (
	syslogError   = 3
	syslogWarning = 4
)

// complaints is standard error for what is said outside of a run. Where that is the journal, each line gets a priority.
func (a *app) complaints(priority int) io.Writer {
	if log, is := a.err.(*kernelLog); is {
		return &prioritised{w: log, prefix: fmt.Sprintf("<%d>", priority), fresh: true}
	}
	f, ok := a.err.(*os.File)
	if !ok || !systemd.IsJournal(f, os.Getenv) {
		return a.err
	}
	return &prioritised{w: systemd.NewStream(f), prefix: fmt.Sprintf("<%d>", priority), fresh: true}
}

// prioritised puts a prefix in front of each line.
type prioritised struct {
	w      io.Writer
	prefix string
	fresh  bool // the next byte starts a line
}

func (p *prioritised) Write(data []byte) (int, error) {
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if p.fresh {
			b.WriteString(p.prefix)
		}
		b.WriteString(line)
		p.fresh = strings.HasSuffix(line, "\n")
	}
	if _, err := io.WriteString(p.w, b.String()); err != nil {
		return 0, err
	}
	return len(data), nil
}
