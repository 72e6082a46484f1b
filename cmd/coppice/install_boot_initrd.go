package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
)

// initrd is what makes the machine's initrd.
func (o *installingBoot) initrd() (boot.Generator, error) {
	if o.generator != "" {
		if !slices.Contains(boot.Generators, boot.Generator(o.generator)) {
			return "", usage("--initrd %q is none of %s", o.generator, generators(boot.Generators))
		}
		return boot.Generator(o.generator), nil
	}
	there := func(paths ...string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { _, err := os.Stat(o.flags.at(p)); return err == nil })
	}
	var all, used []boot.Generator
	for _, g := range boot.Generators {
		if there(g.Programs()...) {
			all = append(all, g)
		}
		if there(g.Programs()...) && there(g.Hooks()...) { // a new kernel gets its initrd from it
			used = append(used, g)
		}
	}
	if len(used) > 0 {
		all = used
	}
	switch len(all) {
	case 1:
		return all[0], nil
	case 0:
		return "", exitError{code: exitFailed, err: errors.New("nothing that makes an initrd is here: neither " + strings.ReplaceAll(generators(boot.Generators), " or ", " nor ")),
			advice: "name it, if it is somewhere else: --initrd"}
	}
	return "", exitError{code: exitUsage, err: errors.New("several programs could make the initrd: " + generators(all)), advice: "name the one that does: --initrd " + string(all[0])}
}

func generators(all []boot.Generator) string {
	words := make([]string, len(all))
	for i, g := range all {
		words[i] = string(g)
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// rootDevice is what the machine mounts as its root, by its kernel's command line; else by the input; "": nobody knows here.
func (o *installingBoot) rootDevice(inputs map[string]any) string {
	if o.flags.live() {
		data, err := os.ReadFile("/proc/cmdline")
		if err == nil {
			root := ""
			for _, word := range strings.Fields(string(data)) {
				if value, is := strings.CutPrefix(word, "root="); is {
					root = value
				}
			}
			if boot.IsDevice(root) {
				return root
			}
		}
	}
	if named, _ := inputs["filesystem"].(string); boot.IsDevice(named) {
		return named
	}
	return ""
}

// updateInitrd makes the initrd anew, or says how.
func (o *installingBoot) updateInitrd(a *app, g boot.Generator) error {
	command := g.Regenerate()
	words := strings.Join(command, " ")
	if !o.regenerate || !o.flags.live() {
		fmt.Fprintf(a.err, "make the initrd anew, or nothing changes: %s\n", words)
		return nil
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	fmt.Fprintln(a.err, words)
	if err := c.Run(); err != nil {
		return exit(exitFailed, fmt.Errorf("the initrd was not made anew: %s: %w", words, err))
	}
	return nil
}
