package install

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// Kind is what a change does.
type Kind string

// All kinds.
const (
	Create Kind = "create"
	Update Kind = "update"
	Delete Kind = "delete"
	Same   Kind = "same" // nothing: it is as it is to be, and only becomes known as coppice's
	Forget Kind = "forget"
)

// Change is what Compare finds for one file.
type Change struct {
	Kind   Kind
	File   File  // as it is to be; of a file that goes only its path counts
	Before *File // as it is; nil: nothing is there
	// Touched says why what is there is somebody's own work, which only force replaces or deletes: "was changed since it was
	// installed". "" if it is not.
	Touched string

	parts []string // whose it is then
}

// Writes reports whether the machine is another one afterwards.
func (c Change) Writes() bool { return c.Kind == Create || c.Kind == Update || c.Kind == Delete }

// Diff is the change as a unified diff, as a terminal can show it; "" if there is none.
func (c Change) Diff() string {
	if !c.Writes() {
		return ""
	}
	before, after := "/dev/null", c.File.Path
	var was, is string
	if c.Before != nil {
		before, was = c.Before.Path, body(*c.Before)
	}
	if c.Kind == Delete {
		after = "/dev/null"
	} else {
		is = body(c.File)
	}
	var b strings.Builder
	if text := Unified(before, was, after, is); text != "" {
		b.WriteString(text)
	} else {
		fmt.Fprintf(&b, "--- %s\n+++ %s\n", before, after)
	}
	if c.Kind == Update && !c.File.IsLink() && !c.Before.IsLink() && c.Before.Mode != c.File.Mode {
		fmt.Fprintf(&b, "mode %04o → %04o\n", c.Before.Mode.Perm(), c.File.Mode.Perm())
	}
	return printable(b.String())
}

// body is the text that is compared: of a link, that it is one.
func body(f File) string {
	switch {
	case f.IsLink():
		return "a link to " + f.Content + "\n"
	case f.Mode.Type() != 0:
		return "something that is no file: " + f.Mode.String() + "\n"
	}
	return f.Content
}

// printable keeps lines, and shows what a terminal would obey.
func printable(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body, ended := strings.CutSuffix(line, "\n")
		b.WriteString(strings.ReplaceAll(diagnostic.Escape(body), `\t`, "\t"))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// permissions are what counts of a mode.
func permissions(m fs.FileMode) fs.FileMode { return m & (fs.ModePerm | fs.ModeType) }

// Unified tells how one text became another, as diff -u does; "" where they are the same. before and after are what they are called.
func Unified(before, was, after, is string) string {
	_, rest, _ := strings.Cut(string(diff.Diff(before, []byte(was), after, []byte(is))), "\n") // the first line names both
	return rest
}
