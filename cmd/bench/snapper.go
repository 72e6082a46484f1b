package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// snapperForm is the way of snapper: SOURCE/.snapshots is a subvolume that has a folder for each snapshot.
type snapperForm struct{}

func (snapperForm) String() string { return "snapper" }

func (snapperForm) prepare(top *kernel.Filesystem, source string) error {
	_, err := top.CreateSubvolume(source + "/.snapshots")
	return err
}

func (snapperForm) place(top *kernel.Filesystem, source string, n int, at time.Time) (dir, name string, err error) {
	dir = fmt.Sprintf("%s/.snapshots/%d", source, n)
	if _, err := top.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	info := fmt.Sprintf("<?xml version=\"1.0\"?>\n<snapshot>\n  <type>single</type>\n  <num>%d</num>\n  <date>%s</date>\n"+
		"  <cleanup>number</cleanup>\n</snapshot>\n", n, at.UTC().Format(time.DateTime))
	return dir, "snapshot", top.WriteFileAtomic(dir+"/info.xml", []byte(info), 0o600)
}

func (snapperForm) taken(*kernel.Filesystem, time.Time, []snapshot) error { return nil }

// snapperConfigs writes a configuration for each source into /etc/snapper, which is covered by a folder of ours.
func snapperConfigs(w *world, keep int) error {
	if err := os.MkdirAll("/etc/snapper/configs", 0o755); err != nil {
		return err
	}
	for _, source := range sources {
		text := fmt.Sprintf("SUBVOLUME=%q\nFSTYPE=\"btrfs\"\nNUMBER_CLEANUP=\"yes\"\nNUMBER_MIN_AGE=\"0\"\nNUMBER_LIMIT=\"%d\"\n"+
			"BACKGROUND_COMPARISON=\"no\"\nTIMELINE_CREATE=\"no\"\n", w.fs.Path(source), keep)
		if err := os.WriteFile(filepath.Join("/etc/snapper/configs", source), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
