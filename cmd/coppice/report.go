package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/runner/report/picture"
)

// reportDays is how many days are drawn where nobody says.
const reportDays = 30

func (a *app) reportCommand() *cobra.Command {
	var filesystem, out string
	var days int
	var html bool
	c := &cobra.Command{
		Use:   "report",
		Short: "Draw what has happened: runs, space, snapshots",
		Long: "Draw what has happened, on one axis of time: how the runs of the playbooks went and how long they took, how full the\n" +
			"filesystems were, and when the snapshots were taken that there are. What needs somebody stands first, as in\n" +
			"coppice status, which exits with 4 then; this does not. Nothing is changed.\n\n" +
			"How full a filesystem was is what a step btrfs.usage has measured in a run, as snapshot-rotation does. What nobody has\n" +
			"measured is not drawn.\n\n" +
			"With --html it is one page with all pictures, and with their figures as tables. It needs no network and no scripts.",
		Example: "  coppice report\n" +
			"  coppice report --html > report.html\n" +
			"  coppice report --html --days 90 --out report.html",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case days < 0 || days > 36525:
				return usage("--days: %d is not from 0 to 36525", days)
			case html && a.json:
				return usage("--html and --json do not go together")
			case out != "" && !html:
				return usage("--out goes with --html")
			}
			s := a.session(c.Context())
			defer s.close()
			r, err := a.history(s, filesystem, days, time.Now())
			if err != nil {
				return err
			}
			switch {
			case out != "":
				err = writeWhole(out, ".coppice-report-", []byte(picture.Page(r, time.Local)))
			case html:
				_, err = fmt.Fprint(a.out, picture.Page(r, time.Local))
			case a.json:
				err = report.HistoryJSON(a.reportOptions(nil), r)
			default:
				err = report.History(a.reportOptions(nil), r, time.Local, poorTerminal(os.Getenv))
			}
			if err != nil {
				return exit(exitFailed, fmt.Errorf("cannot write the report: %w", err))
			}
			return nil
		},
	}
	registerFilesystem(c, &filesystem)
	c.Flags().IntVar(&days, "days", reportDays, "draw so `many` days, today the last; 0: all that is known of")
	c.Flags().BoolVar(&html, "html", false, "print a page for a browser instead")
	c.Flags().StringVar(&out, "out", "", "write the page to a `file` that is never there in part, and that only its owner can read")
	return c
}

// poorTerminal reports whether characters beyond ASCII can't be counted on: the locale says so, or it is the kernel's console,
// whose fonts have few.
func poorTerminal(getenv func(string) string) bool {
	if getenv("TERM") == "linux" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // see locale(7)
		if value := strings.ToLower(getenv(name)); value != "" {
			return !strings.Contains(value, "utf-8") && !strings.Contains(value, "utf8")
		}
	}
	return false
}
