package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
	losses "github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
)

// bootPreflight refuses what would lose something at the next boot, or could never roll back.
func (a *app) bootPreflight(s *session, inputs map[string]any, keep boot.Persist) error {
	var status bootShown
	with, err := pick(inputs, rollbackInputs...)
	if err != nil {
		return err
	}
	if err := s.ask(oneStep{group: "boot", verb: "status", uses: "btrfs.boot_status", with: with}, &status.StatusOutput); err != nil {
		return err
	}
	if with, err = pick(inputs, "root", "blank", "archive", "acknowledge"); err != nil {
		return err
	}
	with["limit"] = 20
	if err := a.bootLosses(s, with); err != nil {
		return err
	}
	if status.Next == "refused" {
		return exitError{code: exitFailed, err: errors.New("nothing was installed: the next boot would refuse to roll back: " + strings.Join(status.NextWhy, "; ")),
			advice: "\"coppice boot plan\" tells when it would not"}
	}
	if err := a.stays(s, inputs); err != nil {
		return err
	}
	return persisted(keep)
}

// stays refuses what would be gone after the next boot: the configuration, where a clean root is empty, and a state folder of one's own.
func (a *app) stays(s *session, inputs map[string]any) error {
	folders := givenState()
	if blank, _ := inputs["blank"].(string); blank == "" {
		folders = append(folders, a.configs)
	}
	return a.replacedRefused(inputs, folders)
}

// persisted refuses to mount over what is there something that is not.
func persisted(p boot.Persist) error {
	var missing []string
	for _, at := range p.Paths {
		if _, err := os.Lstat(p.Source(at)); err != nil {
			missing = append(missing, fmt.Sprintf("mkdir -p %s && cp -a --reflink=auto %s %s/", filepath.Dir(p.Source(at)), at, filepath.Dir(p.Source(at))))
		}
		if _, err := os.Lstat(at); err != nil {
			return exitError{code: exitFailed, err: fmt.Errorf("there is no %s to mount what is kept on", at), advice: "make it, or take it out of boot-persist.yaml"}
		}
	}
	if len(missing) > 0 {
		return exitError{code: exitFailed, err: errors.New("what boot-persist.yaml keeps is not on " + p.On + " yet"), advice: "copy it: " + strings.Join(missing, "; ")}
	}
	return nil
}

// bootLosses refuses while the next boot would take what makes the machine the one it is.
func (a *app) bootLosses(s *session, with map[string]any) error {
	var loss losses.LossOutput
	if err := s.ask(oneStep{group: "boot", verb: "diff", uses: "btrfs.boot_diff", with: with}, &loss); err != nil {
		return err
	}
	if len(loss.Identity)+len(loss.Nested) > 0 {
		return a.showLoss(loss)
	}
	if loss.Count > 0 {
		fmt.Fprintf(a.err, "the next boot puts %s of %s away, see: coppice boot diff\n", report.Count(loss.Count, "path"), diagnostic.Escape(loss.Root))
	}
	return nil
}
