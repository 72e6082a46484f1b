package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"golang.org/x/sys/unix"
)

// exact compares the extended attributes of two nodes, and what is in them if they are files.
func (c Comparison) exact(ctx context.Context, dirA *os.File, nameA string, dirB *os.File, nameB string, kind Kind) (What, error) {
	a, err := allExtended(dirA, nameA)
	if err != nil {
		return "", err
	}
	b, err := allExtended(dirB, nameB)
	if err != nil {
		return "", err
	}
	if !maps.Equal(a, b) {
		return Attributes, nil
	}
	if kind != File {
		return "", nil
	}
	fileA, err := openAt(dirA, nameA, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer fileA.Close()
	fileB, err := openAt(dirB, nameB, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer fileB.Close()
	bufferA, bufferB := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, errA := io.ReadFull(fileA, bufferA)
		m, errB := io.ReadFull(fileB, bufferB)
		if !bytes.Equal(bufferA[:n], bufferB[:m]) {
			return Changed, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return "", err
			}
		}
		if errA != nil || errB != nil {
			return "", nil
		}
	}
}

// allExtended are the extended attributes of a node.
func allExtended(dir *os.File, name string) (map[string]string, error) {
	names, err := extendedNames(through(dir, name))
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, n := range names {
		value, err := extendedValue(through(dir, name), n)
		if err != nil && err != unix.ENODATA {
			return nil, err
		}
		all[n] = string(value)
	}
	return all, nil
}

// Same reports whether what is at two names is the same with all that is in it: kinds, sizes, times, owners, permissions,
// extended attributes, targets, content. The times of folders do not count.
func Same(ctx context.Context, dirA *os.File, nameA string, dirB *os.File, nameB string) (bool, error) {
	a, foundA, err := Stat(dirA, nameA)
	if err != nil {
		return false, err
	}
	b, foundB, err := Stat(dirB, nameB)
	if err != nil || !foundA || !foundB {
		return false, err
	}
	if what, err := (Comparison{Exact: true}).Differ(ctx, dirA, nameA, a, dirB, nameB, b); err != nil || what != "" || a.Kind != Folder {
		return err == nil && what == "", err
	}
	innerA, err := openDir(dirA, nameA)
	if err != nil {
		return false, fmt.Errorf("cannot open %q: %w", nameA, err)
	}
	defer innerA.Close()
	innerB, err := openDir(dirB, nameB)
	if err != nil {
		return false, fmt.Errorf("cannot open %q: %w", nameB, err)
	}
	defer innerB.Close()
	different := errors.New("different")
	err = Comparison{Exact: true}.Compare(ctx, innerA, innerB, func(d Difference) error {
		if d.Before.Kind == Socket || d.After.Kind == Socket { // never copied
			return nil
		}
		return different
	})
	if err == different {
		return false, nil
	}
	return err == nil, err
}
