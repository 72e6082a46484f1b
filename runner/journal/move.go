package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Move brings records home: those in one state folder that say that they belong in another, of runs that are over. home is
// what the other folder is known by, see Options. It returns the ids of the runs; errors do not stop it. At any moment at
// least one of the two folders has the whole record.
func Move(from, to, home string) (moved []string, err error) {
	all, err := List([]string{from})
	if err != nil || len(all.Runs) == 0 {
		return nil, err
	}
	if err := prepare(to); err != nil {
		return nil, err
	}
	for _, s := range all.Runs {
		if s.Home != home || !s.Ended() {
			continue
		}
		if failure := move(s.Path, filepath.Join(runsIn(to), s.Run+suffix)); failure != nil {
			err = errors.Join(err, fmt.Errorf("cannot move the record of run %s: %w", s.Run, failure))
			continue
		}
		moved = append(moved, s.Run)
	}
	return moved, err
}

// same is the error that two files differ. Records are small enough to be read whole: see the bounds of lines.
func same(a, b string) error {
	one, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	two, err := os.ReadFile(b)
	if err == nil && !bytes.Equal(one, two) {
		err = fmt.Errorf("%s is another one", b)
	}
	return err
}

// move copies a file, under another name until all of it is on the disk, and then removes it where it was.
func move(from, to string) (err error) {
	in, err := open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	temp := to + ".moving" // a name that no record has: a reader leaves it alone
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = os.Link(temp, to) // unlike a rename, it replaces nothing
		if errors.Is(err, fs.ErrExist) {
			err = same(temp, to) // moved before, and not removed
		}
	}
	if err = errors.Join(err, os.Remove(temp)); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if _, err := remove(from); err != nil {
		return err
	}
	return syncDir(filepath.Dir(from))
}
