package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/plugintest"
)

func (a *app) pluginTestCommand() *cobra.Command {
	file := ""
	c := &cobra.Command{
		Use:   "test BINARY",
		Short: "Hold a plugin against the contract",
		Long: "Start an executable as a run would, call it as a run would, and report each promise of the plugin contract that it does\n" +
			"not keep. Without cases its actions only have to describe themselves and to refuse what does not fit their schemas; with\n" +
			"cases they are planned and applied, for real and several times: on a machine, or in a folder, that may be changed.",
		Example: "  coppice plugin test ./coppice-plugin-motd\n  coppice plugin test ./coppice-plugin-motd --cases cases.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := plugintest.Options{Command: args}
			o.Name, _ = strings.CutPrefix(filepath.Base(args[0]), host.Prefix)
			if o.Name == filepath.Base(args[0]) {
				o.Name = "" // before it is installed it may be called anything
			}
			if _, err := exec.LookPath(args[0]); err != nil {
				return exitError{code: exitPlugin, err: fmt.Errorf("cannot start %s: %w", args[0], err),
					advice: "give the path of an executable, with a / in it"}
			}
			dir, err := os.MkdirTemp("", "coppice-plugin-test-")
			if err != nil {
				return exit(exitFailed, err)
			}
			defer os.RemoveAll(dir)
			if file != "" {
				if o.Cases, err = a.cases(file, dir); err != nil {
					return err
				}
			}
			report := plugintest.Test(c.Context(), o)
			return a.printConformance(report)
		},
	}
	c.Flags().StringVar(&file, "cases", "", "a YAML `file` of cases: inputs to plan and to apply actions with")
	return c
}

// cases reads a file of cases. Mistakes are printed.
func (a *app) cases(file, dir string) ([]plugintest.Case, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, unreadable("cases", err)
	}
	values, mistakes := playbook.ParseInputs(file, data)
	a.diagnose(mistakes, diagnostic.NewSource(file, data))
	if mistakes.HasErrors() {
		return nil, exit(exitInvalid, nil)
	}
	text, err := json.Marshal(jsonOf(values))
	if err != nil {
		return nil, exit(exitInvalid, err)
	}
	cases, err := plugintest.ParseCases(text, dir)
	if err != nil {
		return nil, exit(exitInvalid, fmt.Errorf("%s: %w", file, err))
	}
	return cases, nil
}

// jsonOf is a value of YAML as JSON has it.
func jsonOf(v playbook.Value) any {
	switch v := v.(type) {
	case playbook.Map:
		object := map[string]any{}
		for _, e := range v.Entries {
			object[e.Key] = jsonOf(e.Value)
		}
		return object
	case playbook.List:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, jsonOf(item))
		}
		return list
	case playbook.Scalar:
		return playbook.Literal(v)
	}
	return nil
}

func (a *app) printConformance(r *plugintest.Report) error {
	failed := r.Failed()
	code := exitOK
	if len(failed) > 0 {
		code = exitFailed
	}
	if !r.Started() {
		code = exitPlugin
	}
	done := exit(code, nil)
	if code == exitOK {
		done = nil
	}
	if a.json {
		return errors.Join(a.document("coppice.plugin-test", "test", r), done)
	}
	for _, c := range plugintest.Checks() {
		printCheck(a.out, c, r.Findings)
	}
	name := diagnostic.Escape(strings.TrimSpace(r.Plugin + " " + r.Version))
	switch {
	case code == exitPlugin:
		fmt.Fprintln(a.out, "\nthere is no plugin to test")
	case len(failed) > 0:
		fmt.Fprintf(a.out, "\n%s does not keep the contract; problems: %d\n", name, len(failed))
	default:
		fmt.Fprintf(a.out, "\n%s keeps the contract\n", name)
	}
	if len(r.Untested) > 0 {
		fmt.Fprintf(a.out, "hardly tested, for want of a case: %s\n", diagnostic.Escape(join(r.Untested)))
	}
	return done
}

// printCheck prints a check that was made: one line, and what it has found below it.
func printCheck(w io.Writer, c plugintest.Check, all []plugintest.Finding) {
	var on []string
	var failed []plugintest.Finding
	made := false
	for _, f := range all {
		if f.Check != c.Name {
			continue
		}
		made = true
		if f.Problem != "" {
			failed = append(failed, f)
		} else if f.On != "" {
			on = append(on, f.On)
		}
	}
	switch {
	case !made:
		return
	case len(failed) == 0:
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("✓ %-20s %s", c.Name, diagnostic.Escape(strings.Join(on, ", "))), " "))
		return
	}
	fmt.Fprintf(w, "✗ %s\n%s\n", c.Name, wrap(c.Text, 96, "    "))
	for _, f := range failed {
		prefix := ""
		if f.On != "" {
			prefix = f.On + ": "
		}
		for i, line := range strings.Split(prefix+f.Problem, "\n") {
			if i == 0 {
				line = "→ " + line
			} else {
				line = "  " + line
			}
			fmt.Fprintln(w, "    "+diagnostic.Escape(line))
		}
	}
}
