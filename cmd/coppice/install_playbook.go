package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/cmd/coppice/install/unitfile"
	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
)

// installing is what install does for playbooks.
type installing struct {
	flags    *installFlags
	inputs   inputFlags
	calendar string
	program  string
	tell     string
}

func (a *app) install(ctx context.Context, o *installing, names []string) error {
	t, err := o.flags.open(a)
	if err != nil {
		return err
	}
	defer t.Close()
	if o.calendar != "" {
		if _, err := calendar.Parse(o.calendar, time.Local); err != nil {
			return exitError{code: exitUsage, err: fmt.Errorf("--calendar: %w", err), advice: `such as "*-*-* 03:30", "Sun 04:00" or "hourly"`}
		}
	}
	if len(names) == 0 {
		if names = installedPlaybooks(t); len(names) == 0 {
			return exitError{code: exitUsage, err: errors.New("no playbook is installed yet, so one must be named"), advice: "there are: " + join(a.names())}
		}
	}
	machine, err := o.machine(a, t)
	if err != nil {
		return err
	}
	s := a.session(ctx)
	defer s.close()
	var parts []install.Part
	var configured []unitfile.Configured
	for _, name := range names {
		more, c, err := a.installParts(s, o, t, machine, name)
		if err != nil {
			return err
		}
		parts, configured = append(parts, more...), append(configured, c)
	}
	if o.flags.nixos() {
		fmt.Fprintln(a.err, "coppice: this is NixOS, where the configuration makes /etc: nothing was written. With coppice's module this does the same:")
		_, err := fmt.Fprint(a.out, unitfile.NixOS(configured))
		return err
	}
	if o.flags.live() {
		if err := a.keptThroughBoots(s, o.flags.force, unitfile.Folder, a.configs); err != nil {
			return err
		}
	}
	changes, err := t.Compare(parts...)
	if err != nil {
		return exit(exitFailed, err)
	}
	if !install.Pending(changes, o.flags.force) {
		fmt.Fprintln(a.err, "nothing to do: all of it is there")
	}
	wrote, err := o.flags.apply(a, t, changes, nil)
	if wrote && o.flags.live() {
		err = errors.Join(err, a.startTimers(timersIn(changes, o.flags.force, install.Create, install.Update)))
	}
	return err
}

// machine is what all units have in common. What tells of failures stays as it is, unless it is given anew.
func (o *installing) machine(a *app, t *install.Target) (unitfile.Machine, error) {
	program, err := o.flags.program(o.program)
	if err != nil {
		return unitfile.Machine{}, err
	}
	m := unitfile.Machine{Program: program, TellCredential: o.tell}
	if o.flags.live() && a.configs != "/etc/coppice" {
		m.Config = a.configs
	}
	switch {
	case o.tell == "":
		m.TellCredential = credentials(t, filepath.Join(unitfile.Folder, unitfile.FailedUnit))["notify_url"]
	case !filepath.IsAbs(o.tell):
		return m, usage("--tell %q is no absolute path", o.tell)
	}
	return m, nil
}

// credentials are those that a unit reads.
func credentials(t *install.Target, unit string) map[string]string {
	found, err := t.Read(unit)
	if err != nil || found == nil {
		return nil
	}
	return credentialsIn(found.Content)
}

// credentialsIn are those that the text of a unit names, by their names.
func credentialsIn(unit string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(unit) {
		if setting, ok := strings.CutPrefix(strings.TrimSpace(line), "LoadCredential="); ok {
			if name, file, ok := strings.Cut(setting, ":"); ok {
				all[name] = strings.ReplaceAll(strings.Trim(file, `"`), "%%", "%")
			}
		}
	}
	return all
}

// chosenCalendar is what --calendar has said when the timer was written; "" if the timer goes by its playbook's schedule.
func chosenCalendar(t *install.Target, name string) string {
	found, err := t.Read(filepath.Join(unitfile.Folder, unitfile.TimerName(name)))
	if err != nil || found == nil || !strings.Contains(found.Content, unitfile.ChosenMark) {
		return ""
	}
	for line := range strings.Lines(found.Content) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "OnCalendar="); ok {
			return strings.ReplaceAll(value, "%%", "%")
		}
	}
	return ""
}

