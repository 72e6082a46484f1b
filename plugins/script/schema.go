package script

import (
	"encoding/json"
	"maps"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Program is what both actions take: what is run, and what it gets and gives.
type Program struct {
	Command     []string                   `json:"command" min:"1" doc:"The program and its arguments. No shell looks at them. A program without a slash is looked for in the usual folders of programs."`
	Directory   sdk.Path                   `json:"directory,omitempty" doc:"The folder it runs in; left out: /."`
	Environment map[string]string          `json:"environment,omitempty" secret:"true" doc:"Variables of its environment. No plan or record has them."`
	Input       json.RawMessage            `json:"input,omitempty" secret:"true" doc:"Any value: the program reads it from its standard input, as JSON."`
	Stdin       *string                    `json:"stdin,omitempty" secret:"true" doc:"Text for its standard input, instead of input."`
	Outputs     map[string]json.RawMessage `json:"outputs,omitempty" doc:"Declares the outputs: a map of their names to their types, {files: int, newest: {type: timestamp, optional: true}, disks: {type: list, items: {type: object, fields: {name: string, size: size}}}}. See the guide to scripts."`
	Success     []int64                    `json:"success,omitempty" doc:"The exit codes that count as success; left out: 0."`
}

// RunInput is the input of script.run.
type RunInput struct {
	Program
	Changed   []int64      `json:"changed,omitempty" doc:"The exit codes of success after which something has changed; after another one of success nothing has. Left out: something always has."`
	Check     []string     `json:"check,omitempty" min:"1" doc:"A command that says whether there is anything to do, and only reads: with exit code 0 there is nothing to do, with 1 there is. With 0 it writes the declared outputs."`
	Preview   []string     `json:"preview,omitempty" min:"1" doc:"A command that says what would be done, and only reads: it writes {\"changes\": [{\"kind\": \"create\", \"name\": \"…\", \"summary\": \"…\", \"reason\": \"…\"}], \"outputs\": {…}, \"summary\": \"…\"}. kind is create, update, delete or run. Only name is required. No changes: there is nothing to do, and all outputs must be there. Outputs that it does not tell are known after the run."`
	StopAfter sdk.Duration `json:"stop_after" default:"10s" doc:"How long it may take to end when the step is stopped, before it is killed: 1s to 15s."`
}

// ReadInput is the input of script.read.
type ReadInput struct{ Program }

// Output is the output of both actions: the exit code and what the playbook declares.
type Output struct {
	ExitCode int64
	Declared map[string]any // decoded JSON that fits the declaration
	absent   bool           // there are none: the command has failed
}

// JSONSchema implements schema.Described.
func (Output) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.Object, Required: []string{exitCode}, DeclaredBy: "outputs",
		Properties: schema.Properties{{Name: exitCode, Schema: &schema.Schema{Type: schema.Integer,
			Description: "Its exit code; that of check where that has found nothing to do; -1 if it did not come to an end by itself. All other outputs are those that the playbook declares."}}}}
}

const exitCode = "exit_code"

// MarshalJSON writes all outputs side by side.
func (o Output) MarshalJSON() ([]byte, error) {
	if o.absent {
		return []byte("null"), nil
	}
	members := maps.Clone(o.Declared)
	if members == nil {
		members = map[string]any{}
	}
	members[exitCode] = o.ExitCode
	return json.Marshal(members)
}

// private is what Apply needs beside the inputs.
type private struct {
	Program string // where it is; "": nowhere yet
	Changes int    // how many were planned
}
