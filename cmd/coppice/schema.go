package main

import (
	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/editor"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of playbooks, for editors",
		Long: "Print the JSON Schema of playbooks with the actions of all plugins in it. An editor with a YAML language\n" +
			"server completes and explains playbooks with it. Write it to a file, and name that file in the first line of a\n" +
			"playbook:\n\n" +
			"  # yaml-language-server: $schema=coppice.schema.json",
		Example: "  coppice schema > coppice.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			h := a.host(nil)
			defer h.Close()
			text, err := editor.Schema(a.describeAll(c.Context(), h))
			if err != nil {
				return exit(exitBug, err)
			}
			_, err = a.out.Write(text)
			return err
		},
	}
}