// installParts makes the files of one playbook, and what NixOS's module is told of it.
func (a *app) installParts(s *session, o *installing, t *install.Target, machine unitfile.Machine, name string) ([]install.Part, unitfile.Configured, error) {
	c := unitfile.Configured{Name: name, Calendar: o.calendar}
	if strings.Contains(name, "/") || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".yml"), ".yaml")
		return nil, c, exitError{code: exitUsage, err: fmt.Errorf("%s is a path, and a timer finds its playbook by name", name),
			advice: fmt.Sprintf("put it into %s, then: coppice install %s", filepath.Join(a.configs, "playbooks"), base)}
	}
	program, text, err := a.load(s.ctx, s.runner, name)
	if err != nil {
		return nil, c, s.stopped(err)
	}
	if name == "boot-rollback" || program.Playbook.Name != name {
		advice := "the name in the file and the name of the file must be the same"
		if name == "boot-rollback" {
			advice = "for the initrd: coppice install boot"
		}
		return nil, c, exitError{code: exitUsage, err: fmt.Errorf("%s is not for a timer", name), advice: advice}
	}
	flags, secrets, err := o.secrets(program, t)
	if err != nil {
		return nil, c, err
	}
	inputs, given, err := a.resolveGiven(program, flags)
	if err != nil {
		return nil, c, err
	}
	p := unitfile.Playbook{Name: name, Description: program.Playbook.Description, Credentials: secrets, Needs: unitfile.NeedsOf(program, inputs)}
	if sched := program.Playbook.Schedule; sched != nil {
		p.Calendar, p.Persistent, p.Jitter = sched.Calendar, sched.Persistent, sched.Jitter
	}
	if chosen := cmp.Or(o.calendar, chosenCalendar(t, name)); chosen != "" { // whoever says when means then
		p.Calendar, p.Jitter, p.Chosen = chosen, 0, true
		p.Persistent = p.Persistent || program.Playbook.Schedule == nil
	}
	if p.Calendar == "" {
		fmt.Fprintf(a.err, "coppice: %s has no schedule, and gets no timer; --calendar gives it one\n", diagnostic.Escape(text.file))
	} else if _, err := calendar.Parse(p.Calendar, time.Local); err != nil {
		return nil, c, exitError{code: exitInvalid, err: fmt.Errorf("%s: schedule: %w", text.file, err), advice: "--calendar is used instead of it"}
	}
	for _, in := range program.Inputs {
		if at, ok := inputs[in.Decl.Name].(string); ok && in.Decl.Type == playbook.FilesystemType && strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "/dev/") {
			p.Mounts = append(p.Mounts, at)
		}
	}
	parts := []install.Part{{Name: playbookPart(name), Files: unitfile.Files(p, machine)}}
	c.Secrets = secrets
	if strings.Contains(text.file, "/") {
		c.File = text.file
	}
	file, values, err := a.inputsOf(program, inputs, given)
	if err != nil {
		return nil, c, err
	}
	c.Inputs = values
	if file != nil {
		if !o.flags.live() {
			file.Path = "/etc/coppice/inputs/" + name + ".yaml"
		}
		parts = append(parts, install.Part{Name: inputsPart(name), Files: []install.File{*file}})
	}
	return parts, c, nil
}

// secrets are the secret inputs that a unit reads from files: those that are given now, and those that it has already. The flags that
// are returned read the same files here.
func (o *installing) secrets(p *check.Program, t *install.Target) (inputFlags, map[string]string, error) {
	flags := inputFlags{files: o.inputs.files}
	all := map[string]string{}
	for name, file := range credentials(t, filepath.Join(unitfile.Folder, unitfile.ServiceName(p.Playbook.Name))) {
		all[name] = file
	}
	secret := func(name string) bool {
		return slices.ContainsFunc(p.Inputs, func(in check.Input) bool { return in.Decl.Name == name && in.Decl.Secret })
	}
	for _, flag := range o.inputs.values {
		name, value, _ := strings.Cut(flag, "=")
		file, isFile := strings.CutPrefix(value, "@")
		if !isFile || !secret(name) {
			flags.values = append(flags.values, flag)
			continue
		}
		if !filepath.IsAbs(file) {
			return flags, nil, exitError{code: exitUsage, err: fmt.Errorf("the unit reads %s at each run, and needs its absolute path", file), advice: "such as -i " + name + "=@/etc/coppice/credentials/" + name}
		}
		all[name] = file
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return !secret(name) }) // of an older playbook
	for _, name := range slices.Sorted(maps.Keys(all)) {
		flags.values = append(flags.values, name+"=@"+o.flags.at(all[name]))
	}
	return flags, all, nil
}

