package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/install/unitfile"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
)

// failedPlaybook sends a message that a unit has failed.
const failedPlaybook = `version: 1
name: unit-failed
inputs:
  url: {type: string, secret: true}
  unit: {type: string}
  what: {type: string}
steps:
  - id: tell
    uses: notify.send
    with:
      url: ${{ inputs.url }}
      title: ${{ inputs.unit }} has failed on ${{ host.name }}
      message: ${{ inputs.what }}
`

// failedCommand is what coppice-failed@.service calls. systemd says in its environment how the unit has ended, see OnFailure= in
// systemd.unit(5) and MONITOR_SERVICE_RESULT in systemd.exec(5).
func (a *app) failedCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:    "failed UNIT",
		Short:  "Tell that a unit has failed; systemd calls this",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(c *cobra.Command, args []string) error { return a.failed(c, args[0], to) },
	}
	c.Flags().StringVar(&to, "to", "", "a `file` with the URL that is told")
	return c
}

func (a *app) failed(c *cobra.Command, unit, to string) error {
	how := how(os.Getenv)
	fmt.Fprintf(a.complaints(syslogError), "coppice: %s has failed: %s\n  see what it has said: journalctl -u %[1]s\n  see what it has done: coppice runs\n",
		diagnostic.Escape(unit), diagnostic.Escape(how))
	if to == "" || toldItself(os.Getenv, unit) {
		return nil
	}
	s := a.session(c.Context())
	defer s.close()
	program, err := a.check(s.ctx, s.runner, found{"unit-failed.yaml", []byte(failedPlaybook)})
	if err != nil {
		return s.stopped(err)
	}
	inputs, err := a.resolve(program, inputFlags{values: []string{"url=@" + to, "unit=" + unit, "what=" + how}})
	if err != nil {
		return err
	}
	s.open(a.reporter(engine.ModeRun, a.reportOptions(program.Secrets(inputs))))
	result := s.runner.Execute(s.ctx, program, runner.Job{Mode: engine.ModeRun, Inputs: inputs, Facts: facts(), Emit: s.emit, Last: s.last, Pulse: &s.pulse})
	_ = s.closeReport() // a reader that has gone away does not make it a failure
	if code := runCode(result, s.signals.received()); code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// how is how a unit has ended, in words.
func how(getenv func(string) string) string {
	result := cmp.Or(getenv("MONITOR_SERVICE_RESULT"), "nobody knows how")
	status := getenv("MONITOR_EXIT_STATUS")
	switch {
	case result == "watchdog":
		return "it gave no sign of progress, and was ended"
	case result == "timeout":
		return "it took too long to start or to stop, and was ended"
	case result == "oom-kill":
		return "it was killed for lack of memory"
	case result == "exit-code" && meanings[status] != "":
		return "exit code " + status + ", " + meanings[status]
	case result == "exit-code":
		return "exit code " + status
	case (result == "signal" || result == "core-dump") && status != "":
		return "killed by SIG" + strings.TrimPrefix(status, "SIG")
	}
	return result
}

var meanings = map[string]string{
	"1": "a step failed", "64": "the command line is wrong", "65": "the playbook or its inputs are invalid", "69": "a plugin is missing or refused",
	"70": "a bug in coppice", "73": "the state folder can't be written to", "77": "not permitted", "124": "it took longer than its timeout",
}

// toldItself reports whether the run has come to its end, and so to its own on_failure, and whether that tells anybody.
func toldItself(getenv func(string) string, unit string) bool {
	status := getenv("MONITOR_EXIT_STATUS")
	if getenv("MONITOR_SERVICE_RESULT") != "exit-code" || status != "1" && status != "124" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(unitfile.Folder, filepath.Base(unit)))
	return err == nil && strings.Contains(string(text), "\n"+unitfile.TellsMark+"\n")
}
