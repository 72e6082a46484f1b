package sysctl

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/schema"
)

func setAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "set",
		Summary: "Set parameters of the kernel, now and at each boot",
		Description: "Sets all of the values or none: when one is refused, those that were set before it are put back, the last one first.\n\n" +
			"What the kernel would refuse is refused before anything is set, where its bounds are known; so are keys that are not there, that can " +
			"only be read, or that a container may not set. What is set is read back, and it is a failure if the kernel has made something else of it. " +
			"Setting a ratio makes the amount of the same thing 0, and the other way round (vm.dirty_ratio and vm.dirty_bytes): the plan shows both.\n\n" +
			"Keys are written as in sysctl.d(5): net.ipv4.conf.eth0/100.forwarding and net/ipv4/conf/eth0.100/forwarding are the same. Patterns are " +
			"not taken. The kernel forgets all values at a reboot; with drop_in, a file in /etc/sysctl.d sets them again. The file is this " +
			"step's alone: it has these values and no others. A file of that name that somebody else has written is left alone. " +
			"There is a warning if a file that is read later sets the same key otherwise.",
		Converges: true,
		Touches:   []string{keyType, fileType},
	}, sdk.Writer[SetInput, SetOutput, setPrivate]{
		Locks: func(context.Context, *sdk.Call, SetInput) ([]sdk.Lock, error) { return locks(), nil },
		Plan: func(_ context.Context, c *sdk.Call, in SetInput) (setPlan, error) {
			wishes, err := wishesOf(in)
			if err != nil {
				return setPlan{}, err
			}
			o, err := h.observe(wishes, in.DropIn, c.Prior)
			if err != nil {
				return setPlan{}, err
			}
			return planSet(wishes, o, in.Running == nil || *in.Running)
		},
		Apply: func(ctx context.Context, c *sdk.Call, _ SetInput, private setPrivate) (SetOutput, error) {
			return h.applySet(ctx, c, private)
		},
	})
}

// wish is one of the values.
type wish struct {
	key
	at    string // where it stands in the inputs
	value string
	unset bool // it can't be set, which is no failure: it only goes into the file
}

// wishesOf reads the values, in the order in which they are set: keys that the kernel copies to others come first, so that the
// others keep what they are given.
func wishesOf(in SetInput) ([]wish, error) {
	if len(in.Values) == 0 {
		return nil, sdk.InvalidInput("/values", "there is nothing to set")
	}
	if in.DropIn == "" && in.Running != nil && !*in.Running {
		return nil, sdk.InvalidInput("/running", "there is nothing to do: without running values there must be a drop_in")
	}
	var all []wish
	var errs []error
	taken := map[string]string{}
	for _, text := range slices.Sorted(maps.Keys(in.Values)) {
		at := "/values/" + schema.Escape(text)
		k, err := parseKey(text)
		if err != nil {
			errs = append(errs, sdk.InvalidInput(at, "%s", err))
			continue
		}
		value, err := valueOf(in.Values[text])
		if err != nil {
			errs = append(errs, sdk.InvalidInput(at, "%q: %s", k.name(), err))
			continue
		}
		if other, ok := taken[k.path]; ok {
			errs = append(errs, sdk.InvalidInput(at, "%q and %q are the same key", other, text))
			continue
		}
		taken[k.path] = text
		all = append(all, wish{key: k, at: at, value: value})
	}
	slices.SortFunc(all, func(a, b wish) int { return inOrder(a.path, b.path) })
	return all, errors.Join(errs...)
}

// inOrder compares keys by when they are set.
func inOrder(a, b string) int {
	rank := func(path string) int {
		if spreadPatterns(path) != nil {
			return 0
		}
		return 1
	}
	return cmp.Or(rank(a)-rank(b), strings.Compare(nameOf(a), nameOf(b)))
}

// observed is what a decision about values rests on.
type observed struct {
	settings map[string]setting // of all wishes, their partners, and what they spread to, by path
	path     string             // of the drop-in; "": none
	file     content
	others   [][]found
	warnings []sdk.Diagnostic
}

func (h host) observe(wishes []wish, dropIn string, prior []sdk.Change) (observed, error) {
	o := observed{settings: map[string]setting{}}
	look := func(path string) {
		if _, ok := o.settings[path]; !ok {
			o.settings[path] = h.proc.look(key{path: path}, "")
		}
	}
	for _, w := range wishes {
		s := h.proc.look(w.key, w.at)
		if s.missing == nil && s.unread == nil {
			s.readOnly = h.proc.settable(w.key, w.at)
		}
		o.settings[w.path] = s
	}
	for _, w := range wishes {
		if p := partner(w.path); p != "" {
			look(p)
		}
		for _, pattern := range spreadPatterns(w.path) {
			for _, path := range h.proc.glob(pattern) {
				look(path)
			}
		}
	}
	if p := partners(wishes); p {
		for _, pair := range pairs[:2] {
			look(pair.ratio)
			look(pair.amount)
		}
	}
	if dropIn != "" {
		o.path = filepath.Join(h.folders[0], dropIn)
		var err error
		if o.file, err = readFile(o.path); err != nil {
			return o, err
		}
		o.others, o.warnings = readFolders(h.folders)
	}
	o.lay(prior)
	return o, nil
}

// partners reports whether the limits of dirty pages are at stake, which are judged together.
func partners(wishes []wish) bool {
	for _, w := range wishes {
		if p := partner(w.path); p != "" && p != "vm/overcommit_ratio" && p != "vm/overcommit_kbytes" {
			return true
		}
	}
	return false
}
