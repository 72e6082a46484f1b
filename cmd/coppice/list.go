package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
)

// listed is a line of `coppice list`.
type listed struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Schedule    string `json:"schedule,omitempty"`
	Source      string `json:"source"` // a file, or "shipped"
	Valid       bool   `json:"valid"`  // whether it can be parsed; validate tells more
}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the playbooks that can be called by name",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all := []listed{}
			for _, name := range a.names() {
				text, err := a.find(name)
				if err != nil {
					return err
				}
				l := listed{Name: name, Source: "shipped"}
				if _, err := os.Stat(filepath.Join(a.configs, "playbooks", name+".yaml")); err == nil {
					l.Source = text.file
				}
				p, mistakes := playbook.Parse(text.file, text.data)
				l.Valid = p != nil && !mistakes.HasErrors()
				if p != nil {
					l.Description = p.Description
					if p.Schedule != nil {
						l.Schedule = p.Schedule.Calendar
					}
				}
				all = append(all, l)
			}
			if a.json {
				return a.document("coppice.playbooks", "playbooks", all)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, l := range all {
				description := l.Description
				if !l.Valid {
					description = "(has mistakes: coppice validate " + l.Name + ")"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", diagnostic.Escape(l.Name), diagnostic.Escape(l.Source), diagnostic.Escape(description))
			}
			return w.Flush()
		},
	}
}
