package script

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

type runPlan = sdk.Planned[Output, private]

// facts are what the decision to run a command rests on.
type facts struct {
	Needed  bool   `json:"needed,omitempty"`  // check says that there is something to do
	Preview string `json:"preview,omitempty"` // digest of what preview has told: it goes into plan files, and may hold a secret
}

// planRun decides whether a command is run, and tells what is known of what it would do.
func planRun(ctx context.Context, c *sdk.Call, in RunInput) (runPlan, error) {
	var planned runPlan
	declared, err := in.declaration()
	if err = errors.Join(in.valid(), program.Check("/check", in.Check, "", nil), program.Check("/preview", in.Preview, "", nil),
		program.CheckCodes("/changed", in.Changed), err); err != nil {
		return planned, err
	}
	// 0 would be for ever; and when a step is stopped, its plugin has 20 seconds.
	if d := time.Duration(in.StopAfter); d < time.Second || d > 15*time.Second {
		return planned, sdk.InvalidInput("/stop_after", "it is at least 1s and at most 15s")
	}
	if planned.Private.Program, err = find(in.Command[0], "/command/0"); err != nil {
		if !slices.ContainsFunc(c.Prior, func(c sdk.Change) bool { return c.Resource.Type == CommandType || c.Resource.Type == ChangeType }) {
			return planned, err
		}
		d := sdk.Diagnose(err)[0] // a command before this one may install it
		planned.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Path: d.Path, Summary: d.Summary + " yet", Advice: d.Advice}}
	}
	ask := c.Virtual == sdk.NotVirtual // at an instant that has not come nothing can be asked
	if ask && in.Check != nil {
		if done, err := check(ctx, c, in, declared, &planned); done || err != nil {
			return planned, err
		}
	}
	if ask && in.Preview != nil {
		err := preview(ctx, c, in, declared, &planned)
		return planned, err
	}
	change := sdk.Change{Kind: sdk.Run, Resource: sdk.Resource{Type: CommandType, Name: in.Command[0]}, Summary: program.Shown(in.Command)}
	change.Conditional = sometimes(in)
	planned.Changes, planned.Private.Changes = []sdk.Change{change}, 1
	unknown(&planned, declared)
	return planned, nil
}

// sometimes says when a command that has run well has changed something; "": always.
func sometimes(in RunInput) string {
	if len(in.Changed) == 0 {
		return ""
	}
	codes := make([]string, len(in.Changed))
	for i, code := range in.Changed {
		codes[i] = fmt.Sprint(code)
	}
	return "only if it ends with exit code " + strings.Join(codes, " or ")
}

// unknown are the outputs that only the run will tell: all that are declared and not there.
func unknown(planned *runPlan, declared *schema.Schema) {
	planned.Outputs.ExitCode = -1
	planned.Unknown = []string{"/" + exitCode}
	if declared == nil {
		return
	}
	told := planned.Outputs.Declared
	planned.Outputs.Declared = map[string]any{}
	for _, p := range declared.Properties {
		v, known := told[p.Name]
		if !known {
			planned.Unknown = append(planned.Unknown, "/"+schema.Escape(p.Name))
			v = p.Schema.Zero()
		}
		planned.Outputs.Declared[p.Name] = v
	}
}

// check asks whether there is anything to do; done: there is not, and planned says so.
func check(ctx context.Context, c *sdk.Call, in RunInput, declared *schema.Schema, planned *runPlan) (done bool, err error) {
	name := in.Check[0]
	e, err := consult(ctx, c, in.Program, in.Check, "/check", declared != nil)
	switch {
	case err != nil:
		return false, err
	case e.signal == "" && e.code == 1:
		planned.Facts = facts{Needed: true}
		return false, nil
	case e.signal != "" || e.code != 0:
		return false, failed(e, name, "/check", "with 0 it says that there is nothing to do, with 1 that there is")
	}
	planned.Summary = "nothing to do, says " + name
	if declared == nil {
		return true, nil
	}
	told, err := answer(e, name, "/check")
	if err == nil {
		planned.Outputs.Declared, err = fits(told, declared, name, "/check", false)
	}
	return true, err
}

