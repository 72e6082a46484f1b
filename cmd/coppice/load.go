package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/playbook"
)

// found is a playbook's text and where it comes from.
type found struct {
	file string // for messages
	data []byte
}

// find reads a playbook. The argument is a path when it has a slash or ends in
// .yaml; else a name, looked up in the configuration, then among the shipped.
func (a *app) find(arg string) (found, error) {
	if playbook.IsPath(arg) {
		data, err := readBounded(arg)
		if err != nil {
			return found{}, unreadable("playbook", err)
		}
		return found{arg, data}, nil
	}
	file := filepath.Join(a.configs, "playbooks", arg+".yaml")
	data, err := readBounded(file)
	if err == nil {
		return found{file, data}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return found{}, unreadable("playbook", err)
	}
	if data, ok := playbooks.Read(arg); ok {
		return found{arg + ".yaml", data}, nil
	}
	names := a.names()
	failure := exitError{code: exitInvalid, err: fmt.Errorf("there is no playbook %q", arg),
		advice: "there are: " + join(names) + "; a path has a / in it or ends in .yaml"}
	if near := diagnostic.Suggest(arg, names); near != "" {
		failure.advice = fmt.Sprintf("did you mean %q? there are: %s", near, join(names))
	}
	return found{}, failure
}

// readBounded reads a regular file, a little more than the largest playbook, so
// that the parser can say that it is too large.
func readBounded(file string) ([]byte, error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", file)
	}
	f, err := openTrusted(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() && !isStream(file) {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	return io.ReadAll(io.LimitReader(f, playbook.MaxFileSize+1))
}

// names lists the playbooks that can be called by name.
func (a *app) names() []string {
	seen := map[string]bool{}
	var names []string
	local, _ := filepath.Glob(filepath.Join(a.configs, "playbooks", "*.yaml"))
	for _, file := range local {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		seen[name] = true
		names = append(names, name)
	}
	for _, name := range playbooks.Names() {
		if !seen[name] {
			names = append(names, name)
		}
	}
	return names
}

// load finds, parses and checks a playbook; mistakes are printed.
func (a *app) load(ctx context.Context, r *runner.Runner, arg string) (*check.Program, found, error) {
	text, err := a.find(arg)
	if err != nil {
		return nil, text, err
	}
	program, err := a.check(ctx, r, text)
	return program, text, err
}

// check parses and checks a playbook's text; mistakes are printed.
func (a *app) check(ctx context.Context, r *runner.Runner, text found) (*check.Program, error) {
	loaded, err := r.Load(ctx, text.file, text.data)
	a.diagnose(loaded.Mistakes, loaded.Sources...)
	if err != nil {
		return nil, pluginError(err)
	}
	if loaded.Program == nil {
		return nil, exit(exitInvalid, nil)
	}
	return loaded.Program, nil
}

// runner is one that finds the playbooks that others call.
func (a *app) runner(h *host.Host) *runner.Runner { return &runner.Runner{Host: h, Find: a.findCalled} }

// findCalled finds a playbook that another one calls: a path is relative to the file that calls it, a name is looked up as on
// the command line. The same rules of trust hold.
func (a *app) findCalled(from *playbook.Playbook, name string) (playbook.Called, error) {
	arg := name
	switch {
	case playbook.IsPath(name) && filepath.IsAbs(name):
	case playbook.IsPath(name) && a.isShipped(from.File):
		return playbook.Called{}, errors.New("a shipped playbook calls others by their names only")
	case playbook.IsPath(name):
		if arg = filepath.Join(filepath.Dir(from.File), name); !playbook.IsPath(arg) {
			arg = "./" + arg
		}
	}
	text, err := a.find(arg)
	var failure exitError
	switch {
	case err == nil:
		return playbook.Called{File: text.file, Data: text.data}, nil
	case !errors.As(err, &failure):
		return playbook.Called{}, err
	case playbook.IsPath(name) || failure.advice == "":
		return playbook.Called{}, &playbook.NotFoundError{Message: failure.err.Error(), Suggestion: failure.advice}
	}
	names := a.names()
	return playbook.Called{}, &playbook.NotFoundError{Message: failure.err.Error(), Allowed: names, Suggestion: diagnostic.DidYouMean(name, names)}
}

// isShipped reports whether a file's name is that of a playbook inside the program.
func (a *app) isShipped(file string) bool {
	name, ok := strings.CutSuffix(file, ".yaml")
	if !ok || strings.Contains(file, "/") {
		return false
	}
	_, shipped := playbooks.Read(name)
	return shipped
}

// digest is the SHA-256 of a playbook's text and of those of the playbooks that it calls, in hexadecimal.
func digest(text found, called []playbook.Called) string {
	sum := sha256.New()
	sum.Write(text.data)
	for _, c := range called { // none: it is that of the text alone
		fmt.Fprintf(sum, "\x00%s\x00%d\x00", c.Name, len(c.Data)) // whatever path somebody has come by
		sum.Write(c.Data)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func join(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
