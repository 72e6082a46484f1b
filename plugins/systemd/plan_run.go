package systemd

import (
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	for i, arg := range in.Command {
		if strings.ContainsRune(arg, 0) || !utf8.ValidString(arg) {
			return planned, sdk.InvalidInput(fmt.Sprintf("/command/%d", i), "an argument is UTF-8 text without zero bytes")
		}
	}
	if in.Directory != "" && !path.IsAbs(string(in.Directory)) {
		return planned, sdk.InvalidInput("/directory", "%q is no absolute path", in.Directory)
	}
	// 0 would be for ever; and when a step is stopped, its plugin has 20 seconds.
	if d := time.Duration(in.StopAfter); d < time.Second || d > 15*time.Second {
		return planned, sdk.InvalidInput("/stop_after", "it is at least 1s and at most 15s")
	}
	for i, code := range in.Success {
		if code < 0 || code > 255 {
			return planned, sdk.InvalidInput(fmt.Sprintf("/success/%d", i), "%d is no exit code: they are 0 to 255", code)
		}
	}
	for name, value := range in.Environment {
		if !isVariable(name) {
			return planned, sdk.InvalidInput("/environment", "%q is no name of a variable: letters, digits and _, no digit first", name)
		}
		if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
			return planned, sdk.InvalidInput("/environment", "the value of %s is not UTF-8 text without zero bytes", name)
		}
	}
	program, err := find(in.Command[0])
	if err != nil {
		e := sdk.InvalidInput("/command/0", "%v", err)
		e.Reason, e.Advice = sdk.Failed, "no shell looks at a command: to use one, write command: [sh, -c, …]"
		if !slices.ContainsFunc(c.Prior, func(c sdk.Change) bool { return c.Resource.Type == CommandType }) {
			return planned, e
		}
		// A command before this one may install it.
		planned.Diagnostics = append(planned.Diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: e.Path, Summary: e.Summary + " yet", Advice: e.Advice})
	}
	planned.Private = runPrivate{Unit: transientName(c.Run, c.Step, in), Program: program}
	planned.Outputs = RunOutput{Unit: planned.Private.Unit, ExitCode: -1}
	planned.Unknown = []string{"/exit_code", "/output", "/truncated"}
	planned.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: CommandType, Name: in.Command[0]}, Summary: shown(in.Command)}}
	return planned, nil
}

// isVariable reports whether systemd takes it as the name of a variable.
func isVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// shown is a command for people: what a shell would need quoted is.
func shown(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return strings.ContainsRune(" \t\n'\"\\$`;&|<>()*?[]#~!{}", r) }) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
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
