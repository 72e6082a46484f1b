// Package manual writes manual pages of commands, for man(1): one for the program and one for each of its verbs. It is a function of
// values; the released program does not link it.
package manual

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Book is what all pages have in common.
type Book struct {
	Version string
	Date    time.Time
	// More are further sections of the program's own page: title, then text as in a command's Long.
	More [][2]string
}

// Page is one manual page, in section 1.
type Page struct {
	Name string // "coppice-boot-use"
	Text string // in the language of man(7)
}

// Pages are the pages of a program, its own first. Hidden verbs have none.
func (b Book) Pages(root *cobra.Command) []Page {
	pages := []Page{{Name: name(root), Text: b.page(root)}}
	for _, c := range verbs(root) {
		pages = append(pages, b.Pages(c)...)
	}
	return pages
}

func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// verbs are the verbs below a command that somebody is told of.
func verbs(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(all, sub)
		}
	}
	return all
}

func (b Book) page(c *cobra.Command) string {
	var p writer
	fmt.Fprintf(&p, ".TH %s 1 %s \"coppice %s\" Coppice\n", escape(strings.ToUpper(name(c))), b.Date.UTC().Format(time.DateOnly), escape(b.Version))
	p.section("name")
	p.line(name(c) + " - " + c.Short)
	p.section("synopsis")
	p.WriteString(bold(c.CommandPath()))
	p.WriteString(escape(strings.TrimPrefix(c.UseLine(), c.CommandPath())))
	if len(verbs(c)) > 0 {
		p.WriteString(" COMMAND")
	}
	p.WriteByte('\n')
	p.section("description")
	if c.Long != "" {
		p.prose(c.Long)
	} else {
		p.prose(c.Short + ".")
	}
	if sub := verbs(c); len(sub) > 0 {
		p.section("commands")
		for _, s := range sub {
			p.macro("TP")
			p.WriteString(bold(name(s)) + "(1)\n")
			p.line(s.Short)
		}
	}
	p.flags("options", c.NonInheritedFlags())
	p.flags("options of all commands", c.InheritedFlags())
	if c.Example != "" {
		p.section("examples")
		p.verbatim(strings.Split(strings.Trim(c.Example, "\n"), "\n"))
	}
	if !c.HasParent() {
		for _, s := range b.More {
			p.section(s[0])
			p.prose(s[1])
		}
	}
	if related := related(c); len(related) > 0 {
		p.section("see also")
		for i, r := range related {
			related[i] = bold(r) + "(1)"
		}
		p.WriteString(strings.Join(related, ",\n") + "\n")
	}
	return p.String()
}

// related are the pages above a command and beside it.
func related(c *cobra.Command) []string {
	if !c.HasParent() {
		return nil
	}
	all := []string{name(c.Parent())}
	if c.Parent().HasParent() {
		for _, s := range verbs(c.Parent()) {
			if s != c {
				all = append(all, name(s))
			}
		}
	}
	return all
}

// writer writes the language of man(7).
type writer struct{ strings.Builder }

func (w *writer) macro(name string, arguments ...string) {
	w.WriteString("." + name)
	for _, a := range arguments {
		w.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	w.WriteByte('\n')
}

func (w *writer) section(title string) { w.macro("SH", strings.ToUpper(title)) }

func (w *writer) line(text string) { w.WriteString(protect(escape(text)) + "\n") }

// prose is text in paragraphs; indented lines stand as they are.
func (w *writer) prose(text string) {
	first := true
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if !first {
			w.macro("PP")
		}
		first = false
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		for len(lines) > 0 {
			if strings.HasPrefix(lines[0], " ") {
				end := slices.IndexFunc(lines, func(l string) bool { return !strings.HasPrefix(l, " ") })
				if end < 0 {
					end = len(lines)
				}
				w.verbatim(lines[:end])
				lines = lines[end:]
				continue
			}
			w.line(lines[0])
			lines = lines[1:]
		}
	}
}

func (w *writer) verbatim(lines []string) {
	indent := len(lines[0])
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			indent = min(indent, len(l)-len(strings.TrimLeft(l, " ")))
		}
	}
	w.macro("RS", "4")
	w.macro("nf")
	for _, l := range lines {
		w.line(l[min(indent, len(l)):])
	}
	w.macro("fi")
	w.macro("RE")
}

func (w *writer) flags(title string, flags *pflag.FlagSet) {
	begun := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !begun {
			w.section(title)
			begun = true
		}
		w.macro("TP")
		value, text := pflag.UnquoteUsage(f)
		if f.Shorthand != "" {
			w.WriteString(bold("-"+f.Shorthand) + ", ")
		}
		w.WriteString(bold("--" + f.Name))
		if value != "" {
			w.WriteString(` \fI` + escape(value) + `\fR`)
		}
		w.WriteByte('\n')
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		w.line(text)
	})
}

func bold(text string) string { return `\fB` + escape(text) + `\fR` }

// escape takes the meaning from what has one in the middle of a line.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

// protect takes the meaning from what has one at the beginning of a line. An empty line is one in a block that stands as it is.
func protect(line string) string {
	if line == "" {
		return `\&`
	}
	if line[0] == '.' {
		return `\&` + line
	}
	return line
}
