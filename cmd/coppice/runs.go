package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// runRecord says how the run of a playbook is recorded.
func runRecord(state *stateDirs, p *check.Program, playbook found, inputs map[string]any) (journal.Options, error) {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	saved, err := p.Save(inputs, salt)
	if err != nil {
		return journal.Options{}, exit(exitBug, err)
	}
	return journal.Options{Dirs: state.dirs, Home: state.id(state.dirs[0]), SHA256: digest(playbook, p.Playbook.Called),
		Coppice: version(), Inputs: saved, Secrets: p.Secrets(inputs)}, nil
}

func (a *app) runsCommand() *cobra.Command {
	var name, filesystem string
	var limit int
	c := &cobra.Command{
		Use:   "runs",
		Short: "List the runs that there were, and those that are",
		Long: "List the runs of playbooks on this machine, the newest first. A run that was killed, or cut off\n" +
			"from power, is shown as interrupted. The record of a run lies on the btrfs that its inputs name,\n" +
			"in .coppice at the top level, and else in /var/lib/coppice.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listRuns(filesystem, name, limit, time.Now()) },
	}
	c.PersistentFlags().StringVarP(&filesystem, "filesystem", "f", "", "only records that lie on this `filesystem`: UUID=…, LABEL=…, its device, or any path on it")
	c.Flags().StringVar(&name, "playbook", "", "only the runs of the playbook of this `name`")
	c.Flags().IntVar(&limit, "limit", 20, "at most so `many`; 0: all")
	c.AddCommand(&cobra.Command{
		Use:   "show RUN",
		Short: "Show what one run did, step by step",
		Long: "Show what one run did, step by step. RUN is the run's id, or as much of its beginning as no\n" +
			"other run has. With --json the lines of its record are printed as they are.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.showRun(filesystem, args[0], time.Now()) },
	})
	return c
}

// listedRun is a line of `coppice runs`.
type listedRun struct {
	Run      string           `json:"run"`
	Playbook string           `json:"playbook"`
	Started  time.Time        `json:"started"` // by the clock; instant is what the run went by
	Instant  time.Time        `json:"instant"`
	Status   engine.RunStatus `json:"status"` // succeeded, failed, timed_out, cancelled, running, interrupted, unknown
	Reason   string           `json:"reason,omitempty"`
	Took     time.Duration    `json:"took_ns"` // of a run that has not ended, until the last that is known of it
	Changes  engine.Totals    `json:"changes"`
	Resumes  string           `json:"resumes,omitempty"` // the run that it goes on from
	Record   string           `json:"record"`            // the file
}

func (a *app) listRuns(filesystem, playbook string, limit int, now time.Time) error {
	if limit < 0 {
		return usage("--limit %d is negative", limit)
	}
	state, all, err := allRuns(filesystem)
	if err != nil {
		return err
	}
	defer state.Close()
	for _, i := range all.Ignored {
		fmt.Fprintf(a.err, "coppice: %s is left alone: %s\n", diagnostic.Escape(state.Shown(i.Path)), diagnostic.Escape(i.Why))
	}
	list := []listedRun{}
	for _, s := range all.Runs {
		if playbook != "" && s.Playbook != playbook {
			continue
		}
		if limit > 0 && len(list) == limit {
			break
		}
		l := listedRun{Run: s.Run, Playbook: s.Playbook, Started: s.Began(), Instant: s.Instant, Status: s.Status,
			Reason: s.Reason, Took: s.Took, Changes: s.Changes, Resumes: s.Resumes, Record: state.Shown(s.Path)}
		if s.Status == journal.Running {
			l.Took = max(now.Sub(l.Started), 0)
		}
		list = append(list, l)
	}
	if a.json {
		return a.document("coppice.runs", "runs", list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.err, "there are no records of runs")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RUN\tPLAYBOOK\tWHEN\tTOOK\tSTATUS\tCHANGES\n")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", diagnostic.Escape(l.Run), orDash(diagnostic.Escape(l.Playbook)), when(l.Started, now),
			took(l.Status, l.Took), runStatus(l.Status), signs(l.Changes))
	}
	return w.Flush()
}

// allRuns lists the records of runs in every state folder of this machine, or in that of one filesystem that somebody names. The caller
// closes the folders when it has read what it wants.
func allRuns(filesystem string) (*stateDirs, journal.Listing, error) {
	state, err := allState(context.Background(), filesystem)
	if err != nil {
		return nil, journal.Listing{}, exit(exitFailed, err)
	}
	all, err := journal.List(state.dirs)
	if err != nil {
		state.Close()
		return nil, journal.Listing{}, recordsError(err)
	}
	return state, all, nil
}

// recordsError is the exit for records that can't be read.
func recordsError(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return exitError{code: exitNotPermitted, err: fmt.Errorf("cannot read the records of runs: %w", err),
			advice: "only root may: they can hold what nobody else is to see"}
	}
	return exit(exitFailed, fmt.Errorf("cannot read the records of runs: %w", err))
}

func runStatus(s engine.RunStatus) string { return strings.ReplaceAll(string(s), "_", " ") }

// took is how long a run took, has run, or at least ran.
func took(s engine.RunStatus, d time.Duration) string {
	switch s {
	case journal.Unknown:
		return "-"
	case journal.Interrupted:
		return "> " + report.Duration(d)
	}
	return report.Duration(d)
}

// when is "2026-03-30 08:00 (2 hours ago)", in local time.
func when(t, now time.Time) string {
	return t.Local().Format("2006-01-02 15:04") + " (" + ago(now.Sub(t)) + ")"
}

func ago(d time.Duration) string {
	word := " ago"
	if d < 0 {
		d, word = -d, " from now"
	}
	switch {
	case d < time.Minute && word == " ago":
		return "just now"
	case d < time.Hour:
		return report.Count(int(d/time.Minute), "minute") + word
	case d < 48*time.Hour:
		return report.Count(int(d/time.Hour), "hour") + word
	}
	return report.Count(int(d/(24*time.Hour)), "day") + word
}

// signs is "+4 ~0 -52"; what only ran stands behind it.
func signs(t engine.Totals) string {
	if !t.Any() {
		return "none"
	}
	text := fmt.Sprintf("+%d ~%d -%d", t.Create, t.Update, t.Delete)
	if t.Run > 0 {
		text += fmt.Sprintf(" >%d", t.Run)
	}
	return text
}

func sign(k sdk.Kind) string {
	switch k {
	case sdk.Create:
		return "+"
	case sdk.Update:
		return "~"
	case sdk.Delete:
		return "-"
	case sdk.Run:
		return ">"
	}
	return "?"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
