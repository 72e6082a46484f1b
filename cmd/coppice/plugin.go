package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/sdk/serve"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "List, describe and serve plugins", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the plugins",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h := a.host(nil)
			defer h.Close()
			type row struct {
				Name    string `json:"name"`
				Version string `json:"version"`
				API     int    `json:"api"`
				Actions int    `json:"actions"`
				Summary string `json:"summary"`
				Source  string `json:"source"`
			}
			rows := []row{}
			for _, name := range h.Names() {
				d, err := h.Describe(c.Context(), name)
				if err != nil {
					return pluginError(err)
				}
				rows = append(rows, row{d.Name, d.Version, d.API, len(d.Actions), d.Summary, "built in"})
			}
			if a.json {
				return a.document("coppice.plugins", "plugins", rows)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d actions\t%s\n", r.Name, r.Version, r.Source, r.Actions, r.Summary)
			}
			return w.Flush()
		},
	}, &cobra.Command{
		Use:   "describe PLUGIN",
		Short: "Print what a plugin says of itself, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h := a.host(nil)
			defer h.Close()
			d, err := h.Describe(c.Context(), args[0])
			if err != nil {
				return pluginError(err)
			}
			out := json.NewEncoder(a.out)
			out.SetIndent("", "  ")
			return out.Encode(d)
		},
	}, &cobra.Command{
		Use:   "serve PLUGIN",
		Short: "Serve a built-in plugin; the runner calls this",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := confine(); err != nil {
				return exit(exitPlugin, err)
			}
			var names []string
			for _, b := range builtins {
				if b.name == args[0] {
					p := b.make()
					p.Version = version()
					serve.Run(p)
				}
				names = append(names, b.name)
			}
			return exitError{code: exitPlugin, err: fmt.Errorf("there is no built-in plugin %q", args[0]),
				advice: "there are: " + join(names)}
		},
	})
	return c
}
