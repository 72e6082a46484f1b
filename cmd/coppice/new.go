package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
)

// startText is what a new playbook begins with.
//
//go:embed new.yaml
var startText []byte

func (a *app) newCommand() *cobra.Command {
	like := ""
	c := &cobra.Command{
		Use:   "new PLAYBOOK",
		Short: "Start a playbook of your own",
		Long: "Write a playbook to begin with: an example of each part, with comments, that can be previewed at once. With\n" +
			"--like it is a copy of another playbook. A path is written as it is; a name goes to the playbooks of this\n" +
			"machine, where the other verbs find it by that name. Nothing is ever overwritten.",
		Example: "  coppice new ./mine.yaml\n  coppice new nightly --like snapshot-rotation",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text := found{"new.yaml", startText}
			if like != "" {
				var err error
				if text, err = a.find(like); err != nil {
					return err
				}
			}
			return a.newPlaybook(args[0], text)
		},
	}
	c.Flags().StringVar(&like, "like", "", "copy this playbook, shipped or your own")
	return c
}

func (a *app) newPlaybook(arg string, text found) error {
	file, calledBy := arg, arg
	byName := !strings.Contains(arg, "/") && !strings.HasSuffix(arg, ".yaml") && !strings.HasSuffix(arg, ".yml")
	if byName {
		file = filepath.Join(a.configs, "playbooks", arg+".yaml")
	} else if !strings.Contains(arg, "/") {
		calledBy = "./" + arg
	}
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".yaml"), ".yml")
	if filepath.Base(file) == name {
		return exitError{code: exitUsage, err: fmt.Errorf("%s: the file of a playbook ends in .yaml", arg)}
	}
	data, err := renamed(text, name)
	if err != nil {
		return err
	}
	if text.file == "new.yaml" { // the comments tell how to call it
		data = []byte(strings.ReplaceAll(string(data), "./mine.yaml", calledBy))
	}
	if byName {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return exitError{code: exitFailed, err: fmt.Errorf("cannot make the folder of playbooks: %w", err),
				advice: "to write it somewhere else, give a path: coppice new ./" + arg + ".yaml"}
		}
	}
	if err := create(file, data); errors.Is(err, fs.ErrExist) {
		return exitError{code: exitFailed, err: fmt.Errorf("%s is there already", file), advice: "choose another name; nothing is overwritten"}
	} else if err != nil {
		return exit(exitFailed, fmt.Errorf("cannot write the playbook: %w", err))
	}
	_, err = fmt.Fprintf(a.out, "wrote %s\nsee what it would do: coppice plan %s\n", diagnostic.Escape(file), diagnostic.Escape(calledBy))
	return err
}

// renamed is the text of a playbook under another name.
func renamed(text found, name string) ([]byte, error) {
	p, list := playbook.Parse(text.file, text.data)
	if p == nil || p.Name == "" {
		return nil, exit(exitInvalid, fmt.Errorf("%s has mistakes: see coppice validate (%d of them)", text.file, len(list)))
	}
	lines := strings.SplitAfter(string(text.data), "\n")
	at := p.NamePos.Line - 1
	before, after, _ := strings.Cut(lines[at], p.Name)
	lines[at] = before + name + after
	data := []byte(strings.Join(lines, ""))
	if again, _ := playbook.Parse(text.file, data); again == nil || again.Name != name {
		return nil, exitError{code: exitUsage, err: fmt.Errorf("%q cannot name a playbook", name),
			advice: "a name starts with a-z and goes on with a-z, 0-9 and -"}
	}
	return data, nil
}

// create writes a file that was not there; what is left after a power cut is all of it or none.
func create(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".coppice-new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Link(f.Name(), file) // unlike a rename, it replaces nothing
}
