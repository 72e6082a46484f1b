package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

// Names as the language of playbooks and the runner take them.
const (
	pluginNames = `^[a-z][a-z0-9_-]*$`
	actionNames = `^[a-z][a-z0-9_]*$`
)

// describe asks the plugin what it is. Without an answer there is nothing else to check.
func (k *kit) describe(ctx context.Context) bool {
	raw, err := k.session.client.DescribeRaw(ctx)
	if err == nil {
		k.d = &sdk.Description{}
		err = json.Unmarshal(raw, k.d)
	}
	if err != nil {
		k.find(describe, "", "Describe: "+err.Error())
		return false
	}
	k.report.Plugin, k.report.Version = k.d.Name, k.d.Version
	var problems []string
	if again, err := k.session.client.DescribeRaw(ctx); err != nil || !bytes.Equal(raw, again) {
		problems = append(problems, "the second answer is not the first one")
	}
	problems = append(problems, k.wellFormed()...)
	if len(k.d.Actions) > 0 {
		name := k.d.Actions[0].Name
		some, err := k.session.client.DescribeSome(ctx, []string{name})
		if err != nil || some.Action(name) == nil || some.Action(name).Inputs == nil || some.Name != k.d.Name {
			problems = append(problems, fmt.Sprintf("asked for the action %q alone, it does not describe that", name))
		}
	}
	k.find(describe, "", strings.Join(problems, "\n"))
	var texts struct {
		Actions []struct {
			Name            string
			Inputs, Outputs json.RawMessage
		}
	}
	_ = json.Unmarshal(raw, &texts) // it was just decoded
	usable := true
	for _, a := range texts.Actions {
		problems := append(checkSchema("inputs", a.Inputs), checkSchema("outputs", a.Outputs)...)
		usable = usable && len(problems) == 0
		k.find(schemas, a.Name, strings.Join(problems, "\n"))
	}
	k.find(docs, "", strings.Join(undocumented(k.d), "\n"))
	return usable
}

func (k *kit) wellFormed() []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if k.o.Name != "" && k.d.Name != k.o.Name {
		add("it calls itself %q, and is started as %q", k.d.Name, k.o.Name)
	}
	if !regexp.MustCompile(pluginNames).MatchString(k.d.Name) {
		add("its name %q does not match %s", k.d.Name, pluginNames)
	}
	if k.d.Version == "" {
		add("it has no version: a lock file pins it")
	}
	if k.d.API != sdk.API {
		add("it speaks version %d of the contract, and this is version %d", k.d.API, sdk.API)
	}
	if len(k.d.Actions) == 0 {
		add("it has no actions")
	}
	seen := map[string]bool{}
	for _, a := range k.d.Actions {
		if !regexp.MustCompile(actionNames).MatchString(a.Name) {
			add("the name of action %q does not match %s", a.Name, actionNames)
		}
		if seen[a.Name] {
			add("there are two actions %q", a.Name)
		}
		seen[a.Name] = true
		if !slices.Contains([]sdk.Effect{sdk.Reads, sdk.Writes, sdk.Destroys}, a.Effect) {
			add("action %s has the effect %q: it must be read, write or destroy", a.Name, a.Effect)
		}
		if a.Effect == sdk.Reads && !a.Converges {
			add("action %s only reads, and so it converges", a.Name)
		}
	}
	return problems
}

// undocumented lists what has no words.
func undocumented(d *sdk.Description) []string {
	var problems []string
	line := func(what, text string) {
		switch {
		case text == "":
			problems = append(problems, what+" has no summary")
		case strings.ContainsAny(text, "\n\r"):
			problems = append(problems, what+" has a summary of more than one line")
		case strings.HasSuffix(text, "."):
			problems = append(problems, what+" has a summary with a full stop")
		}
	}
	line("the plugin", d.Summary)
	for _, a := range d.Actions {
		line("action "+a.Name, a.Summary)
		if a.Description == "" {
			problems = append(problems, "action "+a.Name+" has no description")
		}
		problems = append(problems, wordless(a.Inputs, "input "+a.Name)...)
		problems = append(problems, wordless(a.Outputs, "output "+a.Name)...)
	}
	return problems
}

func wordless(s *schema.Schema, at string) []string {
	var problems []string
	if s == nil {
		return nil
	}
	for _, p := range s.Properties {
		if p.Schema.Description == "" {
			problems = append(problems, at+"."+p.Name+" has no description")
		}
		problems = append(problems, wordless(p.Schema, at+"."+p.Name)...)
	}
	problems = append(problems, wordless(s.Items, at)...)
	return append(problems, wordless(s.Values, at)...)
}
