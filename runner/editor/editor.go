// Package editor says what an editor has to know to complete, explain and check playbooks while they are written: one
// JSON Schema of the language with the actions of all plugins inside.
//
// The schema accepts every playbook that coppice accepts. It can't find all mistakes that coppice finds: expressions are
// text to it. It is draft-07, which every YAML language server reads. The package is pure.
package editor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
)

// Schema is the JSON Schema of playbooks that use the described plugins, indented, with a newline at its end. Without any
// plugin the actions and their inputs are not checked.
func Schema(plugins []*sdk.Description) ([]byte, error) {
	var names, summaries []string
	var actions []object
	definitions := object{}
	for _, p := range plugins {
		for i := range p.Actions {
			info := &p.Actions[i]
			name := p.Name + "." + info.Name
			names, summaries = append(names, name), append(summaries, hover(info))
			definitions = append(definitions, member{name, inputs(info)})
			actions = append(actions, object{
				{"if", object{{"properties", object{{"uses", object{{"const", name}}}}}, {"required", []string{"uses"}}}},
				{"then", then(name, info)},
			})
		}
	}
	action := part(playbook.StepPart, []string{"uses"}, nil)
	if len(names) > 0 {
		uses := languageKeys()[playbook.StepPart]["uses"].with(member{"enum", names}, member{"enumDescriptions", summaries})
		action = part(playbook.StepPart, []string{"uses"}, map[string]object{"uses": uses}).with(member{"allOf", actions})
	}
	steps := described("A step: an action, a block of steps, or the call of a playbook.").with(member{"type", "object"},
		member{"if", object{{"required", []string{"block"}}}},
		member{"then", ref("block")},
		member{"else", object{
			{"if", object{{"required", []string{"playbook"}}}},
			{"then", ref("call")},
			{"else", ref("action")},
		}})
	definitions = append(object{
		{"step", steps},
		{"action", action},
		{"block", part(playbook.BlockPart, []string{"block"}, nil)},
		{"call", part(playbook.CallPart, []string{"playbook"}, nil)},
		{"retry", part(playbook.RetryPart, []string{"attempts"}, nil)},
		{"input", part(playbook.InputPart, []string{"type"}, nil)},
		{"schedule", part(playbook.SchedulePart, []string{"calendar"}, nil)},
	}, definitions...)
	whole := object{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"title", "Coppice playbook"},
	}.with(part(playbook.WholePart, []string{"version", "name", "steps"}, nil)...).with(member{"definitions", definitions})
	data, err := encode(whole)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// hover is what is shown of an action beside its name.
func hover(info *sdk.Info) string {
	effect := map[sdk.Effect]string{
		sdk.Reads: "It reads, and so runs in a preview too.", sdk.Writes: "It writes.", sdk.Destroys: "It can destroy.",
	}[info.Effect]
	return strings.TrimSpace(fmt.Sprintf("%s. %s\n\n%s", strings.TrimSuffix(info.Summary, "."), effect, info.Description))
}

// then is what a step with the action looks like.
func then(name string, info *sdk.Info) object {
	o := object{{"properties", object{
		{"uses", object{{"description", hover(info)}}},
		{"with", refer(name, "The inputs of "+name+".")},
	}}}
	if len(info.Inputs.Required) > 0 {
		o = append(o, member{"required", []string{"with"}})
	}
	return o
}

// inputs is the schema of what stands in `with`.
func inputs(info *sdk.Info) object {
	return strict(object{{"type", "object"}}, info.Inputs)
}

func described(text string) object { return object{{"description", text}} }

func ref(name string) object { return object{{"$ref", "#/definitions/" + name}} }

// refer is a reference with a description of its own: what stands beside a $ref counts for nothing in draft-07.
func refer(name, text string) object {
	return described(text).with(member{"allOf", []object{ref(name)}})
}
