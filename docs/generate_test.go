package docs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// generated parts, by the name in their markers.
var generated = map[string]func(*testing.T) string{
	"actions":           actions,
	"commands":          commands,
	"exit codes":        exitCodes,
	"diagnostic codes":  diagnosticCodes,
	"JSON documents":    func(t *testing.T) string { return structures(t, jsonDocuments) },
	"JSON events":       func(t *testing.T) string { return structures(t, jsonEvents) },
	"JSON common parts": func(t *testing.T) string { return structures(t, jsonCommon) },
}

var (
	markerPattern = regexp.MustCompile(`^<!-- generated: (.*); DO NOT EDIT, "go generate ./docs" writes it -->$`)
	endMarker     = "<!-- end of what is generated -->"
)

// TestGenerated compares the parts between markers with what they are made from.
func TestGenerated(t *testing.T) {
	used := map[string]bool{}
	for _, d := range documents(t) {
		var lines []string
		stale := false
		for i := 0; i < len(d.Lines); i++ {
			lines = append(lines, d.Lines[i])
			m := markerPattern.FindStringSubmatch(d.Lines[i])
			if m == nil {
				continue
			}
			make, ok := generated[m[1]]
			end := slices.Index(d.Lines[i:], endMarker)
			if !ok || end < 0 {
				t.Fatalf("%s:%d: nobody generates %q, or its end marker is missing", d.File, i+1, m[1])
			}
			used[m[1]] = true
			fresh := append([]string{""}, strings.Split(strings.Trim(make(t), "\n"), "\n")...)
			fresh = append(fresh, "")
			if old := d.Lines[i+1 : i+end]; !slices.Equal(old, fresh) {
				stale = true
				if !*update {
					t.Errorf("%s: %s: not what it is made from any more: go generate ./docs", d.File, m[1])
				}
			}
			lines = append(lines, fresh...)
			i += end - 1
		}
		if stale && *update {
			d.Lines = lines
			d.write(t)
		}
	}
	for name := range generated {
		if !used[name] {
			t.Errorf("no document has a marker for %q", name)
		}
	}
}

// described is the part of `coppice explain --json` that is used here.
type described struct {
	Plugins []struct {
		Name, Summary string
		Actions       []struct {
			Name, Summary, Description, Effect string
			Converges                          bool
		}
	}
}

// actions is made from what the plugins say of themselves: the words from the
// JSON, the inputs and outputs as `coppice explain` prints them.
func actions(t *testing.T) string {
	out, stderr, code := coppice(t, "explain", "--json")
	if code != 0 {
		t.Fatal(stderr)
	}
	var all described
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range all.Plugins {
		fmt.Fprintf(&b, "## Plugin %s: %s\n\n| Action | Effect | What it does |\n|---|---|---|\n", p.Name, p.Summary)
		for _, a := range p.Actions {
			name := p.Name + "." + a.Name
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", name, slug(name), effects[a.Effect], cell(a.Summary))
		}
		for _, a := range p.Actions {
			name := p.Name + "." + a.Name
			fmt.Fprintf(&b, "\n## %s\n\n%s. It %s.\n", name, a.Summary, effects[a.Effect])
			if a.Converges && a.Effect != "read" {
				b.WriteString("A second run has nothing to do.\n")
			}
			if a.Description != "" {
				fmt.Fprintf(&b, "\n%s\n", escape(a.Description))
			}
			text, stderr, code := coppice(t, "explain", name)
			if code != 0 {
				t.Fatal(stderr)
			}
			_, details, ok := strings.Cut(text, "\nINPUTS\n")
			if !ok {
				t.Fatalf("coppice explain %s has no INPUTS", name)
			}
			fmt.Fprintf(&b, "\n```text\nINPUTS\n%s\n```\n", strings.TrimRight(details, "\n"))
		}
	}
	return b.String()
}

var effects = map[string]string{"read": "reads", "write": "writes", "destroy": "destroys"}

// escape keeps Markdown from taking names for markup.
func escape(text string) string {
	return strings.NewReplacer("<", "\\<", "*", "\\*", "_", "\\_").Replace(text)
}

func cell(text string) string { return strings.ReplaceAll(escape(text), "|", "\\|") }

// commands is the help of every verb.
func commands(t *testing.T) string {
	var b strings.Builder
	var describe func(path []string)
	describe = func(path []string) {
		help, stderr, code := coppice(t, append(slices.Clone(path), "--help")...)
		if code != 0 {
			t.Fatal(stderr)
		}
		help, _, _ = strings.Cut(help, "\nUse \"")
		if len(path) > 0 { // those for all verbs are told once
			help, _, _ = strings.Cut(help, "\nGlobal Flags:")
		}
		fmt.Fprintf(&b, "## %s\n\n```text\n%s\n```\n\n", strings.Join(append([]string{"coppice"}, path...), " "), strings.TrimSpace(help))
		for _, verb := range verbs(help) {
			if verb != "help" {
				describe(append(slices.Clone(path), verb))
			}
		}
	}
	describe(nil)
	return b.String()
}

// verbs are those that a help text lists.
func verbs(help string) []string {
	_, rest, ok := strings.Cut(help, "Available Commands:\n")
	if !ok {
		return nil
	}
	var all []string
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			break
		}
		all = append(all, fields[0])
	}
	return all
}

func diagnosticCodes(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| Code | Meaning |\n|---|---|\n")
	for _, c := range diagnostic.Codes() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.Code, cell(c.Explain))
	}
	return b.String()
}
