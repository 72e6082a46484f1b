package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/unit"
)

func (a *app) showCommand() *cobra.Command {
	source := false
	c := &cobra.Command{
		Use:   "show PLAYBOOK",
		Short: "Show a playbook's inputs and steps",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if source {
				text, err := a.find(args[0])
				if err != nil {
					return err
				}
				_, err = a.out.Write(text.data)
				return err
			}
			h := a.host(nil)
			defer h.Close()
			p, _, err := a.load(c.Context(), a.runner(h), args[0])
			if err != nil {
				return err
			}
			shown := describePlaybook(p)
			if a.json {
				data, err := report.Encode(shown)
				if err != nil {
					return exit(exitBug, err)
				}
				_, err = fmt.Fprintf(a.out, "%s\n", data)
				return err
			}
			return a.printPlaybook(shown)
		},
	}
	c.Flags().BoolVar(&source, "source", false, "print the file itself")
	return c
}

// shownPlaybook is what show prints.
type shownPlaybook struct {
	Format      string       `json:"format"`
	Version     int          `json:"version"`
	Name        string       `json:"name"`
	File        string       `json:"file"`
	Description string       `json:"description,omitempty"`
	Schedule    string       `json:"schedule,omitempty"`   // systemd calendar event
	Persistent  bool         `json:"persistent,omitempty"` // makes up for missed runs
	Jitter      string       `json:"jitter,omitempty"`     // random delay of up to this
	Inputs      []shownInput `json:"inputs"`
	Steps       []shownStep  `json:"steps"`             // those of called playbooks too
	Outputs     []string     `json:"outputs,omitempty"` // names of what a playbook that calls it can read
}

type shownInput struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Required    bool            `json:"required"`
	Secret      bool            `json:"secret,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Description string          `json:"description,omitempty"`
}

type shownStep struct {
	Section  string `json:"section"`
	ID       string `json:"id"`
	Uses     string `json:"uses,omitempty"`     // absent for a block and a call
	Playbook string `json:"playbook,omitempty"` // the name of the playbook that it calls
	Effect   string `json:"effect,omitempty"`
	Depth    int    `json:"depth,omitempty"` // number of blocks and calls around it
	If       string `json:"if,omitempty"`
	Summary  string `json:"summary"`
}

func describePlaybook(p *check.Program) shownPlaybook {
	out := shownPlaybook{Format: "coppice.playbook", Version: 1, Name: p.Playbook.Name, File: p.Playbook.File,
		Description: p.Playbook.Description, Inputs: []shownInput{}}
	if s := p.Playbook.Schedule; s != nil {
		out.Schedule, out.Persistent = s.Calendar, s.Persistent
		if s.Jitter > 0 {
			out.Jitter = unit.FormatDuration(s.Jitter)
		}
	}
	for _, in := range p.Inputs {
		shown := shownInput{Name: in.Decl.Name, Type: in.Schema.TypeName(), Required: in.Decl.Required(),
			Secret: in.Decl.Secret, Description: in.Decl.Description}
		for _, e := range in.Decl.Enum {
			shown.Enum = append(shown.Enum, e.Text)
		}
		if v, ok := p.Default(in); ok {
			shown.Default, _ = check.Units.ToJSON(in.Schema, v)
		}
		out.Inputs = append(out.Inputs, shown)
	}
	for _, o := range p.Playbook.Outputs {
		out.Outputs = append(out.Outputs, o.Name)
	}
	for _, part := range []struct {
		name  string
		steps []*check.Step
	}{{"steps", p.Steps}, {"on_failure", p.OnFailure}, {"always", p.Always}} {
		out.add(part.name, 0, part.steps)
	}
	return out
}

// add lists steps, those inside a block behind it.
func (p *shownPlaybook) add(section string, depth int, steps []*check.Step) {
	for _, s := range steps {
		step := shownStep{Section: section, ID: s.ID, Depth: depth}
		if s.Source.If != nil {
			step.If = s.Source.If.Text
		}
		if s.IsBlock() {
			step.Summary = "A block of steps"
			if s.Call != nil {
				step.Playbook = s.Call.Playbook.Name
				step.Summary = strings.TrimSuffix("Playbook "+step.Playbook+": "+s.Call.Playbook.Description, ": ")
			}
			p.Steps = append(p.Steps, step)
			p.add(section, depth+1, s.Block)
			p.add(section+", when "+s.ID+" failed", depth+1, slices.Concat(s.Rescue, s.OnFailure))
			p.add(section+", after "+s.ID, depth+1, s.Always)
			continue
		}
		step.Uses, step.Effect, step.Summary = s.Source.Uses.String(), string(s.Action.Effect), s.Action.Summary
		p.Steps = append(p.Steps, step)
	}
}

func (a *app) printPlaybook(p shownPlaybook) error {
	fmt.Fprintf(a.out, "%s: %s\n", p.Name, diagnostic.Escape(p.Description))
	if p.Schedule != "" {
		fmt.Fprintf(a.out, "schedule: %s", diagnostic.Escape(p.Schedule))
		if p.Persistent {
			fmt.Fprint(a.out, ", missed runs are made up for")
		}
		if p.Jitter != "" {
			fmt.Fprintf(a.out, ", up to %s later", p.Jitter)
		}
		fmt.Fprintln(a.out)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if len(p.Inputs) > 0 {
		fmt.Fprintf(w, "\nINPUT\tTYPE\tDEFAULT\tDESCRIPTION\n")
	}
	for _, in := range p.Inputs {
		value := "(none)"
		switch {
		case in.Required:
			value = "(required)"
		case in.Default != nil:
			value = strings.Trim(string(in.Default), `"`)
		}
		kind := in.Type
		if len(in.Enum) > 0 {
			kind = strings.Join(in.Enum, " | ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", in.Name, kind, diagnostic.Escape(value), diagnostic.Escape(in.Description))
	}
	fmt.Fprintf(w, "\nSTEP\tUSES\tEFFECT\tWHAT IT DOES\n")
	section := "steps"
	for _, s := range p.Steps {
		if s.Section != section {
			section = s.Section
			fmt.Fprintf(w, "%s:\t\t\t\n", section)
		}
		what := s.Summary
		if s.If != "" {
			what += " (if " + s.If + ")"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\n", strings.Repeat("  ", s.Depth), s.ID, s.Uses, s.Effect, diagnostic.Escape(what))
	}
	if err := w.Flush(); err != nil || len(p.Outputs) == 0 {
		return err
	}
	_, err := fmt.Fprintf(a.out, "\noutputs: %s\n", join(p.Outputs))
	return err
}
