package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

// maxFile is more than any file of sysctl.d has.
const maxFile = 1 << 20

// content is a file as it was found.
type content struct {
	There bool   `json:"there"`
	Text  string `json:"text,omitempty"`
}

// readFile reads a file that is ours, or is not there. Others are refused: what somebody has written stays.
func readFile(path string) (content, error) {
	const at = "/drop_in"
	stat, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{}, nil
	case errors.Is(err, unix.ENOTDIR):
		return content{}, sdk.InvalidInput(at, "%s is no folder", filepath.Dir(path))
	case err != nil:
		return content{}, &sdk.Error{Path: at, Summary: "cannot look at the file", Err: err}
	case stat.Mode()&fs.ModeSymlink != 0:
		to, _ := os.Readlink(path)
		e := sdk.InvalidInput(at, "%s is a link to %s, and not written by us", path, to)
		e.Advice = "take another name"
		if to == "/dev/null" {
			e.Advice = "that switches every file of this name off: take another name, or remove the link"
		}
		return content{}, e
	case !stat.Mode().IsRegular():
		return content{}, sdk.InvalidInput(at, "%s is no file", path)
	}
	text, err := readSmall(path)
	if err != nil {
		return content{}, &sdk.Error{Path: at, Summary: "cannot read the file", Err: err}
	}
	if !ours(text) {
		e := sdk.InvalidInput(at, "%s was not written by sysctl.set, and is left alone", path)
		e.Advice = "take another name"
		return content{}, e
	}
	return content{There: true, Text: text}, nil
}

// readSmall reads a regular file, which may be reached by a link.
func readSmall(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !stat.Mode().IsRegular() || stat.Size() > maxFile {
		return "", fmt.Errorf("%s is no small file", path)
	}
	text := make([]byte, stat.Size())
	n, err := f.ReadAt(text, 0)
	if err != nil && n < len(text) {
		return "", fmt.Errorf("cannot read %s: %w", path, err)
	}
	return string(text), nil
}

// readFolders reads all files of sysctl.d. What can't be read is a warning: it only keeps us from knowing of a conflict.
func readFolders(folders []string) (all [][]found, warnings []sdk.Diagnostic) {
	seen := map[string]bool{} // /lib is /usr/lib where the two are one
	for _, folder := range folders {
		real, err := filepath.EvalSymlinks(folder)
		if err != nil || seen[real] {
			all = append(all, nil)
			continue
		}
		seen[real] = true
		entries, err := os.ReadDir(folder)
		if err != nil {
			warnings = append(warnings, sdk.Warning("cannot tell which files set the same keys: %v", err))
		}
		sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
		var files []found
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			if !strings.HasSuffix(e.Name(), ".conf") || strings.HasPrefix(e.Name(), ".") || e.IsDir() {
				continue
			}
			if to, err := filepath.EvalSymlinks(path); err == nil && to == "/dev/null" {
				files = append(files, found{path: path, masked: true})
				continue
			}
			text, err := readSmall(path)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					warnings = append(warnings, sdk.Warning("cannot tell which keys a file sets: %v", err))
				}
				continue
			}
			files = append(files, found{path: path, lines: parse(text), masked: text == ""})
		}
		all = append(all, files)
	}
	return all, warnings
}
