package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/sdk"
)

// rollbackInputs are those of boot-rollback that decide what the next boot does.
var rollbackInputs = []string{"root", "blank", "reset", "archive", "fall_back", "acknowledge"}

// archiveName is an archive as actions take it: a name without a folder is one in the archive's folder; a UUID is one.
func archiveName(archive, given string) string {
	if strings.Contains(given, "/") || len(given) == 36 && strings.Count(given, "-") == 4 && !strings.Contains(given, "T") {
		return given
	}
	return archive + "/" + given
}

// bootShown is what status and plan tell.
type bootShown struct {
	boot.StatusOutput
	Image imageState `json:"image"`
}

func (a *app) bootStatus(c *cobra.Command, f inputFlags) (bootShown, error) {
	var status bootShown
	s := a.session(c.Context())
	defer s.close()
	text, all, err := a.bootPlaybook(s, f)
	if err != nil {
		return status, err
	}
	with, err := pick(all, rollbackInputs...)
	if err != nil {
		return status, err
	}
	status.Image = imageNow(imageRecord, imageOf(text, all))
	return status, s.ask(oneStep{group: "boot", verb: "status", uses: "btrfs.boot_status", with: with}, &status.StatusOutput)
}

func (a *app) bootStatusCommand() *cobra.Command {
	var f inputFlags
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how the last boots went, what the next one will do, and what is in the archive",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			status, err := a.bootStatus(c, f)
			if err != nil {
				return err
			}
			if a.json {
				return a.document("coppice.boot", "boot", status)
			}
			return a.showBoot(status, time.Now())
		},
	}
	f.register(c)
	return c
}

func (a *app) bootPlanCommand() *cobra.Command {
	var f inputFlags
	c := &cobra.Command{
		Use:   "plan",
		Short: "Tell what the next boot will do with the root, and why",
		Long:  "Tell what the next boot will do with the root, and why. It exits with 1 if that will be refused.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			status, err := a.bootStatus(c, f)
			if err != nil {
				return err
			}
			if a.json {
				err = a.document("coppice.boot", "boot", status)
			} else {
				err = a.showNext(status.StatusOutput)
			}
			if err == nil && status.Next == "refused" {
				return exit(exitFailed, nil)
			}
			return err
		},
	}
	f.register(c)
	return c
}

// results are what a boot comes to, in words.
var results = map[string]string{
	"rolled-back": "has a clean root", "reused": "goes on with its root, which is clean still", "fell-back": "has a copy of the last confirmed root",
	"used": "has the archive that was asked for as its root", "used-once": "has the archive that was asked for as its root, once",
	"skipped": "has its root as it is", "refused": "has its root as it is: rolling it back will be refused", "done": "has had it already",
}

func (a *app) showNext(s boot.StatusOutput) error {
	text := "the next boot " + results[s.Next] + "\n"
	for _, why := range s.NextWhy {
		text += "  " + diagnostic.Escape(why) + "\n"
	}
	_, err := fmt.Fprint(a.out, text)
	return err
}

