package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/graph"
)

func (a *app) graphCommand() *cobra.Command {
	format := "text"
	c := &cobra.Command{
		Use:   "graph PLAYBOOK",
		Short: "Draw the way that a run takes through a playbook",
		Long: "Draw which step follows which, what happens after a failure, and which step reads the results of which:\n" +
			"as a tree for the terminal, as a flowchart in Mermaid, or in Graphviz' DOT.",
		Example: "  coppice graph snapshot-rotation\n  coppice graph --format dot mine.yaml | dot -Tsvg > mine.svg",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			draw := map[string]func(graph.Graph) string{"text": graph.Text, "mermaid": graph.Mermaid, "dot": graph.DOT}[format]
			if draw == nil {
				return exitError{code: exitUsage, err: fmt.Errorf("there is no format %q", format), advice: "there are: text, mermaid, dot"}
			}
			h := a.host(nil)
			defer h.Close()
			p, _, err := a.load(c.Context(), a.runner(h), args[0])
			if err != nil {
				return err
			}
			g := graph.New(p)
			if a.json {
				return a.document("coppice.graph", "graph", g)
			}
			_, err = fmt.Fprint(a.out, draw(g))
			return err
		},
	}
	c.Flags().StringVar(&format, "format", format, "text, mermaid or dot")
	return c
}
