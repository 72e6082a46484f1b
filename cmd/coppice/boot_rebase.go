package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/runner/diagnostic"
)

func (a *app) bootRebaseCommand() *cobra.Command {
	var f inputFlags
	var y consent
	var offer bool
	step := oneStep{verb: "rebase", title: "Make the blank anew", uses: "btrfs.boot_rebase"}
	c := &cobra.Command{
		Use:   "rebase",
		Short: "Make the blank anew from the running root",
		Long: "Make the blank anew from the running root, after an upgrade, where the system can't start from an empty\n" +
			"root. The blank until now stays beside it. The input blank says where it is.\n\n" +
			"With --offer nothing is done if dpkg has changed nothing since the blank was made, or if there is none;\n" +
			"without a terminal it is only said. The hook that coppice install boot gives to apt does that.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := a.session(c.Context())
			defer s.close()
			if offer {
				wanted, err := a.rebaseWanted(s, f)
				if err != nil || !wanted {
					return err
				}
				if !a.asks() {
					fmt.Fprintln(a.err, "coppice: what was installed or removed is gone after the next boot, unless the blank has it: coppice boot rebase")
					return nil
				}
			}
			return a.bootChangeIn(s, f, y, step, "root", "blank")
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().BoolVar(&offer, "offer", false, "only if dpkg has changed something since")
	return c
}

// asks reports whether somebody is there who can be asked, and wants to be.
func (a *app) asks() bool {
	in, ok := a.in.(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && os.Getenv("DEBIAN_FRONTEND") != "noninteractive"
}

// dpkgStatus is written by dpkg with each change.
var dpkgStatus = "/var/lib/dpkg/status"

// rebaseWanted reports whether the blank is older than the last change of dpkg's.
func (a *app) rebaseWanted(s *session, f inputFlags) (bool, error) {
	_, inputs, err := a.bootPlaybook(s, f)
	if err != nil {
		return false, err
	}
	blank, _ := inputs["blank"].(string)
	info, err := os.Stat(dpkgStatus)
	if err != nil || blank == "" {
		return false, nil
	}
	name, _ := inputs["filesystem"].(string)
	filesystem, err := kernel.Open(s.ctx, name)
	if err != nil {
		fmt.Fprintf(a.err, "coppice: nobody can tell whether the blank has what was installed: %s\n", diagnostic.Escape(err.Error()))
		return false, nil
	}
	defer filesystem.Close()
	at, found, err := filesystem.AtPath(blank)
	if err != nil {
		return false, exit(exitFailed, err)
	}
	return found && at.OTime.Before(info.ModTime().Truncate(time.Second)), nil
}
