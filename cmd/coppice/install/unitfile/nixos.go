package unitfile

import (
	"path"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/cmd/coppice/install"
)

// NixOS is a module that puts the files where install would. On NixOS /etc is made from the configuration, and what is written there
// by others is gone with the next generation. It needs no other module.
func NixOS(all []install.File) string {
	var b strings.Builder
	b.WriteString("{ ... }:\n{\n")
	wanted := map[string]string{} // timer → target
	for _, f := range all {
		if f.IsLink() {
			wanted[path.Base(f.Path)] = strings.TrimSuffix(path.Base(path.Dir(f.Path)), ".wants")
		}
	}
	seen := []string{}
	for _, f := range all {
		if f.IsLink() || slices.Contains(seen, f.Path) {
			continue
		}
		seen = append(seen, f.Path)
		name, isUnit := strings.CutPrefix(f.Path, Folder+"/")
		if !isUnit {
			b.WriteString("  environment.etc." + nixString(strings.TrimPrefix(f.Path, "/etc/")) + ".text = " + nixText(f.Content, "    ") + ";\n")
			continue
		}
		b.WriteString("  systemd.units." + nixString(name) + " = {\n    text = " + nixText(f.Content, "      ") + ";\n")
		if target := wanted[name]; target != "" {
			b.WriteString("    wantedBy = [ " + nixString(target) + " ];\n")
		}
		b.WriteString("  };\n")
	}
	return b.String() + "}\n"
}

func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "\n", `\n`).Replace(s) + `"`
}

// nixText is an indented string. Nix takes the common indentation away.
func nixText(s, indent string) string {
	var b strings.Builder
	b.WriteString("''\n")
	for line := range strings.Lines(s) {
		body, ended := strings.CutSuffix(line, "\n")
		if body != "" {
			b.WriteString(indent + strings.NewReplacer("''", "'''", "${", "''${").Replace(body))
		}
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String() + indent[2:] + "''"
}
