package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "explain [PLUGIN[.ACTION]]",
		Short:   "Explain the actions that steps can use",
		Example: "  coppice explain btrfs\n  coppice explain btrfs.snapshot",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h := a.host(nil)
			defer h.Close()
			if len(args) == 0 {
				return a.explainAll(c.Context(), h)
			}
			plugin, action, _ := strings.Cut(args[0], ".")
			d, err := h.Describe(c.Context(), plugin)
			if err != nil {
				return pluginError(err)
			}
			if action == "" {
				return a.explainPlugin(d)
			}
			info := d.Action(action)
			if info == nil {
				var names []string
				for _, known := range d.Actions {
					names = append(names, known.Name)
				}
				failure := exitError{code: exitUsage, err: fmt.Errorf("plugin %s has no action %q", plugin, action),
					advice: "it has: " + join(names)}
				if near := diagnostic.Suggest(action, names); near != "" {
					failure.advice = fmt.Sprintf("did you mean %s.%s? it has: %s", plugin, near, join(names))
				}
				return failure
			}
			if a.json {
				return a.document("coppice.action", "action", info)
			}
			explainAction(a.out, plugin, info)
			return nil
		},
	}
}

func (a *app) explainAll(ctx context.Context, h *host.Host) error {
	all := a.describeAll(ctx, h)
	if a.json {
		return a.document("coppice.descriptions", "plugins", all)
	}
	for i, d := range all {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.explainPlugin(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) explainPlugin(d *sdk.Description) error {
	if a.json {
		return a.document("coppice.descriptions", "plugins", []*sdk.Description{d})
	}
	fmt.Fprintf(a.out, "%s %s: %s\n\n", d.Name, d.Version, d.Summary)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, info := range d.Actions {
		fmt.Fprintf(w, "  %s.%s\t%s\t%s\n", d.Name, info.Name, effects[info.Effect], info.Summary)
	}
	return w.Flush()
}

var effects = map[sdk.Effect]string{sdk.Reads: "reads", sdk.Writes: "writes", sdk.Destroys: "destroys"}

// explainAction prints a manual page of one action.
func explainAction(w io.Writer, plugin string, info *sdk.Info) {
	fmt.Fprintf(w, "%s.%s: %s\n", plugin, info.Name, info.Summary)
	if info.Description != "" {
		for _, paragraph := range strings.Split(info.Description, "\n\n") {
			fmt.Fprintf(w, "\n%s\n", wrap(paragraph, 88, ""))
		}
	}
	fmt.Fprintf(w, "\nIt %s", effects[info.Effect])
	switch {
	case info.Effect == sdk.Reads:
		fmt.Fprint(w, ", and so runs in a preview too")
	case info.Converges:
		fmt.Fprint(w, "; a second run has nothing to do")
	}
	fmt.Fprintln(w, ".")
	fmt.Fprintln(w, "\nINPUTS")
	explainProperties(w, info.Inputs, true)
	fmt.Fprintln(w, "\nOUTPUTS")
	explainProperties(w, info.Outputs, false)
	fmt.Fprintf(w, "\nEXAMPLE\n%s", example(plugin, info))
}

func explainProperties(w io.Writer, s *schema.Schema, inputs bool) {
	if len(s.Properties) == 0 {
		fmt.Fprintln(w, "  none")
	}
	for _, p := range s.Properties {
		kind := p.Schema.TypeName()
		if len(p.Schema.Enum) > 0 {
			kind = strings.Join(p.Schema.Enum, " | ")
		}
		notes := []string{kind}
		switch {
		case !inputs:
		case s.IsRequired(p.Name):
			notes = append(notes, "required")
		case p.Schema.Default != nil:
			notes = append(notes, "default "+string(p.Schema.Default))
		default:
			notes = append(notes, "optional")
		}
		fmt.Fprintf(w, "  %s (%s)\n", p.Name, strings.Join(notes, ", "))
		if p.Schema.Description != "" {
			fmt.Fprintf(w, "%s\n", wrap(p.Schema.Description, 88, "      "))
		}
		if items := p.Schema.Items; items != nil && len(items.Properties) > 0 {
			for _, inner := range items.Properties {
				fmt.Fprintf(w, "%s\n", wrap(fmt.Sprintf("[].%s (%s): %s", inner.Name, inner.Schema.TypeName(),
					inner.Schema.Description), 88, "      "))
			}
		}
	}
}

// example is a step with every input that must be given, and the most telling
// other ones left to their defaults.
func example(plugin string, info *sdk.Info) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - id: example\n    uses: %s.%s\n", plugin, info.Name)
	if len(info.Inputs.Required) == 0 {
		return b.String()
	}
	b.WriteString("    with:\n")
	for _, name := range info.Inputs.Required {
		fmt.Fprintf(&b, "      %s: %s\n", name, sample(info.Inputs.Property(name)))
	}
	return b.String()
}

func sample(s *schema.Schema) string {
	switch s.Kind {
	case schema.Duration:
		return "30d"
	case schema.Size:
		return "1GiB"
	case schema.Subvolume:
		return "persist"
	case schema.Path, schema.Filesystem:
		return "/"
	}
	switch s.Type {
	case schema.Integer, schema.Number:
		return "1"
	case schema.Boolean:
		return "true"
	case schema.Array:
		return "[" + sample(s.Items) + "]"
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	return "name"
}

// wrap breaks text at spaces into lines of at most width, each behind indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
