package plugintest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// state is what a case says that its action changes, by place.
type state map[string]string

// observe looks at the state of a case.
func observe(ctx context.Context, c Case) (state, error) {
	s := state{}
	for _, path := range c.Watch {
		if err := s.add(path); err != nil {
			return nil, err
		}
	}
	if c.State != nil {
		text, err := c.State(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot tell the state of case %s: %w", c.name(), err)
		}
		s["the state"] = text
	}
	return s, nil
}

// add walks a file or folder, without crossing links.
func (s state) add(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it need not be there, or has just gone
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s, changed %s", info.Mode(), info.ModTime().UTC().Format("2006-01-02T15:04:05.000000000Z"))
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " to " + target
		case info.Mode().IsRegular():
			sum, err := sum(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(", %d bytes, %s", info.Size(), sum)
		}
		s[path] = line
		return nil
	})
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// compare says how a later state differs; "" when it does not.
func (s state) compare(later state) string {
	var all, folders []string // a folder changes with what is in it
	for place, was := range s {
		switch is, ok := later[place]; {
		case !ok:
			all = append(all, place+" is gone")
		case is != was && strings.HasPrefix(was, "d") && strings.HasPrefix(is, "d"):
			folders = append(folders, place+" was "+was+" and is "+is)
		case is != was:
			all = append(all, place+" was "+shorten(was, 300)+" and is "+shorten(is, 300))
		}
	}
	for place := range later {
		if _, ok := s[place]; !ok {
			all = append(all, place+" is new")
		}
	}
	if len(all) == 0 {
		all = folders
	}
	sort.Strings(all)
	if len(all) > 5 {
		all = append(all[:5], fmt.Sprintf("and %d more", len(all)-5))
	}
	return strings.Join(all, "\n  ")
}