// previewed is what a preview command writes.
type previewed struct {
	Changes []struct {
		Kind    sdk.Kind        `json:"kind"`
		Name    string          `json:"name"`
		Summary string          `json:"summary"`
		Reason  string          `json:"reason"`
		Before  json.RawMessage `json:"before"`
		After   json.RawMessage `json:"after"`
	} `json:"changes"`
	Outputs map[string]json.RawMessage `json:"outputs"`
	Summary string                     `json:"summary"`
}

// preview asks what would be done.
func preview(ctx context.Context, c *sdk.Call, in RunInput, declared *schema.Schema, planned *runPlan) error {
	name := in.Preview[0]
	e, err := consult(ctx, c, in.Program, in.Preview, "/preview", true)
	if err != nil {
		return err
	}
	if e.signal != "" || e.code != 0 {
		return failed(e, name, "/preview", "")
	}
	object, err := answer(e, name, "/preview")
	if err != nil {
		return err
	}
	told, err := readPreview(object, name)
	if err != nil {
		return err
	}
	for i, change := range told.Changes {
		if change.Name == "" || strings.ContainsRune(change.Name, 0) {
			return notPreview(name, "changes.%d has no name", i)
		}
		kind := change.Kind
		switch kind {
		case "":
			kind = sdk.Run
		case sdk.Create, sdk.Update, sdk.Delete, sdk.Run:
		default:
			return notPreview(name, "changes.%d has the kind %q; there are create, update, delete and run", i, kind)
		}
		planned.Changes = append(planned.Changes, sdk.Change{Kind: kind, Resource: sdk.Resource{Type: ChangeType, Scope: in.Command[0], Name: change.Name},
			Summary: change.Summary, Reason: change.Reason, Before: attributes(change.Before), After: attributes(change.After), Conditional: sometimes(in)})
	}
	planned.Summary = told.Summary
	planned.Facts = facts{Needed: in.Check != nil, Preview: digest(planned.Changes)}
	outputs, _ := object["outputs"].(map[string]any)
	if declared != nil {
		if outputs == nil {
			outputs = map[string]any{}
		}
		if planned.Outputs.Declared, err = fits(outputs, declared, name, "/preview", len(planned.Changes) > 0); err != nil {
			return err
		}
	}
	if planned.Private.Changes = len(planned.Changes); len(planned.Changes) > 0 {
		unknown(planned, declared)
	}
	return nil
}

func digest(changes []sdk.Change) string {
	data, err := json.Marshal(changes)
	if err != nil {
		panic(err) // they came from JSON
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// readPreview reads what a preview command has written, strictly: a name with a slip would be a change that nobody sees.
func readPreview(object map[string]any, name string) (previewed, error) {
	var told previewed
	data, err := json.Marshal(object)
	if err == nil {
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.DisallowUnknownFields()
		err = dec.Decode(&told)
	}
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return told, notPreview(name, "%s must not be a %s", kind.Field, kind.Value)
	case err != nil:
		return told, notPreview(name, "%s", strings.TrimPrefix(err.Error(), "json: "))
	case object["changes"] == nil:
		return told, notPreview(name, "the list of changes is missing; an empty one says that there is nothing to do")
	}
	return told, nil
}

func notPreview(name, format string, args ...any) error {
	return &sdk.Error{Reason: sdk.Failed, Path: "/preview", Summary: "what " + name + " wrote is no preview: " + fmt.Sprintf(format, args...),
		Advice: `it is {"changes": [{"kind": "create", "name": "…"}], "outputs": {…}, "summary": "…"}`}
}

// attributes are a JSON object or nothing.
func attributes(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	return raw
}
