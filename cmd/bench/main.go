// Bench measures the product against what it replaces, side by side in one run: a shell script around btrfs-progs, and
// btrbk and snapper where they are installed. It prints times and ratios beside the bounds that the design sets.
//
// Every command works on throw-away filesystems of its own, in a mount namespace of its own, and each run of a command
// that changes something starts from the same state. Contenders take turns, so that noise hits all of them. A time never
// makes it fail: it exits with 1 if a command under test fails or does the wrong thing, and with 130 after Ctrl-C. It
// leaves nothing behind. `make bench` calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

func main() {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	runs := flags.Int("n", 5, "runs of each command")
	only := flags.String("only", "", "measure only these `sections`: "+strings.Join(sectionNames(), ", "))
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: bench [-n RUNS] [-only SECTION,…] COPPICE")
		flags.PrintDefaults()
	}
	err := flags.Parse(os.Args[1:])
	unknown := *only != "" && slices.ContainsFunc(strings.Split(*only, ","), func(name string) bool { return !slices.Contains(sectionNames(), name) })
	if err != nil || flags.NArg() != 1 || *runs < 1 || unknown {
		flags.Usage()
		os.Exit(64)
	}
	coppice, err := filepath.Abs(flags.Arg(0))
	if err == nil {
		_, err = os.Stat(coppice)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(64)
	}
	dir := os.Getenv(stageVariable)
	if dir == "" {
		os.Exit(stage())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// As the main of the program does.
	debug.SetGCPercent(150)
	b := &bench{coppice: coppice, runs: *runs, dir: dir, out: os.Stdout}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	// The parent does so too, unless it was killed.
	err = errors.Join(b.all(ctx), os.RemoveAll(dir))
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: stopped, and cleaned up")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of the whole program.
type bench struct {
	coppice string   // path of the binary under test
	runs    int      // of each command
	dir     string   // for everything that is made
	only    []string // names of the sections to measure; nil: all
	out     io.Writer

	btrbk, snapper   bool    // whether they are installed
	account          *cgroup // for the command that runs; may be nil
	claims, exceeded int
}

// sections are the parts of the measurement, in their order.
var sections = []struct {
	name    string
	measure func(*bench, context.Context, *worlds) error
}{
	{"take", (*bench).take},
	{"list", (*bench).list},
	{"expire", (*bench).expire},
	{"retention", (*bench).retention},
	{"processes", (*bench).processes},
	{"boot", (*bench).boot},
}

func sectionNames() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// wants reports whether any of these sections is to be measured.
func (b *bench) wants(names ...string) bool {
	return b.only == nil || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(b.only, name) })
}

// all sets the stage and measures everything.
func (b *bench) all(ctx context.Context) (err error) {
	if err := coverHost(b.dir); err != nil {
		return err
	}
	b.btrbk, b.snapper = installed("btrbk"), installed("snapper")
	if err := b.head(); err != nil {
		return err
	}
	w, err := b.buildWorlds(ctx)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	for _, s := range sections {
		if b.wants(s.name) {
			if err := s.measure(b, ctx, w); err != nil {
				return err
			}
		}
	}
	b.printf("\n%d of %d within bound.\n", b.claims-b.exceeded, b.claims)
	return nil
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

// note tells a person who waits what is going on.
func (b *bench) note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
