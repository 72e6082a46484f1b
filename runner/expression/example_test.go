package expression_test

import (
	"context"
	"fmt"

	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/sdk/schema"
	"github.com/hbohlen/coppice/sdk/unit"
)

func Example() {
	units := expression.Units{ParseDuration: unit.ParseDuration, FormatDuration: unit.FormatDuration,
		ParseSize: unit.ParseSize, ParseTimestamp: unit.ParseTimestamp}
	out := &schema.Schema{Type: schema.Object, Required: []string{"paths"}, Properties: schema.Properties{
		{Name: "paths", Schema: &schema.Schema{Type: schema.Array, Items: &schema.Schema{Type: schema.String, Kind: schema.Path}}}}}
	scope := expression.Scope{Units: units, Names: []expression.Field{{Name: "steps", Type: expression.Record(
		expression.Field{Name: "take", Type: expression.Record(
			expression.Field{Name: "outputs", Type: expression.TypeOf(out).MaybeSkipped("step take may be skipped")})})}}}

	_, problems := expression.CompileTemplate("${{ len(steps.take.outputs.paths) }}", scope)
	fmt.Println(problems[0].Offset, problems[0])

	program, _ := expression.CompileTemplate("${{ len(steps.take.outputs?.paths ?? []) }} snapshots", scope)
	predicted, _ := units.FromPartialJSON(out, []byte(`{"paths": [null, null]}`), []string{"/paths/0", "/paths/1"})
	env := expression.Env{Values: map[string]any{"steps": map[string]any{"take": map[string]any{"outputs": predicted}}}}
	fmt.Println(program.Eval(context.Background(), env))
	// Output:
	// 8 steps.take.outputs may be absent: step take may be skipped; write (steps.take.outputs?.paths ?? a fallback)
	// 2 snapshots <nil>
}
