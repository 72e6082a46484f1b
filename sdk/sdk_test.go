package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"
)

type greetIn struct {
	Name string   `json:"name" min:"1"`
	Wait Duration `json:"wait" default:"1h30m"`
	Big  int64    `json:"big,omitempty"`
}

type greetOut struct {
	Text string   `json:"text"`
	Wait Duration `json:"wait"`
	Big  int64    `json:"big"`
}

func greeter(apply func(c *Call) error) *Plugin {
	return &Plugin{Name: "greet", Version: "1", Actions: []Action{
		Write(Info{Name: "say"}, Writer[greetIn, greetOut, string]{
			Plan: func(_ context.Context, c *Call, in greetIn) (Planned[greetOut, string], error) {
				return Planned[greetOut, string]{Changes: []Change{{Kind: Run, Resource: Resource{Type: "air", Name: in.Name}}},
					Outputs: greetOut{Wait: in.Wait, Big: in.Big}, Unknown: []string{"/text"}, Private: "hello " + in.Name,
					Facts: map[string]int{"a": 1}}, nil
			},
			Apply: func(_ context.Context, c *Call, in greetIn, private string) (greetOut, error) {
				err := apply(c)
				return greetOut{Text: private, Wait: in.Wait, Big: in.Big}, err
			},
		}),
		Read(Info{Name: "look"}, func(_ context.Context, c *Call, in struct{}) (Planned[greetOut, None], error) {
			return Planned[greetOut, None]{Outputs: greetOut{Text: fmt.Sprint(len(c.Prior), c.Instant.Unix())}}, nil
		}),
	}}
}

func TestTypedActionFromJSONToJSON(t *testing.T) {
	ctx := context.Background()
	p := greeter(func(c *Call) error {
		c.Logf("info", "n=%d", 1)
		c.Done(0)
		c.Summarize("said it")
		c.Warn(Diagnostic{Summary: "hoarse"})
		return nil
	})
	r := Request{Action: "say", Inputs: json.RawMessage(`{"name":"x","big":9223372036854775807}`)}
	plan, err := p.Plan(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(plan.Outputs); got != `{"text":"","wait":"1h30m","big":9223372036854775807}` {
		t.Errorf("outputs: %s", got)
	}
	if string(plan.Private) != `"hello x"` || string(plan.Fingerprint) != `{"a":1}` || plan.Unknown[0] != "/text" {
		t.Errorf("plan: %+v", plan)
	}
	// A plan can be stored between Plan and Apply.
	stored, _ := json.Marshal(plan)
	var back Plan
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	var events []Event
	result, err := p.Apply(ctx, r, &back, func(e Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0] != (Log{"info", "n=1"}) || events[1] != (Done{0}) {
		t.Errorf("events: %v", events)
	}
	if result.Summary != "said it" || len(result.Done) != 1 || len(result.Diagnostics) != 1 || result.Diagnostics[0] != Warning("hoarse") {
		t.Errorf("result: %+v", result)
	}
}

func TestReadSeesPriorAndInstant(t *testing.T) {
	p := greeter(nil)
	r := Request{Action: "look", Instant: time.Unix(42, 0), Prior: []Change{{Kind: Create}, {Kind: Delete}}}
	plan, err := p.Plan(context.Background(), r)
	if err != nil || string(plan.Outputs) != `{"text":"2 42","wait":"0s","big":0}` {
		t.Errorf("%v %+v", err, plan)
	}
	if _, err := p.Apply(context.Background(), r, plan, nil); err == nil {
		t.Error("a reading action was applied")
	}
}

func TestWrongInputsPointAtTheirPlace(t *testing.T) {
	p := greeter(nil)
	for data, want := range map[string]string{
		`{"name":""}`:                "/name",
		`{"name":"x","wait":"soon"}`: "/wait",
		`{"name":"x","other":1}`:     "/other",
		`{}`:                         "",
	} {
		_, err := p.Plan(context.Background(), Request{Action: "say", Inputs: json.RawMessage(data)})
		all := Diagnose(err)
		if len(all) != 1 || all[0].Reason != Invalid || all[0].Path != want {
			t.Errorf("%s: %+v", data, all)
		}
	}
	if _, err := p.Plan(context.Background(), Request{Action: "sing"}); err == nil {
		t.Error("an action that does not exist was planned")
	}
}

func TestDiagnose(t *testing.T) {
	cause := errors.New("cause")
	all := Diagnose(errors.Join(&Error{Reason: Drifted, Summary: "a", Path: "/x", Advice: "do", Err: cause}, errors.New("b")))
	want := []Diagnostic{
		{Severity: SeverityError, Reason: Drifted, Path: "/x", Summary: "a: cause", Advice: "do"},
		{Severity: SeverityError, Reason: Failed, Summary: "b"},
	}
	if len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
		t.Errorf("%+v", all)
	}
	if Diagnose(nil) != nil || HasErrors([]Diagnostic{Warning("w")}) || !HasErrors(all) {
		t.Error("errors and warnings are confused")
	}
}

func TestStoppedApplyIsCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	p := greeter(func(*Call) error { stop(); return ctx.Err() })
	r := Request{Action: "say", Inputs: json.RawMessage(`{"name":"x"}`)}
	plan, _ := p.Plan(ctx, r)
	result, err := p.Apply(ctx, r, plan, nil)
	if err != nil || result.Diagnostics[0].Reason != Cancelled {
		t.Errorf("%v %+v", err, result)
	}
}
