package unitfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Configured is a playbook as the NixOS module of coppice is told of it.
type Configured struct {
	Name     string
	Inputs   map[string]json.RawMessage
	Secrets  map[string]string // input → file
	Calendar string            // "": the playbook's own
	File     string            // of one that is not shipped; ""
}

// NixOS is a configuration that does what install would. On NixOS /etc is made from the configuration, and what others write there is
// gone with the next generation.
func NixOS(all []Configured) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("{")
	line("  services.coppice = {")
	line("    enable = true;")
	for _, c := range all {
		line("    playbooks.%s = {", c.Name)
		if c.File != "" {
			line("      file = %s; # a copy of it beside the configuration", "./"+c.Name+".yaml")
		}
		if c.Calendar != "" {
			line("      calendar = %s;", nixString(c.Calendar))
		}
		for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
			line("      inputs.%s = %s;", name, nixValue(c.Inputs[name]))
		}
		for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
			line("      secrets.%s = %s;", name, nixString(c.Secrets[name]))
		}
		line("    };")
	}
	line("  };")
	line("}")
	return b.String()
}

// nixValue is a JSON value in the language of Nix.
func nixValue(data json.RawMessage) string {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "null"
	}
	return nixOf(v)
}

func nixOf(v any) string {
	switch v := v.(type) {
	case string:
		return nixString(v)
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return v.String()
	case []any:
		text := "["
		for _, item := range v {
			text += " " + nixOf(item)
		}
		return text + " ]"
	case map[string]any:
		text := "{"
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text += " " + nixString(key) + " = " + nixOf(v[key]) + ";"
		}
		return text + " }"
	}
	return "null"
}

func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}
