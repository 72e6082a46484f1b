package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
)

// starter is a plugin to begin with. NAME stands for its name.
//
//go:embed starter
var starter embed.FS

const (
	sdkModule      = "github.com/hbohlen/coppice"
	pluginName     = `^[a-z][a-z0-9-]{0,39}$`
	pluginNameRule = "a name starts with a-z, goes on with a-z, 0-9 and -, and has at most 40 characters"
)

func (a *app) pluginInitCommand() *cobra.Command {
	dir, sdk := "", ""
	c := &cobra.Command{
		Use:   "init NAME",
		Short: "Start a plugin of your own, in Go",
		Long: "Write a Go module with a plugin to begin with: one action that can be previewed and run, a test that holds it against the\n" +
			"contract, a playbook that uses it. It is complete: build it, and it runs. Nothing is ever overwritten.",
		Example: "  coppice plugin init motd\n  coppice plugin init motd --dir ~/src/motd --sdk ~/src/coppice",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if !regexp.MustCompile(pluginName).MatchString(name) {
				return exitError{code: exitUsage, err: fmt.Errorf("%q cannot name a plugin", name), advice: pluginNameRule}
			}
			if slices.ContainsFunc(builtins, func(b builtin) bool { return b.name == name }) {
				return exitError{code: exitUsage, err: fmt.Errorf("%q cannot name a plugin of your own: it is built in", name), advice: "choose another name"}
			}
			if dir == "" {
				dir = host.Prefix + name
			}
			files, err := newModule(name, sdk)
			if err != nil {
				return err
			}
			if err := writeModule(dir, files); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "wrote a plugin to %s: see README.md there\n", diagnostic.Escape(dir))
			next := "build it: go build"
			if sdk == "" {
				next = "fetch what it is built with: go mod tidy\n" + next
			}
			_, err = fmt.Fprintln(a.out, next)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the `folder` to write to; without it, coppice-plugin-NAME here")
	c.Flags().StringVar(&sdk, "sdk", "", "build with the SDK of this `folder`, a checkout of coppice's source")
	return c
}

// newFile is a file to be written.
type newFile struct {
	name string
	data []byte
}

// newModule is the files of a plugin.
func newModule(name, sdk string) ([]newFile, error) {
	files, err := goModule(name, sdk)
	if err != nil {
		return nil, err
	}
	entries, err := starter.ReadDir("starter")
	if err != nil { // it is embedded
		panic(err)
	}
	for _, e := range entries {
		data, err := starter.ReadFile("starter/" + e.Name())
		if err != nil {
			panic(err)
		}
		to := strings.TrimSuffix(e.Name(), ".txt")
		if to == "gitignore" {
			to = ".gitignore"
		}
		files = append(files, newFile{to, []byte(strings.ReplaceAll(string(data), "NAME", name))})
	}
	return files, nil
}

// goModule is go.mod, and go.sum where it is known: a checkout has both, with all that the SDK is built with.
func goModule(name, sdk string) ([]newFile, error) {
	head := "module " + host.Prefix + name + "\n\ngo "
	if sdk == "" {
		v := "v" + strings.TrimPrefix(version(), "v")
		if strings.HasPrefix(v, "v0.0.0-dev") || strings.Contains(v, "+") || v == "vunknown" {
			return nil, exitError{code: exitUsage, err: errors.New("this coppice is no released version, whose SDK could be fetched"),
				advice: "name a checkout of its source: --sdk FOLDER"}
		}
		return []newFile{{"go.mod", []byte(head + "1.26.0\n\nrequire " + sdkModule + " " + v + "\n")}}, nil
	}
	sdk, err := filepath.Abs(sdk)
	if err != nil {
		return nil, exit(exitFailed, err)
	}
	mod, err := os.ReadFile(filepath.Join(sdk, "go.mod"))
	if err == nil && !strings.HasPrefix(string(mod), "module "+sdkModule+"\n") {
		err = fmt.Errorf("%s is not the module %s", sdk, sdkModule)
	}
	sum, sumErr := os.ReadFile(filepath.Join(sdk, "go.sum"))
	if err := errors.Join(err, sumErr); err != nil {
		return nil, exitError{code: exitUsage, err: fmt.Errorf("cannot use that SDK: %w", err), advice: "--sdk is the top folder of a checkout of coppice's source"}
	}
	goVersion, requires := requirements(string(mod))
	data := head + goVersion + "\n\nrequire " + sdkModule + " v0.0.0\n\nrequire (\n"
	for _, r := range requires {
		data += "\t" + r + " // indirect\n"
	}
	data += ")\n\nreplace " + sdkModule + " => " + quotePath(sdk) + "\n"
	return []newFile{{"go.mod", []byte(data)}, {"go.sum", sum}}, nil
}

// requirements are the version of Go and the modules that a go.mod names, as "PATH VERSION".
func requirements(mod string) (goVersion string, all []string) {
	inside := false
	for line := range strings.Lines(mod) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " //")
		switch {
		case strings.HasPrefix(line, "go "):
			goVersion = strings.TrimPrefix(line, "go ")
		case line == "require (":
			inside = true
		case line == ")":
			inside = false
		case inside && line != "":
			all = append(all, line)
		case strings.HasPrefix(line, "require "):
			all = append(all, strings.TrimPrefix(line, "require "))
		}
	}
	return goVersion, all
}

// quotePath writes a path as go.mod has it.
func quotePath(path string) string {
	if strings.ContainsAny(path, " \t\"'`(),[]{}") || strings.Contains(path, "//") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// writeModule writes files into a folder. If one of them is there already, nothing is written.
func writeModule(dir string, files []newFile) error {
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s is there already", filepath.Join(dir, f.name))
			}
			return exitError{code: exitFailed, err: err, advice: "choose another folder with --dir; nothing is overwritten"}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot make the folder: %w", err))
	}
	for _, f := range files {
		if err := create(filepath.Join(dir, f.name), f.data); err != nil {
			return exit(exitFailed, fmt.Errorf("cannot write the plugin: %w", err))
		}
	}
	return nil
}
