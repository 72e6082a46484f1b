package nixos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// store is where the packages of the tests lie.
const store = "/nix/store/00000000000000000000000000000000-"

// unitOptions is a unit as options of NixOS.
type unitOptions struct {
	Description                                                                                     string
	Documentation, Wants, Requires, After, Before, Conflicts, WantedBy, RequiredBy, OnFailure, Path []string
	UnitConfig, ServiceConfig, TimerConfig                                                          map[string]any
	RestartIfChanged                                                                                *bool
}

// text is the unit as a file, with each key of several values on a line for each, as NixOS writes them.
func (u unitOptions) text() string {
	var b strings.Builder
	b.WriteString("[Unit]\n")
	line(&b, "Description", u.Description)
	for _, l := range []struct {
		key    string
		values []string
	}{
		{"Documentation", u.Documentation}, {"Wants", u.Wants}, {"Requires", u.Requires}, {"After", u.After}, {"Before", u.Before},
		{"Conflicts", u.Conflicts}, {"OnFailure", u.OnFailure},
	} {
		for _, v := range l.values {
			line(&b, l.key, v)
		}
	}
	section(&b, "", u.UnitConfig)
	if u.ServiceConfig != nil {
		section(&b, "Service", u.ServiceConfig)
		if len(u.Path) > 0 {
			line(&b, "Environment", "PATH="+strings.Join(u.Path, "/bin:")+"/bin")
		}
	}
	section(&b, "Timer", u.TimerConfig)
	if len(u.WantedBy)+len(u.RequiredBy) > 0 {
		b.WriteString("\n[Install]\n")
		for _, v := range u.WantedBy {
			line(&b, "WantedBy", v)
		}
		for _, v := range u.RequiredBy {
			line(&b, "RequiredBy", v)
		}
	}
	if u.RestartIfChanged != nil && !*u.RestartIfChanged {
		b.WriteString("\n# restartIfChanged = false\n")
	}
	return b.String()
}

func section(b *strings.Builder, title string, values map[string]any) {
	if title != "" && len(values) > 0 {
		fmt.Fprintf(b, "\n[%s]\n", title)
	}
	for _, key := range sorted(values) {
		if list, ok := values[key].([]any); ok {
			for _, v := range list {
				line(b, key, v)
			}
			continue
		}
		line(b, key, values[key])
	}
}

func line(b *strings.Builder, key string, value any) { fmt.Fprintf(b, "%s=%v\n", key, value) }

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
