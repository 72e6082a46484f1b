package editor

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// descriptions are two plugins, as small as they can be with every form of input.
func descriptions() []*sdk.Description {
	ten := int64(10)
	inputs := &schema.Schema{Type: schema.Object, Required: []string{"filesystem"}, Properties: schema.Properties{
		{Name: "filesystem", Schema: &schema.Schema{Type: schema.String, Kind: schema.Filesystem, Description: "Any path on it."}},
		{Name: "count", Schema: &schema.Schema{Type: schema.Integer, Maximum: &ten}},
		{Name: "free", Schema: &schema.Schema{Type: schema.Integer, Kind: schema.Size}},
		{Name: "within", Schema: &schema.Schema{Type: schema.String, Kind: schema.Duration, Default: json.RawMessage(`"0s"`)}},
		{Name: "mode", Schema: &schema.Schema{Type: schema.String, Enum: []string{"fast", "slow"}}},
		{Name: "force", Schema: &schema.Schema{Type: schema.Boolean}},
		{Name: "names", Schema: &schema.Schema{Type: schema.Array, Items: &schema.Schema{Type: schema.String}}},
		{Name: "keep", Schema: &schema.Schema{Type: schema.Object, Values: &schema.Schema{Type: schema.Integer}}},
		{Name: "sets", Schema: &schema.Schema{Type: schema.Array, Items: &schema.Schema{Type: schema.Object, Required: []string{"path"},
			Properties: schema.Properties{{Name: "path", Schema: &schema.Schema{Type: schema.String}}}}}},
	}}
	empty := &schema.Schema{Type: schema.Object}
	return []*sdk.Description{
		{Name: "disk", Actions: []sdk.Info{{Name: "look", Summary: "Look at it", Description: "With care.", Effect: sdk.Reads, Inputs: inputs, Outputs: empty}}},
		{Name: "bell", Actions: []sdk.Info{{Name: "ring", Summary: "Ring", Effect: sdk.Writes, Inputs: empty, Outputs: empty}}},
	}
}

// compile makes a function that tells what is wrong with the text of a playbook.
func compile(t *testing.T, text []byte) func(playbook string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("playbook", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("playbook")
	if err != nil {
		t.Fatal(err)
	}
	return func(playbook string) error {
		var value any
		if err := yaml.Unmarshal([]byte(playbook), &value); err != nil {
			t.Fatal(err)
		}
		return s.Validate(datesAreText(value))
	}
}

// datesAreText undoes what YAML 1.1 makes of 2026-01-31; editors read YAML 1.2.
func datesAreText(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.Format(time.DateOnly)
	case []any:
		for i := range v {
			v[i] = datesAreText(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = datesAreText(v[key])
		}
	}
	return value
}

const head = "version: 1\nname: x\n"

func TestWhatFits(t *testing.T) {
	text, err := Schema(descriptions())
	if err != nil {
		t.Fatal(err)
	}
	check := compile(t, text)
	step := func(with string) string {
		return head + "steps: [{uses: disk.look, with: {filesystem: /, " + with + "}}]"
	}
	for _, good := range []string{
		head + "steps: [{uses: bell.ring}]",
		step("count: 10"), step(`count: "${{ inputs.n }}"`), step("free: 4096"), step("free: 4KiB"), step("within: 30d"),
		step("mode: slow"), step(`mode: "${{ 1 }}"`), step("force: true"), step("names: [a, 7, no]"), step(`names: "${{ x }}"`),
		step("keep: {a: 1}"), step("sets: [{path: a}]"), step(`sets: ["${{ x }}"]`),
		head + "steps: [{if: true, block: [{uses: bell.ring}], rescue: [{uses: bell.ring}]}]",
		head + "inputs: {n: {type: list, items: int, default: [1]}}\nsteps: [{uses: bell.ring, retry: {attempts: 2}}]",
	} {
		if err := check(good); err != nil {
			t.Errorf("%s\n%v", good, err)
		}
	}
	for _, bad := range []string{
		"name: x\nsteps: [{uses: bell.ring}]", head, head + "steps: []", head + "steps: [{uses: bell.rung}]",
		head + "step: []\nsteps: [{uses: bell.ring}]", head + "steps: [{uses: disk.look}]", head + "steps: [{uses: bell.ring, with: {a: 1}}]",
		step("count: 11"), step("count: many"), step("mode: quick"), step("force: maybe"), step("nam: [a]"), step("keep: {a: b}"),
		step("sets: [{pat: a}]"), step("sets: [{}]"), step("within: long"),
		head + "steps: [{block: [{uses: bell.ring}], uses: bell.ring}]", head + "steps: [{block: []}]",
		head + "inputs: {n: {type: text}}\nsteps: [{uses: bell.ring}]", head + "inputs: {N: {type: int}}\nsteps: [{uses: bell.ring}]",
		head + "steps: [{uses: bell.ring, retry: {attempts: 1}}]", head + "steps: [{uses: bell.ring, max_parallel: 65}]",
	} {
		if check(bad) == nil {
			t.Errorf("nothing wrong found in:\n%s", bad)
		}
	}
}

// TestKeys: each key of the language is explained, and nothing else is.
func TestKeys(t *testing.T) {
	all := languageKeys()
	for _, of := range []playbook.Part{playbook.WholePart, playbook.SchedulePart, playbook.InputPart, playbook.StepPart, playbook.BlockPart, playbook.RetryPart} {
		keys := playbook.Keys(of)
		explained := slices.Collect(maps.Keys(all[of]))
		slices.Sort(keys)
		slices.Sort(explained)
		if len(keys) == 0 || !slices.Equal(keys, explained) {
			t.Errorf("%s: the language has %q, the schema explains %q", of, keys, explained)
		}
		for key, o := range all[of] {
			if text, _ := o[0].value.(string); o[0].key != "description" || text == "" {
				t.Errorf("%s: %s has no description", of, key)
			}
		}
	}
}

// What coppice accepts, the editor accepts: the shape, since the actions of these files are made up.
func TestLanguageExamples(t *testing.T) {
	text, err := Schema(nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../playbook/testdata/good/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	check := compile(t, text)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(string(data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, name := range playbooks.Names() {
		data, _ := playbooks.Read(name)
		if err := check(string(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