func (a *app) showBoot(s bootShown, now time.Time) error {
	var b strings.Builder
	switch {
	case s.LastBoot == "":
		b.WriteString("no boot has rolled the root back yet\n")
	default:
		which := "the last boot with a rollback"
		if s.LastBoot == s.Boot {
			which = "this boot"
		}
		fmt.Fprintf(&b, "%s: %s, %s\n", which, s.LastResult, when(s.LastAt, now))
	}
	switch {
	case s.Confirmed:
		fmt.Fprintf(&b, "confirmed %s\n", when(s.ConfirmedAt, now))
	case s.ConfirmedAt.IsZero():
		b.WriteString("no boot was ever confirmed\n")
	default:
		fmt.Fprintf(&b, "not confirmed; unconfirmed boots in a row: %d; the last confirmed one %s\n", s.Unconfirmed, when(s.ConfirmedAt, now))
	}
	if s.Off != "" {
		fmt.Fprintf(&b, "rollback is off: %s\n", diagnostic.Escape(s.Off))
	}
	if s.Unfinished != "" {
		b.WriteString(diagnostic.Escape(s.Unfinished) + "\n")
	}
	for _, r := range s.Requests {
		b.WriteString("asked for: " + diagnostic.Escape(r) + "\n")
	}
	if !s.Image.Ran && bootInstalled() {
		b.WriteString("the initrd of this boot has not run boot-rollback\n")
	}
	for _, stale := range s.Image.Stale {
		b.WriteString(diagnostic.Escape(stale) + ": make it anew\n")
	}
	fmt.Fprint(a.out, b.String())
	if err := a.showNext(s.StatusOutput); err != nil {
		return err
	}
	if len(s.Archives) > 0 {
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "\nPLACE\tARCHIVED\tUUID\tARCHIVE\tNOTES\n")
		for _, e := range s.Archives {
			fmt.Fprintf(w, "%s\t%s\t%.8s\t%s\t%s\n", diagnostic.Escape(e.Place), when(e.At, now), e.UUID, diagnostic.Escape(e.Path), archiveNotes(e))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if n := len(s.Foreign); n > 0 {
		fmt.Fprintf(a.out, "\nnot of coppice, and never deleted by it: %s\n  the subvolumes among them can be taken in: coppice boot adopt\n", diagnostic.Escape(join(s.Foreign)))
	}
	return nil
}

func archiveNotes(e boot.ArchiveEntry) string {
	var all []string
	for text, is := range map[string]bool{"never came to its place": e.Abandoned} {
		if is {
			all = append(all, text)
		}
	}
	if e.Confirmed {
		all = append(all, "confirmed")
	}
	if e.Adopted {
		all = append(all, "adopted")
	}
	if !e.Trusted && !e.Abandoned && !e.Adopted {
		all = append(all, "by an unsynchronised clock")
	}
	if e.Pinned != "" {
		all = append(all, e.Pinned)
	}
	if e.Mounted != "" {
		all = append(all, e.Mounted)
	}
	return diagnostic.Escape(strings.Join(all, "; "))
}

func (a *app) bootDiffCommand() *cobra.Command {
	var f inputFlags
	var y consent
	var limit int
	var acknowledge bool
	var nested []string
	c := &cobra.Command{
		Use:   "diff",
		Short: "Tell what the next boot would put away",
		Long: "Tell what of the root is not in a clean one: the next boot would put it away, and with its archive it would be\n" +
			"gone one day. It exits with 1 if the keys and ids of the machine are among it, or other subvolumes,\n" +
			"until --acknowledge says that these may go.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return usage("--limit %d is negative", limit)
			}
			s := a.session(c.Context())
			defer s.close()
			with, err := a.bootInputs(s, f, "root", "blank", "archive", "acknowledge")
			if err != nil {
				return err
			}
			with["limit"] = limit
			if len(nested) > 0 {
				with["nested"] = nested
			}
			var loss boot.LossOutput
			if err := s.ask(oneStep{group: "boot", verb: "diff", uses: "btrfs.boot_diff", with: with}, &loss); err != nil {
				return err
			}
			if acknowledge && len(loss.Identity) > 0 {
				return s.change(oneStep{group: "boot", verb: "acknowledge", title: "Acknowledge what may go", uses: "btrfs.boot_request",
					with: map[string]any{"filesystem": with["filesystem"], "root": with["root"], "archive": with["archive"], "request": "acknowledge", "acknowledge": loss.Identity}}, y)
			}
			return a.showLoss(loss)
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().IntVar(&limit, "limit", 1000, "list at most so `many`; 0: all")
	c.Flags().BoolVar(&acknowledge, "acknowledge", false, "keys and ids of the machine that are found may go with the root")
	c.Flags().StringArrayVar(&nested, "nested", nil, "a subvolume in the root that may go with it, a `path` in it")
	return c
}

func (a *app) showLoss(l boot.LossOutput) error {
	refuse := len(l.Identity)+len(l.Nested) > 0
	if a.json {
		if err := a.document("coppice.boot-diff", "diff", l); err != nil {
			return err
		}
		if refuse {
			return exit(exitFailed, nil)
		}
		return nil
	}
	for _, d := range l.Losses {
		fmt.Fprintln(a.out, differenceLine(recovery.Difference{Path: d.Path, What: d.What, Kind: d.Kind, Before: sdk.Size(d.Size), After: sdk.Size(d.Size), Contains: d.Contains}))
	}
	if !l.Complete {
		fmt.Fprintf(a.err, "coppice: only the first %d of %d are listed; --limit 0 lists all\n", len(l.Losses), l.Count)
	}
	for _, p := range l.Identity {
		fmt.Fprintf(a.out, "makes this machine the one it is: %s\n", diagnostic.Escape(p))
	}
	for _, p := range l.Nested {
		fmt.Fprintf(a.out, "a subvolume, which goes with the root: %s\n", diagnostic.Escape(p))
	}
	if _, err := fmt.Fprintf(a.out, "%d would be put away\n", l.Count); err != nil {
		return err
	}
	if refuse {
		return exitError{code: exitFailed, err: errors.New("there is more among it than what a machine writes anew"),
			advice: "keep it on other subvolumes, or say that it may go: --acknowledge, and --nested for subvolumes"}
	}
	return nil
}
