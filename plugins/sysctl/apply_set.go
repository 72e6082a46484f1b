package sysctl

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

// applySet sets the values, then writes the file, which so has only what the kernel has taken. All or nothing: changes are told
// when all are made.
func (h host) applySet(ctx context.Context, c *sdk.Call, private setPrivate) (SetOutput, error) {
	if err := h.undrifted(private); err != nil {
		return private.Output, err
	}
	var u undo
	done, err := h.setValues(ctx, private.Writes, &u)
	if err == nil && private.Change >= 0 {
		var changed bool
		if changed, err = replaceFile(private.Path, private.Before, private.After); err == nil && changed {
			done = append(done, private.Change)
		}
	}
	if err != nil {
		return h.back(c, private.Output, err, u)
	}
	for _, change := range done {
		c.Done(change)
	}
	return private.Output, nil
}

// undrifted makes sure that everything is as it was when the plan was made, or as the plan leaves it.
func (h host) undrifted(private setPrivate) error {
	legal := map[string][]string{}
	sides := map[string]bool{}
	var order []string
	allow := func(path string, values ...string) {
		if legal[path] == nil {
			order = append(order, path)
		}
		legal[path] = append(legal[path], values...)
	}
	for _, k := range private.Kept {
		allow(k.Path, k.From)
	}
	for _, w := range private.Writes {
		allow(w.Path, w.From, w.To)
		for _, s := range w.Sides {
			allow(s.Path, s.From, s.To)
			sides[s.Path] = true
		}
	}
	for _, path := range order {
		is, _, err := h.proc.read(path)
		if sides[path] && errors.Is(err, unix.ENOENT) {
			continue // of an interface that is gone
		}
		if err != nil {
			return &sdk.Error{Reason: sdk.Drifted, Summary: fmt.Sprintf("%s can't be read any more", nameOf(path)), Err: err}
		}
		fits := false
		for _, v := range legal[path] {
			fits = fits || same(path, is, v)
		}
		if !fits {
			return &sdk.Error{Reason: sdk.Drifted, Summary: fmt.Sprintf("%s is %s now; it was %s when the plan was made", nameOf(path), shown(is), shown(legal[path][0]))}
		}
	}
	return nil
}

// undo is what was set so far: for each key what it was, in the order in which it has to be put back read from the end.
type undo []write

// setValues sets what is not so already, and returns the changes that were made.
func (h host) setValues(ctx context.Context, writes []write, u *undo) (done []int, err error) {
	final := map[string]string{}
	for _, w := range writes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		is, _, err := h.proc.read(w.Path)
		if err != nil {
			return nil, h.cannot(w, err)
		}
		made := !same(w.Path, is, w.To)
		if made {
			*u = append(*u, w)
			if err := h.proc.write(w.Path, w.To); err != nil {
				return nil, h.cannot(w, err)
			}
			now, _, err := h.proc.read(w.Path)
			if err != nil {
				return nil, h.cannot(w, err)
			}
			if !same(w.Path, now, w.To) {
				return nil, &sdk.Error{Summary: fmt.Sprintf("the kernel has made %q of %q for %s", now, w.To, nameOf(w.Path)),
					Advice: "write what the kernel makes of it, or a value for which there is room"}
			}
		}
		final[w.Path] = w.To
		if made && w.Change >= 0 {
			done = append(done, w.Change)
		}
		for _, s := range w.Sides {
			final[s.Path] = s.To
			if made && s.Change >= 0 {
				done = append(done, s.Change)
			}
		}
	}
	// What was set first must have outlived what was set later.
	for _, w := range writes {
		for _, v := range append([]side{{value: w.value}}, w.Sides...) {
			is, _, err := h.proc.read(v.Path)
			if errors.Is(err, unix.ENOENT) && v.Path != w.Path {
				continue
			}
			if err != nil {
				return nil, &sdk.Error{Summary: "cannot read back " + nameOf(v.Path), Err: err}
			}
			if !same(v.Path, is, final[v.Path]) {
				return nil, &sdk.Error{Summary: fmt.Sprintf("%s is %s in the end, not %s", nameOf(v.Path), shown(is), shown(final[v.Path]))}
			}
		}
	}
	return done, nil
}

func (h host) cannot(w write, err error) error {
	e := &sdk.Error{Summary: fmt.Sprintf("cannot set %s to %q", nameOf(w.Path), w.To), Err: err}
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		e.Summary = fmt.Sprintf("the kernel refuses %q for %s", w.To, nameOf(w.Path))
		if b := book(w.Path); b != "" {
			e.Advice = "see " + b + " of the kernel"
		}
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EROFS):
		e.Reason, e.Advice = sdk.NotPermitted, "root of a container may set only what belongs to the container"
	}
	return e
}

// back puts back what was set, and says what could not be.
func (h host) back(c *sdk.Call, out SetOutput, cause error, u undo) (SetOutput, error) {
	if len(u) == 0 {
		return out, cause
	}
	errs := []error{cause}
	was := map[string]string{} // as it was before the first of them
	for _, w := range u {
		for _, v := range append([]side{{value: w.value}}, w.Sides...) {
			was[v.Path] = v.From
		}
	}
	for i := len(u) - 1; i >= 0; i-- {
		w := u[i]
		for _, v := range append([]side{{value: w.value}}, w.Sides...) {
			if v.From == "0" && partner(v.Path) != "" && was[partner(v.Path)] != "0" {
				continue // its partner is what counted, and makes it 0
			}
			is, _, err := h.proc.read(v.Path)
			if errors.Is(err, unix.ENOENT) && v.Path != w.Path {
				continue
			}
			if err == nil && !same(v.Path, is, v.From) {
				err = h.proc.write(v.Path, v.From)
			}
			if err != nil {
				errs = append(errs, &sdk.Error{Summary: fmt.Sprintf("cannot put %s back to %q", nameOf(v.Path), v.From), Err: err})
			}
		}
	}
	all := true
	for _, w := range u {
		for _, v := range append([]side{{value: w.value, Change: w.Change}}, w.Sides...) {
			is, _, err := h.proc.read(v.Path)
			if err == nil && same(v.Path, is, was[v.Path]) || errors.Is(err, unix.ENOENT) && v.Path != w.Path {
				continue
			}
			all = false
			if v.Change >= 0 {
				c.Done(v.Change) // it stays, and the report has to say so
			}
			errs = append(errs, &sdk.Error{Summary: fmt.Sprintf("%s is %s now, and was %s before the step", nameOf(v.Path), shown(is), shown(was[v.Path]))})
		}
	}
	if all {
		c.Summarize("all values are as they were before the step")
	}
	return out, errors.Join(errs...)
}
