package script

import (
	"context"
	"slices"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

func applyRun(ctx context.Context, c *sdk.Call, in RunInput, planned private) (Output, error) {
	out := Output{absent: true} // rather than values that say nothing
	declared, err := in.declaration()
	if err != nil {
		return out, err
	}
	if done, what, err := already(ctx, c, in, declared); done || err != nil {
		if err != nil {
			return out, err
		}
		c.Summarize("nothing left to do")
		return what, nil
	}
	name, file := in.Command[0], planned.Program
	if file == "" {
		if file, err = find(name, "/command/0"); err != nil {
			return out, err
		}
	}
	p := &process{file: file, command: in.Command, call: c, in: in.Program, keep: declared != nil, stopAfter: time.Duration(in.StopAfter),
		log: func(line string) { c.Logf("info", "%s", line) }}
	e, err := p.run(ctx)
	switch {
	case err != nil:
		return out, &sdk.Error{Reason: sdk.Failed, Path: "/command", Summary: "cannot run " + name, Err: err}
	case e.stopped:
		return out, &sdk.Error{Reason: sdk.Cancelled, Path: "/command", Summary: name + " was stopped"}
	}
	if e.signal != "" || !in.success(e.code, in.Changed) {
		return out, failed(e, name, "/command", "success lists the exit codes that are none")
	}
	c.Summarize("exit code %d", e.code)
	if len(in.Changed) == 0 || slices.Contains(in.Changed, e.code) {
		for i := range planned.Changes {
			c.Done(i)
		}
	}
	if declared == nil {
		return Output{ExitCode: e.code}, nil
	}
	told, err := answer(e, name, "/command")
	if err != nil {
		return out, err
	}
	if told, err = fits(told, declared, name, "/command", false); err != nil {
		return out, err
	}
	return Output{ExitCode: e.code, Declared: told}, nil
}

// already asks the commands that can tell whether what was planned has been done meanwhile: the same plan may be applied twice, after
// an interruption. out are the outputs then.
func already(ctx context.Context, c *sdk.Call, in RunInput, declared *schema.Schema) (done bool, out Output, err error) {
	var now runPlan
	if in.Check != nil {
		if done, err = check(ctx, c, in, declared, &now); done || err != nil {
			return done, now.Outputs, err
		}
	}
	if in.Preview == nil {
		return false, out, nil
	}
	err = preview(ctx, c, in, declared, &now)
	return err == nil && len(now.Changes) == 0, now.Outputs, err
}
