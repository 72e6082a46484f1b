package main

import (
	"fmt"
	"strings"
)

// nixosBoot is what a configuration of NixOS has to say.
func nixosBoot(inputs map[string]any) string {
	var b strings.Builder
	b.WriteString("{\n  services.coppice.bootRollback = {\n    enable = true;\n")
	line := func(name string, value any) { fmt.Fprintf(&b, "    %s = %v;\n", name, value) }
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(s) + `"`
	}
	if f, _ := inputs["filesystem"].(string); f != "/" {
		line("filesystem", quoted(f))
	}
	for _, name := range []string{"root", "blank", "archive"} {
		value, _ := inputs[name].(string)
		line(name, quoted(value))
	}
	for _, name := range []string{"reset", "acknowledge"} {
		all := texts(inputs[name])
		if len(all) == 0 {
			continue
		}
		for i := range all {
			all[i] = quoted(all[i])
		}
		line(name, "[ "+strings.Join(all, " ")+" ]")
	}
	line("fallBack", inputs["fall_back"])
	b.WriteString("  };\n}\n")
	return b.String()
}
