package main

import (
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/transfer"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

func (a *app) receiveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receive [FOLDER]",
		Short: "Keep snapshots that another machine sends; ssh calls this",
		Long: "Keep snapshots that another machine sends: btrfs.send with to: ssh://… has ssh start this on the\n" +
			"machine that keeps the copies. It talks to the other side through its standard input and output.\n\n" +
			"With FOLDER only targets in it are allowed. In root's authorized_keys, before the key of the\n" +
			"sending machine, that makes a key that is good for nothing else.",
		Example: `  restrict,command="/usr/local/bin/coppice receive /mnt/backup/web1" ssh-ed25519 AAAA…`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			under := ""
			if len(args) == 1 {
				if under = args[0]; under == "" {
					return usage("FOLDER is empty: leave it out to allow every folder")
				}
			}
			// What is being received when the connection or this process is told to end is removed first.
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			defer stop()
			err := transfer.Serve(ctx, volume.Live(), under, c.InOrStdin(), a.out)
			if ctx.Err() != nil {
				return exit(signalCode(syscall.SIGTERM), errors.New("stopped"))
			}
			if err != nil {
				return exit(exitFailed, err)
			}
			return nil
		},
	}
}
