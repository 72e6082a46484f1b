package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
)

// cutting is how the power is cut in a rehearsal.
type cutting struct {
	power   bool
	seed    uint64
	most    int
	subsets int
	only    string
	keep    string
}

func (c *cutting) register(command *cobra.Command) {
	f := command.Flags()
	f.BoolVar(&c.power, "cut-power", false, "cut the power after each write, look at what is left, and run the playbook again")
	f.Uint64Var(&c.seed, "cut-seed", 0, "the `seed` of what is left to chance; 0, another one each time")
	f.IntVar(&c.most, "cut-most", 2000, "cut at this many writes at most; of more, a choice by the seed")
	f.IntVar(&c.subsets, "cut-subsets", 200, "try this many states in which only some of what was not flushed is on the disk")
	f.StringVar(&c.only, "cut", "", "try only the state after this cut: `BOUNDARY[:SEED]`, as a failure names it")
	f.StringVar(&c.keep, "cut-keep", "", "keep the images of the first states that fail in this `folder`")
}

// check says what does not go together.
func (c *cutting) check(flags interface{ Changed(string) bool }, o *rehearsal) error {
	for _, name := range []string{"cut-seed", "cut-most", "cut-subsets", "cut", "cut-keep"} {
		if flags.Changed(name) && !c.power {
			return usage("--%s needs --cut-power", name)
		}
	}
	if c.power && (o.days > 0 || o.keep || o.shell || o.save != "") {
		return usage("--cut-power does not go with --days, --keep, --shell and --save-layout")
	}
	if c.most < 1 || c.subsets < 0 {
		return usage("--cut-most must be at least 1, and --cut-subsets at least 0")
	}
	if _, err := c.one(); err != nil {
		return err
	}
	if info, err := os.Stat(c.keep); c.keep != "" && (err != nil || !info.IsDir()) {
		return usage("--cut-keep: %s is not a folder", c.keep)
	}
	return nil
}

// one is the only cut to try; nil: all.
func (c *cutting) one() (*cutdisk.Cut, error) {
	if c.only == "" {
		return nil, nil
	}
	boundary, seed, seeded := strings.Cut(c.only, ":")
	n, err := strconv.Atoi(boundary)
	cut := &cutdisk.Cut{Boundary: n}
	if err == nil && seeded {
		cut.Seed, err = strconv.ParseUint(seed, 10, 64)
	}
	if err != nil || n < 0 {
		return nil, usage("--cut: %q is no BOUNDARY or BOUNDARY:SEED, such as 137 or 137:9", c.only)
	}
	return cut, nil
}
