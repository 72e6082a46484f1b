package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
)

func (a *app) validateCommand() *cobra.Command {
	sarif := false
	c := &cobra.Command{
		Use:   "validate PLAYBOOK…",
		Short: "Find every mistake in playbooks, without touching the machine",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h := a.host(nil)
			defer h.Close()
			r := a.runner(h)
			var all diagnostic.List
			failed := false
			for _, arg := range args {
				text, err := a.find(arg)
				if err != nil {
					return err
				}
				loaded, err := r.Load(c.Context(), text.file, text.data)
				if err != nil {
					return pluginError(err)
				}
				list := loaded.Mistakes
				all = append(all, list...)
				failed = failed || list.HasErrors()
				if a.json || sarif {
					continue
				}
				a.diagnose(list, loaded.Sources...)
				if !list.HasErrors() {
					fmt.Fprintf(a.out, "%s: ok\n", diagnostic.Escape(text.file))
				}
			}
			switch {
			case sarif:
				data, err := report.Encode(diagnostic.SARIF(all, version()))
				if err != nil {
					return exit(exitBug, err)
				}
				if _, err := fmt.Fprintf(a.out, "%s\n", data); err != nil {
					return exit(exitFailed, err)
				}
			case a.json:
				if all == nil {
					all = diagnostic.List{}
				}
				if err := a.document("coppice.diagnostics", "diagnostics", all); err != nil {
					return err
				}
			}
			if failed {
				return exit(exitInvalid, nil)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&sarif, "sarif", false, "print SARIF 2.1.0, which code hosts and CI services show beside the lines")
	return c
}
