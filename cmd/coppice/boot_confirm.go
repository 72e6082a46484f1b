package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/systemd"
)

// confirmCheck asks how the system is. Its inputs can stand in /etc/coppice/inputs/boot-confirm.yaml.
//
//go:embed boot_confirm.yaml
var confirmCheck string

// wellness is what confirm wants to know before it confirms.
type wellness struct {
	units     []string
	degraded  bool
	patience  string
	unchecked bool
}

func (a *app) bootConfirmCommand() *cobra.Command {
	var f inputFlags
	var y consent
	var w wellness
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Say that this boot went well",
		Long: "Say that this boot went well: its root is the last confirmed one then, which comes back if later boots\n" +
			"fail, and archives that have had their day may go. For a service that starts some minutes after the machine.\n\n" +
			"First it asks systemd whether it is well: all has started, no unit has failed, and those that are named are\n" +
			"active. What is still starting is waited for. Otherwise it says what is wrong, confirms nothing, and exits\n" +
			"with 1. What is asked for at each boot can stand in /etc/coppice/inputs/boot-confirm.yaml as well: units,\n" +
			"degraded and patience; a flag wins.",
		Example: "  coppice boot confirm --unit ssh.service --unit network-online.target --yes",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := a.session(c.Context())
			defer s.close()
			tellLeft(untoldBoot, a.journal())
			if !w.unchecked {
				if err := a.well(s, w, c.Flags().Changed); err != nil {
					return err
				}
			}
			return a.bootChangeIn(s, f, y, oneStep{verb: "confirm", title: "Confirm this boot", uses: "btrfs.boot_confirm"}, "root")
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().StringArrayVar(&w.units, "unit", nil, "a `unit` that must be active; can be given more than once")
	c.Flags().BoolVar(&w.degraded, "degraded", false, "other units may have failed")
	c.Flags().StringVar(&w.patience, "patience", "5m", "how `long` to wait for what is still starting")
	c.Flags().BoolVar(&w.unchecked, "unchecked", false, "confirm it whatever systemd says")
	return c
}

// well is nil when the machine has come up well. given reports whether a flag was.
func (a *app) well(s *session, w wellness, given func(string) bool) error {
	program, err := a.check(s.ctx, s.runner, found{"boot-confirm.yaml", []byte(confirmCheck)})
	if err != nil {
		return s.stopped(err)
	}
	var f inputFlags
	if given("unit") {
		list, err := json.Marshal(w.units)
		if err != nil {
			return exit(exitBug, err)
		}
		f.values = append(f.values, "units="+string(list))
	}
	if given("degraded") {
		f.values = append(f.values, fmt.Sprintf("degraded=%v", w.degraded))
	}
	if given("patience") {
		f.values = append(f.values, "patience="+w.patience)
	}
	inputs, err := a.resolve(program, f)
	if err != nil {
		return err
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil { // as sd_booted(3) has it
		if units, _ := inputs["units"].([]any); len(units) == 0 {
			fmt.Fprintln(a.complaints(syslogWarning), "coppice: systemd does not run this machine, so nobody was asked whether it is well")
			return nil
		}
	}
	var health systemd.HealthOutput
	if err := s.askProgram(program, inputs, &health); err != nil {
		return err
	}
	if health.Well {
		return nil
	}
	return exitError{code: exitFailed, err: errors.New("this boot is not confirmed: " + strings.Join(health.Why, "; ")),
		advice: "when it is well, confirm it: \"coppice boot confirm\"; or whatever systemd says, with --unchecked"}
}
