package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
)

// tidying is what fmt is asked for.
type tidying struct {
	diff  bool
	check bool
}

func (a *app) fmtCommand() *cobra.Command {
	var o tidying
	c := &cobra.Command{
		Use:   "fmt [FILE…]",
		Short: "Tidy playbooks",
		Long: "Tidy the files of playbooks: keys in one order, two spaces for each level, an empty line between the\n" +
			"larger parts. Comments stay with what they stand above; what stands in { } and [ ] stays as it is\n" +
			"written. What a playbook means never changes. Without a file, or with -, standard input is tidied to\n" +
			"standard output.",
		Example: "  coppice fmt mine.yaml\n" +
			"  coppice fmt --diff mine.yaml\n" +
			"  coppice fmt --check *.yaml",
		RunE: func(_ *cobra.Command, args []string) error { return a.tidy(o, args) },
	}
	c.Flags().BoolVarP(&o.diff, "diff", "d", false, "show what would change, and write nothing")
	c.Flags().BoolVarP(&o.check, "check", "l", false, "list the files that are not tidy, write nothing, and exit with 1 if there are any")
	return c
}

func (a *app) tidy(o tidying, files []string) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	untidy, wrong := false, false
	for _, file := range files {
		changed, err := a.tidyFile(o, file)
		var failure exitError
		if errors.As(err, &failure) && failure.code == exitInvalid && failure.err == nil { // its mistakes are told; the others come too
			wrong = true
			continue
		}
		if err != nil {
			return err
		}
		untidy = untidy || changed
	}
	switch {
	case wrong:
		return exit(exitInvalid, nil)
	case untidy && o.check:
		return exit(exitFailed, nil)
	}
	return nil
}

// tidyFile tidies one file; changed: it was not tidy.
func (a *app) tidyFile(o tidying, file string) (changed bool, err error) {
	var data []byte
	name := file
	if file == "-" {
		name = "standard input"
		data, err = io.ReadAll(io.LimitReader(a.in, playbook.MaxFileSize+1))
	} else {
		data, err = readRegular(file)
	}
	if err != nil {
		return false, exit(exitInvalid, fmt.Errorf("cannot read %s: %w", name, err))
	}
	tidy, found := playbook.Format(name, data)
	if tidy == nil {
		a.diagnose(found, diagnostic.NewSource(name, data))
		return false, exit(exitInvalid, nil)
	}
	changed = !bytes.Equal(tidy, data)
	switch {
	case o.diff:
		_, err = io.WriteString(a.out, install.Unified(name, string(data), name+" (tidy)", string(tidy)))
	case o.check && changed:
		_, err = fmt.Fprintln(a.out, diagnostic.Escape(name))
	case o.check:
	case file == "-":
		_, err = a.out.Write(tidy)
	case changed:
		if err := tidyInPlace(file, tidy); err != nil {
			return false, exit(exitFailed, fmt.Errorf("cannot write %s: %w", file, err))
		}
		_, err = fmt.Fprintf(a.out, "tidied %s\n", diagnostic.Escape(file))
	}
	if err != nil {
		return changed, exit(exitFailed, err)
	}
	return changed, nil
}

// readRegular reads a file that is no larger than a playbook can be, or a little more.
func readRegular(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not stop us
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return io.ReadAll(io.LimitReader(f, playbook.MaxFileSize+1))
}

// tidyInPlace puts a text in the place of a file's, with the same owner and mode; what is left after a power cut is the one
// or the other. Of a symbolic link the file is replaced that it leads to.
func tidyInPlace(file string, data []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".coppice-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // an error: it has taken the place
	_, err = f.Write(data)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		err = errors.Join(err, f.Chown(int(owner.Uid), int(owner.Gid)))
	}
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
