package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// btrbkFolder holds all snapshots of btrbk, as its snapshot_dir does.
const btrbkFolder = "btrbk"

// btrbkForm is the way of btrbk with timestamp_format long (man btrbk.conf): SOURCE.STAMP, local time.
type btrbkForm struct{}

func (btrbkForm) String() string { return "btrbk" }

func (btrbkForm) prepare(top *kernel.Filesystem, _ string) error {
	_, err := top.MkdirAll(btrbkFolder, 0o700)
	return err
}

func (btrbkForm) place(_ *kernel.Filesystem, source string, _ int, at time.Time) (dir, name string, err error) {
	return btrbkFolder, source + "." + at.Local().Format("20060102T1504"), nil
}

func (btrbkForm) taken(*kernel.Filesystem, time.Time, []snapshot) error { return nil }

// btrbkConfig writes a configuration that keeps the snapshots of the last days, as many as given; none is of today.
func (b *bench) btrbkConfig(w *world, days int) (path string, err error) {
	var text strings.Builder
	fmt.Fprintf(&text, "timestamp_format long\nsnapshot_preserve_min %dd\nsnapshot_preserve no\nvolume %s\n  snapshot_dir %s\n",
		days, w.fs.Mount, btrbkFolder)
	for _, source := range sources {
		fmt.Fprintf(&text, "  subvolume %s\n", source)
	}
	path = filepath.Join(b.dir, "btrbk.conf")
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}
