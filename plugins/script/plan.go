package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
)

// valid says what is wrong with the inputs that both actions have.
func (in Program) valid() error {
	if err := program.Check("/command", in.Command, "/environment", in.Environment); err != nil {
		return err
	}
	if in.Directory != "" && !path.IsAbs(string(in.Directory)) {
		return sdk.InvalidInput("/directory", "%q is no absolute path", in.Directory)
	}
	if in.Input != nil && in.Stdin != nil {
		return sdk.InvalidInput("/stdin", "a program has one standard input: give input or stdin")
	}
	return program.CheckCodes("/success", in.Success)
}

// success reports whether an exit code counts as success; changed are further ones.
func (in Program) success(code int64, changed []int64) bool {
	return len(in.Success) == 0 && code == 0 || slices.Contains(in.Success, code) || slices.Contains(changed, code)
}

// failed is the error for a command that has not ended well; advice may be empty.
func failed(e ended, name, path, advice string) error {
	text := fmt.Sprintf("%s ended with exit code %d", name, e.code)
	if e.signal != "" {
		text = fmt.Sprintf("%s was ended by a signal: %s", name, e.signal)
		advice = ""
	}
	if e.last != "" {
		text += fmt.Sprintf("; it last said %q", beginning([]byte(e.last)))
	}
	return &sdk.Error{Reason: sdk.Failed, Path: path, Summary: text, Advice: advice}
}

// find is where a program is; path is the input with its name.
func find(name, path string) (string, error) {
	file, err := program.Find(name)
	if err != nil {
		return "", &sdk.Error{Reason: sdk.Failed, Path: path, Summary: err.Error(), Advice: program.NoShell}
	}
	return file, nil
}

// logged is where lines go that belong to no running step: the runner logs what a plugin writes there.
var logged io.Writer = os.Stderr

// consult runs a command that only reads.
func consult(ctx context.Context, c *sdk.Call, in Program, command []string, path string, keep bool) (ended, error) {
	file, err := find(command[0], path+"/0")
	if err != nil {
		return ended{}, err
	}
	p := &process{file: file, command: command, call: c, in: in, keep: keep, readOnly: true, log: func(line string) { fmt.Fprintln(logged, line) }}
	e, err := p.run(ctx)
	switch {
	case ctx.Err() != nil:
		return e, ctx.Err()
	case err != nil:
		return e, &sdk.Error{Reason: sdk.Failed, Path: path, Summary: "cannot run " + command[0], Err: err}
	}
	return e, nil
}

// planRead runs a command that only reads, and tells its outputs.
func planRead(ctx context.Context, c *sdk.Call, in ReadInput) (sdk.Planned[Output, sdk.None], error) {
	var planned sdk.Planned[Output, sdk.None]
	declared, err := in.declaration()
	if err = errors.Join(in.valid(), err); err != nil {
		return planned, err
	}
	e, err := consult(ctx, c, in.Program, in.Command, "/command", declared != nil)
	if err != nil {
		return planned, err
	}
	name := in.Command[0]
	if e.signal != "" || !in.success(e.code, nil) {
		return planned, failed(e, name, "/command", "success lists the exit codes that are none")
	}
	planned.Outputs.ExitCode = e.code
	planned.Summary = fmt.Sprintf("exit code %d", e.code)
	if declared == nil {
		return planned, nil
	}
	told, err := answer(e, name, "/command")
	if err == nil {
		planned.Outputs.Declared, err = fits(told, declared, name, "/command", false)
	}
	return planned, err
}
