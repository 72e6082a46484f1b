package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// finding is what doctor has found of one thing.
type finding struct {
	Check string `json:"check"`          // kernel, clock, program, …
	About string `json:"about"`          // what was looked at: a file, a filesystem, a unit
	State string `json:"state"`          // ok, warning, error, unknown
	What  string `json:"what"`           // what was found
	Mend  string `json:"mend,omitempty"` // how to mend it
}

const (
	stateOK      = "ok"
	stateUnknown = "unknown"
)

// examination collects findings.
type examination struct{ all []finding }

func (e *examination) ok(check, about, format string, args ...any) {
	e.all = append(e.all, finding{Check: check, About: about, State: stateOK, What: fmt.Sprintf(format, args...)})
}

func (e *examination) unknown(check, about, format string, args ...any) {
	e.all = append(e.all, finding{Check: check, About: about, State: stateUnknown, What: fmt.Sprintf(format, args...)})
}

func (e *examination) bad(level, check, about, mend, format string, args ...any) {
	e.all = append(e.all, finding{Check: check, About: about, State: level, What: fmt.Sprintf(format, args...), Mend: mend})
}

func (a *app) doctorCommand() *cobra.Command {
	var filesystem string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check that this machine has what the playbooks need, and say how to mend what it has not",
		Long: "Check that this machine has what the installed playbooks need: the kernel, the clock, the filesystems and how they\n" +
			"are mounted, the space, who can write to the configuration, and that the units are those that install would\n" +
			"write now. Of what is missing it says how to mend it. Nothing is changed.\n\n" +
			"It exits with 4 when something is to be mended.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := a.session(c.Context())
			defer s.close()
			e, err := a.examine(s, filesystem)
			if err != nil {
				return err
			}
			if a.json {
				err = a.document("coppice.doctor", "findings", e.all)
			} else {
				err = a.showFindings(e.all)
			}
			if err == nil && slices.ContainsFunc(e.all, finding.toMend) {
				return exit(exitAttention, nil)
			}
			return err
		},
	}
	registerFilesystem(c, &filesystem)
	return c
}

func (f finding) toMend() bool { return f.State == levelError || f.State == levelWarning }

// showFindings prints what is to be mended first.
func (a *app) showFindings(all []finding) error {
	signs := map[string]string{stateOK: "✓", levelWarning: "!", levelError: "✗", stateUnknown: "?"}
	var b strings.Builder
	for _, toMend := range []bool{true, false} {
		for _, f := range all {
			if f.toMend() != toMend {
				continue
			}
			fmt.Fprintf(&b, "%s %-10s  %s: %s\n", signs[f.State], f.Check, diagnostic.Escape(f.About), diagnostic.Escape(f.What))
			if f.Mend != "" {
				fmt.Fprintf(&b, "              %s\n", diagnostic.Escape(f.Mend))
			}
		}
	}
	if !slices.ContainsFunc(all, finding.toMend) {
		b.WriteString("Nothing is to be mended.\n")
	}
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return exit(exitFailed, err)
	}
	return nil
}
