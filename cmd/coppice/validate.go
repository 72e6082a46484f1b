package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate PLAYBOOK…",
		Short: "Find every mistake in playbooks, without touching the machine",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			h := a.host(nil)
			defer h.Close()
			r := &runner.Runner{Host: h}
			var all diagnostic.List
			failed := false
			for _, arg := range args {
				text, err := a.find(arg)
				if err != nil {
					return err
				}
				_, list, err := r.Load(c.Context(), text.file, text.data)
				if err != nil {
					return pluginError(err)
				}
				all = append(all, list...)
				failed = failed || list.HasErrors()
				if a.json {
					continue
				}
				a.diagnose(list, diagnostic.NewSource(text.file, text.data))
				if !list.HasErrors() {
					fmt.Fprintf(a.out, "%s: ok\n", diagnostic.Escape(text.file))
				}
			}
			if a.json {
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
}
