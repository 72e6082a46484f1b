package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/plugins/btrfs/upkeep"
	"github.com/hbohlen/coppice/runner/engine"
)

// health is what status tells of.
type health struct {
	At          time.Time          `json:"at"`             // when it was looked
	Attention   []concern          `json:"attention"`      // what needs somebody, errors first
	Playbooks   []playbookHealth   `json:"playbooks"`      // those that install has written units for
	Filesystems []filesystemHealth `json:"filesystems"`    // those that the playbooks are about; all that are mounted where there is none
	Boot        *bootHealth        `json:"boot,omitempty"` // absent where no boot has rolled a root back
	Holds       []string           `json:"holds"`          // why nothing is deleted on this machine
}

// concern is something that needs somebody.
type concern struct {
	Level string `json:"level"`          // error, warning
	About string `json:"about"`          // a playbook, a filesystem, boot, or machine
	What  string `json:"what"`           // what is wrong
	Mend  string `json:"mend,omitempty"` // what to do about it
}

const (
	levelError   = "error"
	levelWarning = "warning"
)

// playbookHealth is how a playbook that is installed does.
type playbookHealth struct {
	Name        string        `json:"name"`                  // the playbook's name
	Calendar    string        `json:"calendar,omitempty"`    // of its timer; absent without one
	Timer       string        `json:"timer"`                 // active, inactive, failed, none, or unknown where systemd does not run
	Last        *lastRun      `json:"last,omitempty"`        // absent when it never ran
	LastSuccess time.Time     `json:"last_success,omitzero"` // when the newest run that succeeded began
	Next        time.Time     `json:"next,omitzero"`         // when its timer starts it next
	Due         []dueWork     `json:"due"`                   // what it keeps account of
	Fails       string        `json:"fails,omitempty"`       // why it would fail now
	Unit        string        `json:"unit,omitempty"`        // how its service has failed, when no record tells: "exit-code 65"
	filesystems []string      // named by its inputs
	within      time.Duration // its random delay
}

// lastRun is the newest record of a playbook.
type lastRun struct {
	Run     string           `json:"run"`              // the run's id
	Started time.Time        `json:"started"`          // by the clock
	Status  engine.RunStatus `json:"status"`           // how it ended, or that it runs
	Reason  string           `json:"reason,omitempty"` // why
	Took    time.Duration    `json:"took_ns"`          // how long
	Changes engine.Totals    `json:"changes"`          // what it has changed
}

// dueWork is work that is done when it is due by the filesystem's own records.
type dueWork struct {
	Step string    `json:"step"`          // which step
	Due  bool      `json:"due"`           // whether it is done at the next run
	Last time.Time `json:"last,omitzero"` // when it was last finished; absent when never
	Next time.Time `json:"next,omitzero"` // when it will be due; absent when never finished
}

// filesystemHealth is how a filesystem does.
type filesystemHealth struct {
	Filesystem string         `json:"filesystem"`        // as the playbooks name it
	UUID       string         `json:"uuid"`              // its UUID
	Problem    string         `json:"problem,omitempty"` // why nothing else is known
	Size       int64          `json:"size"`              // raw bytes of all devices
	Free       int64          `json:"free"`              // bytes that can still be written, about
	FreeRatio  float64        `json:"free_ratio"`        // that as a part of what fits, 0 to 1
	Devices    int            `json:"devices"`           // how many
	Missing    int            `json:"missing"`           // devices
	Errors     []string       `json:"errors"`            // counters that are above what is known
	Snapshots  []snapshotKind `json:"snapshots"`         // by what they are of
	Held       *int64         `json:"held,omitempty"`    // bytes that only snapshots hold, at least; absent when that is not known
	usage      upkeep.UsageOutput
	found      []recovery.FoundSnapshot // the newest first
}

// snapshotKind are the snapshots of one subvolume.
type snapshotKind struct {
	Source  string    `json:"source"`  // the subvolume that they are of; empty where that is not known
	Count   int       `json:"count"`   // how many
	Oldest  time.Time `json:"oldest"`  // when it was taken
	Newest  time.Time `json:"newest"`  // when it was taken
	Foreign int       `json:"foreign"` // those that coppice never deletes
}

// bootHealth is how the rollback at boot does.
type bootHealth struct {
	LastResult  string    `json:"last_result"`      // what the last boot with a rollback came to
	LastAt      time.Time `json:"last_at,omitzero"` // when that was
	Confirmed   bool      `json:"confirmed"`        // whether this boot is confirmed
	Unconfirmed int       `json:"unconfirmed"`      // boots in a row that were not
	Off         string    `json:"off,omitempty"`    // why nothing is rolled back; absent if it is
	Next        string    `json:"next"`             // what the next boot will come to
	NextWhy     []string  `json:"next_why"`         // why
	Archives    int       `json:"archives"`         // how many
	Oldest      time.Time `json:"oldest,omitzero"`  // when it was archived
	Newest      time.Time `json:"newest,omitzero"`  // when it was archived
	unfinished  string
}

func (a *app) statusCommand() *cobra.Command {
	var filesystem string
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell on one screen whether all is well",
		Long: "Tell on one screen whether all is well, what needs somebody first: of each installed playbook the last and the\n" +
			"next run and what is due, of their filesystems the space, the snapshots and the devices, and how the rollback at\n" +
			"boot does. Each playbook is previewed, so that one that would fail at night is seen by day. Nothing is changed.\n\n" +
			"It exits with 4 when something needs attention.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := a.session(c.Context())
			defer s.close()
			h, err := a.gather(s, filesystem, time.Now())
			if err != nil {
				return err
			}
			h.Attention = worries(h)
			if a.json {
				err = a.document("coppice.status", "status", h)
			} else {
				err = a.showHealth(h)
			}
			if err == nil && len(h.Attention) > 0 {
				return exit(exitAttention, nil)
			}
			return err
		},
	}
	registerFilesystem(c, &filesystem)
	return c
}

// registerFilesystem is the flag of verbs that look at all filesystems.
func registerFilesystem(c *cobra.Command, filesystem *string) {
	c.Flags().StringVarP(filesystem, "filesystem", "f", "", "of the filesystems only this `one`: UUID=…, LABEL=…, its device, or any path on it")
}

// sortConcerns puts errors first.
func sortConcerns(all []concern) {
	slices.SortStableFunc(all, func(a, b concern) int { return strings.Compare(a.Level, b.Level) })
}

// succeeded finds the newest successes.
func (p *playbookHealth) note(l lastRun) {
	if p.Last == nil {
		p.Last = &l
	}
	if l.Status == engine.Succeeded && p.LastSuccess.IsZero() {
		p.LastSuccess = l.Started
	}
}

// byName sorts playbooks.
func byName(a, b playbookHealth) int { return cmp.Compare(a.Name, b.Name) }
