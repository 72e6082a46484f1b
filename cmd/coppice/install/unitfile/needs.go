package unitfile

import (
	"context"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
)

// Needs are what a playbook must be allowed to do beyond reading and snapshotting a btrfs.
type Needs struct {
	Tells      bool     // when a run fails, it tells somebody itself
	Network    bool     // it tells somebody, or copies to another machine
	Files      bool     // it makes files with owners, modes and attributes that others have given them
	Speed      bool     // it sets how fast the kernel scrubs, in /sys/fs/btrfs
	Parameters bool     // it sets parameters of the kernel, and the files that set them at boot
	Writes     []string // folders outside of the filesystem's own top level that it writes to
	Homes      bool     // it is about something below /home, /root or /run/user
	Foreign    []string // plugins that are not built in: nobody knows what they need
}

// own are plugins whose needs are known here.
var own = []string{"btrfs", "notify", "systemd", "sysctl"}

// files are actions of the btrfs plugin that make or change what is in a subvolume, with all attributes that it has.
var files = []string{"adopt", "boot_rebase", "boot_request", "create", "defragment", "layout", "property", "receive", "replace", "restore", "rollback", "send"}

// NeedsOf tells what a playbook needs with these inputs. A step whose condition can't come true with them counts for nothing.
func NeedsOf(p *check.Program, inputs map[string]any) Needs {
	var n Needs
	env := before(p.Playbook.Name, inputs, p.Vars)
	for _, section := range [][]*check.Step{p.Steps, p.OnFailure, p.Always} {
		n.add(section, env)
	}
	n.Tells = slices.ContainsFunc(slices.Concat(p.OnFailure, p.Always), func(s *check.Step) bool { return tells(s, env) })
	for _, v := range inputs {
		n.looks(v)
	}
	slices.Sort(n.Writes)
	n.Writes = slices.Compact(n.Writes)
	return n
}

// add adds what steps need.
func (n *Needs) add(steps []*check.Step, env expression.Env) {
	for _, s := range steps {
		if never(s, env) {
			continue
		}
		if s.IsBlock() {
			inner := env
			if s.Call != nil {
				inner = called(s.Call, env)
			}
			for _, section := range s.Sections() {
				n.add(section, inner)
			}
			continue
		}
		plugin, action := s.Plugin(), s.Source.Uses.Action
		with := arguments(s, env)
		switch {
		case !slices.Contains(own, plugin):
			if !slices.Contains(n.Foreign, plugin) {
				n.Foreign = append(n.Foreign, plugin)
			}
		case plugin == "notify" && action == "metrics":
			n.writes(with["folder"])
		case plugin == "notify":
			n.Network = true
		case plugin == "sysctl" && action != "get":
			n.Parameters = true
		case plugin == "btrfs":
			n.Files = n.Files || slices.Contains(files, action)
			if action == "scrub" && !isZero(with["speed_max"]) {
				n.Speed = true
			}
			if action == "send" {
				n.sends(with["to"])
			}
		}
	}
}

// tells reports whether a step may send something to somebody.
func tells(s *check.Step, env expression.Env) bool {
	if never(s, env) {
		return false
	}
	if !s.IsBlock() {
		return s.Plugin() == "notify" && s.Source.Uses.Action != "metrics"
	}
	if s.Call != nil {
		env = called(s.Call, env)
	}
	for _, section := range s.Sections() {
		if slices.ContainsFunc(section, func(s *check.Step) bool { return tells(s, env) }) {
			return true
		}
	}
	return false
}

// called is the environment of a called playbook, with that of the one that calls it.
func called(c *check.Call, env expression.Env) expression.Env {
	inputs, err := c.Resolve(context.Background(), env)
	if err != nil { // what does not fit is found by the run; any of it may be needed
		inputs = map[string]any{}
		for _, in := range c.Inputs {
			inputs[in.Decl.Name] = expression.Unknown{}
		}
	}
	return before(c.Playbook.Name, inputs, c.Vars)
}

// before is the environment of expressions before a run: the inputs are known, and nothing else.
func before(name string, inputs map[string]any, named []check.Var) expression.Env {
	vars := map[string]any{}
	env := expression.Env{Values: map[string]any{
		"inputs": inputs, "vars": vars, "steps": expression.Unknown{}, "host": expression.Unknown{}, "error": expression.Unknown{},
		"item": expression.Unknown{}, "index": expression.Unknown{},
		"run": map[string]any{"id": expression.Unknown{}, "playbook": name, "started_at": expression.Unknown{}},
	}, Status: map[string]any{"always": true}}
	for _, v := range named {
		value, err := v.Value.Eval(context.Background(), env)
		if err != nil {
			value = expression.Unknown{}
		}
		vars[v.Name] = value
	}
	return env
}

// never reports whether a step is skipped whatever happens.
func never(s *check.Step, env expression.Env) bool {
	if s.If == nil {
		return false
	}
	v, err := s.If.Eval(context.Background(), env)
	return err == nil && v == false
}

// arguments are those of a step that are known before a run.
func arguments(s *check.Step, env expression.Env) map[string]any {
	v, err := s.With.Eval(context.Background(), env)
	if with, ok := v.(map[string]any); ok && err == nil {
		return with
	}
	return nil
}

// isZero reports whether a number is known to be 0, or absent.
func isZero(v any) bool {
	switch n := v.(type) {
	case nil:
		return true
	case int64:
		return n == 0
	case int:
		return n == 0
	case float64:
		return n == 0
	}
	return false
}

// writes notes a folder that is written to.
func (n *Needs) writes(v any) {
	if folder, ok := v.(string); ok && strings.HasPrefix(folder, "/") {
		n.Writes = append(n.Writes, folder)
		return
	}
	n.Foreign = append(n.Foreign, "a folder that only the run knows")
}

// sends notes where copies go: to files, to another machine, or to another btrfs, which is reached as its own top level.
func (n *Needs) sends(v any) {
	to, ok := v.(string)
	switch folder, isFile := strings.CutPrefix(to, "file:"); {
	case !ok:
		n.Network = true
		n.writes(nil)
	case isFile:
		n.writes(folder)
	case strings.HasPrefix(to, "ssh:"):
		n.Network = true
	}
}

// looks notes what must not be hidden.
func (n *Needs) looks(v any) {
	switch v := v.(type) {
	case string:
		path := strings.TrimPrefix(v, "file:")
		for _, home := range []string{"/home", "/root", "/run/user"} {
			n.Homes = n.Homes || path == home || strings.HasPrefix(path, home+"/")
		}
	case []any:
		for _, item := range v {
			n.looks(item)
		}
	case map[string]any:
		for _, item := range v {
			n.looks(item)
		}
	}
}
