package sdk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// call plans an action, and applies the plan unless there is nothing to do, as a run does.
func call(ctx context.Context, a sdk.Action, inputs string, prior ...sdk.Change) {
	p := &sdk.Plugin{Name: "example", Version: "1", Actions: []sdk.Action{a}}
	d, _ := p.Describe(ctx)
	r := sdk.Request{ID: "1", Action: d.Actions[0].Name, Inputs: json.RawMessage(inputs), Instant: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Prior: prior}
	plan, err := p.Plan(ctx, r)
	if err != nil {
		for _, d := range sdk.Diagnose(err) {
			fmt.Println("refused:", d.Path, d.Summary)
		}
		return
	}
	for _, c := range plan.Changes {
		fmt.Println("would", c.Kind, c.Resource.Name)
	}
	if len(plan.Changes) == 0 {
		fmt.Println("nothing to do, outputs:", string(plan.Outputs))
		return
	}
	result, err := p.Apply(ctx, r, plan, func(e sdk.Event) { fmt.Printf("%T %+v\n", e, e) })
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	for _, d := range result.Diagnostics {
		fmt.Println(d.Severity, d.Reason, d.Summary)
	}
	fmt.Println("outputs:", string(result.Outputs))
}

// An action is a function from a struct to a struct. Schemas, documentation and checks follow from the types and their tags.
func ExampleRead() {
	type in struct {
		Words []string `json:"words" min:"1" doc:"What is counted."`
	}
	type out struct {
		Letters int `json:"letters" doc:"How many there are in all of them."`
	}
	action := sdk.Read(sdk.Info{Name: "count", Summary: "Count letters"}, func(_ context.Context, _ *sdk.Call, i in) (sdk.Planned[out, sdk.None], error) {
		return sdk.Planned[out, sdk.None]{Outputs: out{len(strings.Join(i.Words, ""))}}, nil
	})
	call(context.Background(), action, `{"words": ["two", "words"]}`)
	call(context.Background(), action, `{"words": []}`)
	// Output:
	// nothing to do, outputs: {"letters":8}
	// refused: /words needs 1 or more items, has 0
}

type wish struct {
	Name string `json:"name" doc:"Of the light."`
}

type light struct {
	On bool `json:"on" doc:"Whether it is on."`
}

var lights = map[string]bool{}

// A writing action decides in Plan and acts in Apply. Plan lays the changes that earlier steps of a preview have planned over
// what it sees, so that the second of two steps finds nothing left to do.
func ExampleWrite() {
	plan := func(_ context.Context, c *sdk.Call, in wish) (sdk.Planned[light, sdk.None], error) {
		is := light{lights[in.Name]}
		for _, prior := range c.Prior { // the overlay
			if prior.Resource.Type == "example.light" && prior.Resource.Name == in.Name {
				_ = json.Unmarshal(prior.After, &is)
			}
		}
		p := sdk.Planned[light, sdk.None]{Outputs: light{true}, Facts: is}
		if !is.On {
			p.Changes = []sdk.Change{{Kind: sdk.Update, Resource: sdk.Resource{Type: "example.light", Name: in.Name},
				Before: json.RawMessage(`{"on":false}`), After: json.RawMessage(`{"on":true}`)}}
		}
		return p, nil
	}
	action := sdk.Write(sdk.Info{Name: "switch_on", Summary: "Switch a light on", Converges: true}, sdk.Writer[wish, light, sdk.None]{
		Plan: plan,
		Apply: func(_ context.Context, c *sdk.Call, in wish, _ sdk.None) (light, error) {
			if !lights[in.Name] { // applied twice, a plan changes nothing the second time
				lights[in.Name] = true
				c.Done(0)
			}
			return light{true}, nil
		},
	})
	call(context.Background(), action, `{"name": "hall"}`)
	call(context.Background(), action, `{"name": "hall"}`)
	call(context.Background(), action, `{"name": "yard"}`, sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: "example.light", Name: "yard"}, After: json.RawMessage(`{"on":true}`)})
	// Output:
	// would update hall
	// sdk.Done {Change:0}
	// outputs: {"on":true}
	// nothing to do, outputs: {"on":true}
	// nothing to do, outputs: {"on":true}
}

