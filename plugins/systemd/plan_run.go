package systemd

import (
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
)

// runPrivate is what Apply needs beside the inputs.
type runPrivate struct {
	Unit    string
	Program string
}

type runPlan = sdk.Planned[RunOutput, runPrivate]

// planRun decides what is run. find is where a program is: an error says why it can't be run.
func planRun(c *sdk.Call, in RunInput, find func(string) (string, error)) (runPlan, error) {
	var planned runPlan
	if err := program.Check("/command", in.Command, "/environment", in.Environment); err != nil {
		return planned, err
	}
	if err := program.CheckCodes("/success", in.Success); err != nil {
		return planned, err
	}
	if in.Directory != "" && !path.IsAbs(string(in.Directory)) {
		return planned, sdk.InvalidInput("/directory", "%q is no absolute path", in.Directory)
	}
	// 0 would be for ever; and when a step is stopped, its plugin has 20 seconds.
	if d := time.Duration(in.StopAfter); d < time.Second || d > 15*time.Second {
		return planned, sdk.InvalidInput("/stop_after", "it is at least 1s and at most 15s")
	}
	file, err := find(in.Command[0])
	if err != nil {
		e := sdk.InvalidInput("/command/0", "%v", err)
		e.Reason, e.Advice = sdk.Failed, program.NoShell
		if !slices.ContainsFunc(c.Prior, func(c sdk.Change) bool { return c.Resource.Type == CommandType }) {
			return planned, e
		}
		// A command before this one may install it.
		planned.Diagnostics = append(planned.Diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: e.Path, Summary: e.Summary + " yet", Advice: e.Advice})
	}
	planned.Private = runPrivate{Unit: transientName(c.Run, c.Step, in), Program: file}
	planned.Outputs = RunOutput{Unit: planned.Private.Unit, ExitCode: -1}
	planned.Unknown = []string{"/exit_code", "/output", "/truncated"}
	planned.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: CommandType, Name: in.Command[0]}, Summary: program.Shown(in.Command)}}
	return planned, nil
}

// transientName is the name of the unit of a step of a run. It is the same when the run is resumed: what an attempt that was
// cut off has left behind is then seen. The commands of the items of one step differ.
func transientName(run, step string, in RunInput) string {
	const room = longest - len("coppice-") - len("-12345678.service")
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:.\@`, r) || !strings.ContainsRune(legal, r) {
			return '_'
		}
		return r
	}, run+"-"+step)
	if len(name) > room {
		name = name[:room]
	}
	hash := fnv.New32a()
	for _, part := range append([]string{string(in.Directory), in.User, in.Group}, in.Command...) {
		hash.Write(append([]byte(part), 0))
	}
	return fmt.Sprintf("coppice-%s-%08x.service", name, hash.Sum32())
}

// environmentFile is the content of a file that systemd reads variables from, see systemd.exec(5). Sorted.
func environmentFile(variables map[string]string) string {
	var b strings.Builder
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + `="`)
		for _, r := range variables[name] {
			if strings.ContainsRune("\"\\`$", r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		b.WriteString("\"\n")
	}
	return b.String()
}
