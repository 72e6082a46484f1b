package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete coppice's command lines",
		Long: "Print a script for bash, zsh or fish. It completes verbs, flags, playbooks and actions.\n\n" +
			"  bash: coppice completion bash > /etc/bash_completion.d/coppice\n" +
			"  zsh:  coppice completion zsh > \"${fpath[1]}/_coppice\"\n" +
			"  fish: coppice completion fish > ~/.config/fish/completions/coppice.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			write, ok := map[string]func(io.Writer) error{
				"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
				"zsh":  root.GenZshCompletion,
				"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
			}[args[0]]
			if !ok {
				return exitError{code: exitUsage, err: fmt.Errorf("nothing completes for %q", args[0]), advice: "there are: bash, zsh, fish"}
			}
			return write(a.out)
		},
	}
}

// complete teaches the verbs below c what their arguments can be.
func (a *app) complete(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.complete(sub)
	}
	_, arguments, _ := strings.Cut(c.Use, " ")
	switch {
	case strings.HasPrefix(arguments, "PLAYBOOK"), strings.HasPrefix(arguments, "[PLAYBOOK…]"):
		several := strings.Contains(arguments, "PLAYBOOK…")
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 && !several {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			if strings.ContainsAny(begun, "/.") {
				return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
			}
			return a.names(), cobra.ShellCompDirectiveDefault
		}
	case strings.HasPrefix(arguments, "[FILE…]"):
		c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		}
	case strings.HasPrefix(arguments, "[PLUGIN[.ACTION]]"):
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.actionNames(args), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// actionNames are the plugins, and their actions as PLUGIN.ACTION.
func (a *app) actionNames(args []string) []string {
	if len(args) > 0 {
		return nil
	}
	h := a.host(nil)
	defer h.Close()
	var names []string
	for _, plugin := range h.Names() {
		names = append(names, plugin)
		d, err := h.Describe(context.Background(), plugin)
		if err != nil {
			continue
		}
		for _, info := range d.Actions {
			names = append(names, plugin+"."+info.Name+"\t"+info.Summary)
		}
	}
	return names
}