// running makes an action that only runs something.
func running(do func(ctx context.Context, c *sdk.Call) error) sdk.Action {
	return sdk.Write(sdk.Info{Name: "work", Summary: "Work"}, sdk.Writer[struct{}, struct{}, sdk.None]{
		Plan: func(context.Context, *sdk.Call, struct{}) (p sdk.Planned[struct{}, sdk.None], err error) {
			p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: "example.work", Name: "work"}}}
			return p, nil
		},
		Apply: func(ctx context.Context, c *sdk.Call, _ struct{}, _ sdk.None) (struct{}, error) {
			return struct{}{}, do(ctx, c)
		},
	})
}

// Apply tells how far it is. What it logs goes to the run's log.
func ExampleCall_Progress() {
	call(context.Background(), running(func(_ context.Context, c *sdk.Call) error {
		for n := range int64(2) {
			c.Progress(sdk.Progress{Current: n + 1, Total: 2, Unit: "files"})
		}
		c.Logf("info", "both are copied")
		c.Done(0)
		return nil
	}), `{}`)
	// Output:
	// would run work
	// sdk.Progress {Current:1 Total:2 Unit:files Message:}
	// sdk.Progress {Current:2 Total:2 Unit:files Message:}
	// sdk.Log {Level:info Message:both are copied}
	// sdk.Done {Change:0}
	// outputs: {}
}

// When the run is stopped, the context of Apply ends. Apply cleans up and returns the context's error.
func ExampleWriter_cancellation() {
	ctx, stop := context.WithCancel(context.Background())
	call(ctx, running(func(ctx context.Context, c *sdk.Call) error {
		stop() // as the runner does when somebody presses Ctrl-C
		<-ctx.Done()
		c.Logf("info", "what was half done is undone")
		return ctx.Err()
	}), `{}`)
	// Output:
	// would run work
	// sdk.Log {Level:info Message:what was half done is undone}
	// error cancelled stopped on request: context canceled
	// outputs: {}
}

// A field with the tag secret is masked wherever the runner shows inputs. The plugin gets it in the clear, and must not put it into a summary,
// a change, an output or a message: what the system says in an error may well hold it.
func ExampleInvalidInput_secret() {
	type in struct {
		Token string `json:"token" secret:"true" doc:"Of the service."`
	}
	action := sdk.Read(sdk.Info{Name: "log_in", Summary: "Log in"}, func(_ context.Context, _ *sdk.Call, i in) (p sdk.Planned[struct{}, sdk.None], err error) {
		if !strings.HasPrefix(i.Token, "tk-") {
			return p, sdk.InvalidInput("/token", "a token starts with tk-") // and not with what it does start with
		}
		return p, nil
	})
	call(context.Background(), action, `{"token": "hunter2"}`)
	// Output:
	// refused: /token a token starts with tk-
}

// A program that an action starts ends with the action: its context kills it. It stays in the plugin's process group, which the runner kills
// with the plugin; no Setsid, no Setpgid.
func ExampleWriter_childProcesses() {
	call(context.Background(), running(func(ctx context.Context, c *sdk.Call) error {
		cmd := exec.CommandContext(ctx, "echo", "from a program")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // ask, and kill only after a while
		cmd.WaitDelay = 5 * time.Second
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("cannot run echo: %w", err)
		}
		c.Logf("info", "%s", strings.TrimSpace(string(out)))
		c.Done(0)
		return nil
	}), `{}`)
	// Output:
	// would run work
	// sdk.Log {Level:info Message:from a program}
	// sdk.Done {Change:0}
	// outputs: {}
}
