package unitfile

import (
	"testing"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// What a called playbook needs depends on what it is given, not on the inputs of the one that calls it.
func TestNeedsOfCalledPlaybooks(t *testing.T) {
	called := []byte(`
version: 1
name: told
inputs: {url: {type: string, optional: true}, folder: {type: path}}
vars: {there: "${{ inputs.folder }}/x"}
steps: [{uses: notify.metrics, with: {folder: "${{ vars.there }}"}}]
on_failure: [{if: inputs.url != nil, uses: notify.send}]
`)
	folder := &schema.Schema{Type: schema.Object, Properties: schema.Properties{{Name: "folder", Schema: &schema.Schema{Type: schema.String}}}}
	plugins := map[string]*sdk.Description{"notify": {Name: "notify", Actions: []sdk.Info{{Name: "send", Inputs: folder, Outputs: folder}, {Name: "metrics", Inputs: folder, Outputs: folder}}}}
	for given, network := range map[string]bool{"": false, `, url: "${{ inputs.to }}"`: true} {
		p, wrong := playbook.Parse("main.yaml", []byte("version: 1\nname: main\ninputs: {to: {type: string, default: x}}\nsteps:\n  - {playbook: told, with: {folder: /srv"+given+"}}\n"))
		wrong = append(wrong, playbook.Link(p, func(*playbook.Playbook, string) (playbook.Called, error) {
			return playbook.Called{File: "told.yaml", Data: called}, nil
		})...)
		program, more := check.Check(p, plugins, nil)
		if program == nil || wrong.HasErrors() {
			t.Fatal(wrong, more)
		}
		n := NeedsOf(program, map[string]any{"to": "x"})
		if n.Tells { // what is called tells of itself alone
			t.Errorf("with %q: %+v", given, n)
		}
		if n.Network != network || len(n.Writes) != 1 || n.Writes[0] != "/srv/x" || len(n.Foreign) > 0 {
			t.Errorf("with %q: %+v", given, n)
		}
	}
}

// Who tells of its own failure: in on_failure or always, and not only in numbers.
func TestTells(t *testing.T) {
	anything := &schema.Schema{Type: schema.Object}
	plugins := map[string]*sdk.Description{"notify": {Name: "notify"}}
	for _, action := range []string{"send", "metrics", "alertmanager", "ping"} {
		plugins["notify"].Actions = append(plugins["notify"].Actions, sdk.Info{Name: action, Inputs: anything, Outputs: anything})
	}
	for text, want := range map[string]bool{
		"steps: [{uses: notify.send}]":                                                             false,
		"steps: [{uses: notify.send}]\non_failure: [{uses: notify.send}]":                          true,
		"steps: [{uses: notify.send}]\non_failure: [{uses: notify.metrics}]":                       false,
		"steps: [{uses: notify.send}]\nalways: [{uses: notify.ping, if: error != nil}]":            true,
		"steps: [{uses: notify.send}]\nalways: [{uses: notify.alertmanager, if: inputs.a != nil}]": false,
		"steps: [{uses: notify.send}]\non_failure: [{block: [{uses: notify.send}]}]":               true,
	} {
		p, wrong := playbook.Parse("main.yaml", []byte("version: 1\nname: main\ninputs: {a: {type: string, optional: true}}\n"+text+"\n"))
		program, more := check.Check(p, plugins, nil)
		if program == nil || wrong.HasErrors() || more.HasErrors() {
			t.Fatal(text, wrong, more)
		}
		if got := NeedsOf(program, map[string]any{"a": nil}).Tells; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
