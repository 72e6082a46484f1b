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
	"syscall"
)

func main() {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	runs := flags.Int("n", 5, "runs of each command")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: bench [-n RUNS] COPPICE")
		flags.PrintDefaults()
	}
	if err := flags.Parse(os.Args[1:]); err != nil || flags.NArg() != 1 || *runs < 1 {
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
	b := &bench{coppice: coppice, runs: *runs, dir: dir, out: os.Stdout}
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
	coppice string // path of the binary under test
	runs    int    // of each command
	dir     string // for everything that is made
	out     io.Writer

	btrbk, snapper   bool    // whether they are installed
	account          *cgroup // for the command that runs; may be nil
	claims, exceeded int
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
	for _, row := range []func(context.Context, *worlds) error{b.take, b.list, b.expire, b.retention, b.processes} {
		if err := row(ctx, w); err != nil {
			return err
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
