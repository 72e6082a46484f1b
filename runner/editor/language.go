package editor

import "github.com/hbohlen/coppice/runner/playbook"

// part is the schema of a part of the language: its keys, and those that must be there. Some keys can be given a schema.
func part(of playbook.Part, required []string, special map[string]object) object {
	properties := object{}
	for _, key := range playbook.Keys(of) {
		o, ok := special[key]
		if !ok {
			o = languageKeys()[of][key]
		}
		properties = append(properties, member{key, o})
	}
	return object{{"type", "object"}, {"required", required}, {"properties", properties}, {"additionalProperties", false}}
}

// languageKeys are the schemas of the keys, by part.
func languageKeys() map[playbook.Part]map[string]object {
	text := func(about string) object { return described(about).with(plain...) }
	duration := func(about string) object {
		return described(about+" Such as 90s, 5m, 1h30m or 30d.").with(member{"type", "string"}, member{"pattern", `^[0-9]`})
	}
	flag := func(about string) object { return described(about).with(member{"type", "boolean"}) }
	condition := func(about string) object {
		return described(about + " A bare expression, without ${{ }}.").with(member{"type", []string{"string", "boolean"}})
	}
	named := func(about, pattern string) object {
		return described(about).with(member{"type", "string"}, member{"pattern", pattern})
	}
	steps := func(about string) object {
		return described(about).with(member{"type", "array"}, member{"items", ref("step")})
	}
	least := func(o object) object { return o.with(member{"minItems", 1}) }
	bound := described("The smallest legal value; of a text its length, of a list or map its number of items.").
		with(member{"type", []string{"string", "number"}})
	most := described("The largest legal value; of a text its length, of a list or map its number of items.").
		with(member{"type", []string{"string", "number"}})
	id := named("Names the step in expressions. Unique in the playbook.", `^[a-z_][a-z0-9_]*$`)
	title := text("A title for people. May hold expressions.")
	if_ := condition("When it is false the step is skipped.")
	goOn := flag("A failure of this step does not fail the run.")
	return map[playbook.Part]map[string]object{
		playbook.WholePart: {
			"version":     described("The version of the language.").with(member{"const", playbook.Version}),
			"name":        named("Lower-case letters, digits and -. It names the inputs file.", `^[a-z][a-z0-9-]*$`),
			"description": text("One sentence for lists and plans."),
			"schedule":    refer("schedule", "When it is meant to run."),
			"inputs": described("What can be given from outside.").with(member{"type", "object"},
				member{"propertyNames", object{{"pattern", `^[a-z_][a-z0-9_]*$`}}}, member{"additionalProperties", ref("input")}),
			"vars": described("Named values, computed once when the run starts.").with(member{"type", "object"},
				member{"propertyNames", object{{"pattern", `^[a-z_][a-z0-9_]*$`}}}),
			"timeout":    duration("How long the run may take. After it on_failure and always run."),
			"steps":      least(steps("The steps, in order.")),
			"on_failure": steps("Steps for after a failure. They see `error`."),
			"always":     steps("Steps that come last, whatever happened."),
			"outputs": described("What a playbook that calls this one can read: names and values, most often expressions.").with(member{"type", "object"},
				member{"propertyNames", object{{"pattern", `^[a-z_][a-z0-9_]*$`}}}),
		},
		playbook.SchedulePart: {
			"calendar":   text("A systemd calendar expression, such as \"*-*-* 00/6:00:00\"."),
			"persistent": flag("Make up for a missed run."),
			"jitter":     duration("Start up to this much later, at random."),
		},
		playbook.InputPart: {
			"type":        described("The type of the value.").with(member{"enum", playbook.Types()}),
			"items":       described("Of a list or map: the type of what is in it.").with(member{"enum", playbook.ItemTypes()}),
			"default":     described("The value when nobody gives one. It is data: no expressions."),
			"enum":        described("The legal values.").with(member{"type", "array"}, member{"minItems", 1}),
			"description": text("One sentence for coppice show."),
			"optional":    flag("It may have no value at all."),
			"secret":      flag("Masked wherever it would be shown. On the command line it is given as -i NAME=@FILE."),
			"min":         bound,
			"max":         most,
			"pattern":     text("A regular expression (RE2) that the whole text must match."),
		},
		playbook.StepPart: {
			"id":                id,
			"name":              title,
			"if":                if_,
			"for_each":          described("A list or a map, or an expression that gives one: the step runs once for each `item`, whose place is `index`.").with(member{"type", []string{"array", "object", "string"}}),
			"max_parallel":      described("How many items run at the same time.").with(member{"type", "integer"}, member{"minimum", 1}, member{"maximum", 64}),
			"uses":              described("The action, PLUGIN.ACTION. Never an expression.").with(member{"type", "string"}),
			"with":              described("The action's inputs.").with(member{"type", "object"}),
			"timeout":           duration("How long one attempt of one item may take."),
			"retry":             refer("retry", "How often the step is tried again when it fails."),
			"continue_on_error": goOn,
		},
		playbook.BlockPart: {
			"id":                id,
			"name":              title,
			"if":                if_,
			"block":             least(steps("The steps, in order. When one fails, those behind it are not reached.")),
			"rescue":            steps("Steps for after a failure in `block`. They see `error`."),
			"always":            steps("Steps that come last in the block, whatever happened."),
			"timeout":           duration("How long the `block` list may take as a whole."),
			"continue_on_error": goOn,
		},
		playbook.CallPart: {
			"id":                id,
			"name":              title,
			"if":                if_,
			"playbook":          text("The playbook to call: a path relative to this file (with a / in it, or .yaml at its end), or a name that is looked up. Never an expression."),
			"with":              described("The playbook's inputs.").with(member{"type", "object"}),
			"timeout":           duration("How long the steps of the playbook may take as a whole."),
			"continue_on_error": goOn,
		},
		playbook.RetryPart: {
			"attempts": described("How many attempts there can be in all.").with(member{"type", "integer"}, member{"minimum", 2}, member{"maximum", 100}),
			"delay":    duration("The pause before the second attempt."),
			"backoff":  described("Each further pause is this many times as long.").with(member{"type", "number"}, member{"minimum", 1}, member{"maximum", 10}),
			"when":     condition("Only while it is true another attempt follows. It sees `error`."),
		},
	}
}