// inputsFile is the file of inputs with what was given beside it; nil: nothing was.
func (a *app) inputsFile(p *check.Program, inputs map[string]any, given []check.Given) (*install.File, error) {
	file, _, err := a.inputsOf(p, inputs, given)
	return file, err
}

// inputsOf is the file of inputs with what was given beside it, nil if nothing was; and all values that it has then.
func (a *app) inputsOf(p *check.Program, inputs map[string]any, given []check.Given) (*install.File, map[string]json.RawMessage, error) {
	file := filepath.Join(a.configs, "inputs", p.Playbook.Name+".yaml")
	news := false
	var names []string
	for _, g := range given {
		i := slices.IndexFunc(p.Inputs, func(in check.Input) bool { return in.Decl.Name == g.Name })
		if p.Inputs[i].Decl.Secret {
			if g.Origin == "-i" {
				continue
			}
			if g.Origin != file {
				return nil, nil, exitError{code: exitUsage, err: fmt.Errorf("%s gives the secret input %s, which is not written to %s", g.Origin, g.Name, file),
					advice: "-i " + g.Name + "=@/path/to/file makes the unit read it as a credential"}
			}
		}
		news = news || g.Origin != file
		names = append(names, g.Name)
	}
	saved, err := p.Save(inputs, make([]byte, 32))
	if err != nil {
		return nil, nil, exit(exitBug, err)
	}
	values := map[string]json.RawMessage{}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Inputs of %s, written by \"coppice install\". Changed them? \"coppice install %[1]s\" again fits what its unit may do.\n", p.Playbook.Name)
	for _, in := range p.Inputs {
		name := in.Decl.Name
		if !slices.Contains(names, name) {
			continue
		}
		if in.Decl.Secret && news {
			return nil, nil, exitError{code: exitFailed, err: fmt.Errorf("%s holds the secret input %s, and is not written anew", file, name),
				advice: "take it out of there; -i " + name + "=@/path/to/file makes the unit read it as a credential"}
		}
		if !in.Decl.Secret {
			values[name] = saved.Inputs[name]
		}
		fmt.Fprintf(&b, "%s: %s\n", name, saved.Inputs[name])
	}
	if !news {
		return nil, values, nil
	}
	return &install.File{Path: file, Mode: 0o644, Content: b.String()}, values, nil
}

// uninstall takes playbooks away.
func (a *app) uninstall(_ context.Context, f *installFlags, names []string) error {
	t, err := f.open(a)
	if err != nil {
		return err
	}
	defer t.Close()
	all := leftPlaybooks(t)
	if len(names) == 0 {
		names = all
	}
	var parts []install.Part
	for _, name := range names {
		if !slices.Contains(all, name) {
			return exitError{code: exitUsage, err: fmt.Errorf("playbook %s is not installed", name), advice: "there are: " + join(all)}
		}
		parts = append(parts, install.Part{Name: playbookPart(name)}, install.Part{Name: inputsPart(name)})
	}
	if len(parts) == 0 {
		fmt.Fprintln(a.err, "nothing to do: no playbook is installed")
		return nil
	}
	changes, err := t.Compare(parts...)
	if err != nil {
		return exit(exitFailed, err)
	}
	wrote, err := f.apply(a, t, changes, func() {
		if f.live() {
			a.stopTimers(timersIn(changes, f.force, install.Delete))
		}
	})
	if wrote && f.live() {
		err = errors.Join(err, a.reloadUnits())
	}
	return err
}

// booted reports whether systemd runs this machine: man sd_booted.
func booted() bool {
	_, err := os.Lstat("/run/systemd/system")
	return err == nil
}
