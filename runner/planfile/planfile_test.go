package planfile

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
)

func program(t *testing.T) *check.Program {
	t.Helper()
	p, found := playbook.Parse("p.yaml", []byte(`
version: 1
name: p
inputs:
  keep: {type: duration, default: 30d}
  token: {type: string, secret: true, optional: true}
steps: [{uses: a.b}]
`))
	if found.HasErrors() {
		t.Fatal(found)
	}
	p.Steps = nil // no plugin is needed here
	checked, more := check.Check(p, nil, nil)
	if more.HasErrors() {
		t.Fatal(more)
	}
	return checked
}

func report(changes ...string) *engine.Report {
	r := &engine.Report{}
	s := engine.StepResult{Step: engine.StepRef{ID: "one"}, Status: engine.Changed, Fingerprint: json.RawMessage(`{"a": 1}`)}
	for _, c := range changes {
		s.Planned.Changes = append(s.Planned.Changes, sdk.Change{Kind: sdk.Delete, Resource: sdk.Resource{Type: "t", Scope: "s", Name: c, ID: "u-" + c}})
	}
	r.Steps = []engine.StepResult{s, {Step: engine.StepRef{ID: "two"}, Status: engine.OK, Conditional: "decided at run"}}
	return r
}

func steps(r *engine.Report) []Step {
	var all []Step
	for _, s := range r.Steps {
		all = append(all, StepOf(s))
	}
	return all
}

func TestRoundTripAndSecrets(t *testing.T) {
	p := program(t)
	inputs := map[string]any{"keep": 5, "token": "hunter2"}
	values, wrong := p.Resolve([]check.Given{{Name: "token", Value: playbook.Text("hunter2"), Origin: "-i"}})
	if wrong.HasErrors() {
		t.Fatal(wrong)
	}
	inputs = values
	f, err := New(p, []byte("text"), inputs, map[string]string{"a": "1"}, report("x"), []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "hunter2") {
		t.Error("the secret is in the file")
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := p.Restore(back.Saved, "the plan file", map[string]any{"token": "hunter2"})
	if err != nil || restored["keep"] != inputs["keep"] || restored["token"] != "hunter2" {
		t.Errorf("%v %v", restored, err)
	}
	for secret, want := range map[string]string{"": "give it again", "hunter3": "is not the one"} {
		given := map[string]any{}
		if secret != "" {
			given["token"] = secret
		}
		if _, err := p.Restore(back.Saved, "the plan file", given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	if got := CompareAll(back.Steps, steps(report("x"))); len(got) > 0 {
		t.Errorf("an unchanged machine: %+v", got)
	}
}

func TestCompare(t *testing.T) {
	saved := steps(report("x", "y"))
	for name, c := range map[string]struct {
		now  *engine.Report
		want []Difference
	}{
		"same":    {report("x", "y"), nil},
		"missing": {report("x"), []Difference{{"one", "a planned change would not be made", "delete t s y (u-y)", "nothing"}}},
		"more":    {report("x", "y", "z"), []Difference{{"one", "a change that was not planned", "nothing", "delete t s z (u-z)"}}},
		"facts": {func() *engine.Report {
			r := report("x", "y")
			r.Steps[0].Fingerprint = json.RawMessage(`{"a":2}`)
			return r
		}(), []Difference{{"one", "the facts that the decision rests on", "/a: 1", "/a: 2"}}},
		"outcome": {func() *engine.Report {
			r := report("x", "y")
			r.Steps[0].Status = engine.Failed
			return r
		}(), []Difference{{"one", "the outcome", "changed", "failed"}}},
		"conditional may do what it likes": {func() *engine.Report {
			r := report("x", "y")
			r.Steps[1].Planned.Changes = r.Steps[0].Planned.Changes
			return r
		}(), nil},
		"another one of the same name": {func() *engine.Report {
			r := report("x", "y")
			r.Steps[0].Planned.Changes[1].Resource.ID = "u-z"
			return r
		}(), []Difference{
			{"one", "a planned change would not be made", "delete t s y (u-y)", "nothing"},
			{"one", "a change that was not planned", "nothing", "delete t s y (u-z)"},
		}},
		"a step that is gone": {&engine.Report{Steps: report().Steps[1:]}, []Difference{{"one", "the step", "planned", "not there"}}},
	} {
		got := CompareAll(saved, steps(c.now))
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v", name, got[i])
			}
		}
	}
}

// What an earlier step was to make is named without an identity, and has one when that step has run.
func TestCompareWithWhatWasMade(t *testing.T) {
	r := report("x")
	r.Steps[0].Planned.Changes[0].Resource.ID = ""
	if got := CompareAll(steps(r), steps(report("x"))); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	if got := CompareAll(steps(report("x")), steps(r)); len(got) != 2 {
		t.Errorf("the other way round: %+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format":"coppice.planfile","version":1}`))
	f.Add([]byte(`{"format":"coppice.plan"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := Decode(data); err == nil && (p.Format != Format || p.Version != Version) {
			t.Error("another format was taken for a plan file")
		}
	})
}
