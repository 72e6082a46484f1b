package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/runner/powercut"
	"github.com/hbohlen/coppice/runner/rehearse"
)

// witness is a file that stands for what was in a subvolume.
const witness = ".rehearsal"

// Witness writes a file into each writable subvolume of the copies, which are attached and not shown: so that it can be seen
// whether their content is whole.
func (s *Set) Witness(ctx context.Context) error {
	for _, c := range s.Copies {
		f, err := kernel.OpenDevice(ctx, c.Image.Device(), false)
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close(), loopfs.Free(c.Image.Device())); err != nil {
			return err
		}
	}
	return nil
}

func write(f *kernel.Filesystem) error {
	all, err := f.List()
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.ReadOnly {
			continue
		}
		// More than fits into the tree itself: a file with data of its own.
		text := make([]byte, 0, 9000)
		for len(text) < 9000 {
			text = fmt.Appendf(text, "This is the content of %s, %v.\n", s.Path, s.UUID)
		}
		if err := f.WriteFile(s.Path+"/"+witness, text, 0o600); err != nil {
			return err
		}
	}
	return f.Sync()
}

// Contents know the content of subvolumes: of those that have not changed since they were seen first.
type Contents struct {
	first map[state]string
	seen  bool
}

type state struct {
	uuid       kernel.UUID
	generation uint64
}

// LookInside is Look, with the content of each subvolume as an attribute. Files and links count; folders and what lies in
// nested subvolumes do not.
func (s *Set) LookInside(ctx context.Context, known *Contents) ([]rehearse.Thing, error) {
	_, things, err := s.Look(ctx)
	if err != nil {
		return nil, err
	}
	first := map[state]string{}
	byID := map[string]string{}
	for _, c := range s.Copies {
		f, err := kernel.OpenDevice(ctx, c.Image.Device(), false)
		if err != nil {
			return nil, err
		}
		err = known.read(f, first, byID)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	if !known.seen {
		known.first, known.seen = first, true
	}
	for i := range things {
		if content, ok := byID[things[i].Resource.ID]; ok {
			things[i].Attributes[powercut.Content] = content
		}
	}
	return things, nil
}

func (c *Contents) read(f *kernel.Filesystem, into map[state]string, byID map[string]string) error {
	all, err := f.List()
	if err != nil {
		return err
	}
	for _, s := range all {
		at := state{s.UUID, s.Gen}
		content, ok := c.first[at]
		if !ok {
			if content, err = digest(fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), s.Path)); err != nil {
				return fmt.Errorf("cannot read %q: %w", s.Path, err)
			}
		}
		into[at], byID[s.UUID.String()] = content, content
	}
	return nil
}

// Inodes of the root of a subvolume, and of the folder that stands for one in a snapshot: linux/btrfs_tree.h.
const inodeRoot, inodeEmpty = 256, 2

func digest(root string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch mode := info.Mode(); {
		case mode.IsDir():
			if st, ok := info.Sys().(*syscall.Stat_t); ok && rel != "." && (st.Ino == inodeRoot || st.Ino == inodeEmpty) {
				return fs.SkipDir
			}
			return nil
		case mode&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			fmt.Fprintf(sum, "%q %v %q\n", rel, mode, target)
			return err
		case mode.IsRegular():
			fmt.Fprintf(sum, "%q %v %d\n", rel, mode, info.Size())
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = io.Copy(sum, file)
			return err
		default:
			fmt.Fprintf(sum, "%q %v\n", rel, mode)
			return nil
		}
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}
