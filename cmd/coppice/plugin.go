package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/serve"
)

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Start, list, describe, test and pin plugins", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the plugins",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h := a.host(nil)
			defer h.Close()
			rows := a.pluginRows(c.Context(), h)
			if a.json {
				return a.document("coppice.plugins", "plugins", rows)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, r := range rows {
				if r.Problem == "" {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d actions\t%s\n", r.Name, r.Version, diagnostic.Escape(r.Source), r.Actions, diagnostic.Escape(r.Summary))
				} else {
					fmt.Fprintf(w, "%s\t\t%s\tunusable\t%s\n", r.Name, diagnostic.Escape(r.Source), diagnostic.Escape(r.Problem))
				}
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
					serve.Run(b.plugin())
				}
				names = append(names, b.name)
			}
			return exitError{code: exitPlugin, err: fmt.Errorf("there is no built-in plugin %q", args[0]),
				advice: "there are: " + join(names)}
		},
	})
	c.AddCommand(a.pluginLockCommand(), a.pluginTestCommand(), a.pluginInitCommand())
	return c
}

// row is a plugin in a list.
type row struct {
	Name    string `json:"name"`
	Version string `json:"version"`           // empty if it can't be used
	API     int    `json:"api"`               // version of the contract
	Actions int    `json:"actions"`           // how many
	Summary string `json:"summary"`           // one line
	Source  string `json:"source"`            // built in, or the file
	Problem string `json:"problem,omitempty"` // why it can't be used
}

const builtIn = "built in"

// pluginRows lists all plugins that there are, those that can't be used with the reason.
func (a *app) pluginRows(ctx context.Context, h *host.Host) []row {
	builtin := map[string]bool{}
	for _, b := range builtins {
		builtin[b.name] = true
	}
	files := map[string]string{}
	foreign, _ := a.foreign() // the host has told what is wrong
	rows := []row{}
	for _, s := range foreign {
		files[s.Name] = s.Path
		if builtin[s.Name] {
			rows = append(rows, row{Name: s.Name, Source: s.Path, Problem: "a built-in plugin has that name"})
		}
	}
	for _, name := range h.Names() {
		r := row{Name: name, Source: builtIn}
		if !builtin[name] {
			r.Source = files[name]
		}
		if d, err := h.Describe(ctx, name); err != nil {
			r.Problem = text(err)
		} else {
			r.Version, r.API, r.Actions, r.Summary = d.Version, d.API, len(d.Actions), d.Summary
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		switch { // those that are built in come first
		case x.Source == builtIn && y.Source != builtIn:
			return -1
		case x.Source != builtIn && y.Source == builtIn:
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	return rows
}

// describeAll asks all plugins what they are. Of one that can't be used is said why, and it is left out.
func (a *app) describeAll(ctx context.Context, h *host.Host) []*sdk.Description {
	var all []*sdk.Description
	for _, name := range h.Names() {
		d, err := h.Describe(ctx, name)
		if err != nil {
			fmt.Fprintf(a.complaints(syslogWarning), "coppice: %s\n  it is left out\n", text(err))
			continue
		}
		all = append(all, d)
	}
	return all
}
