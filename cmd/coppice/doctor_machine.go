package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/host/trust"
)

// The oldest kernel that has what is needed: deletion of subvolumes by id. docs/explanation/deletion.md
const kernelMajor, kernelMinor = 5, 7

// examine looks at the machine.
func (a *app) examine(s *session, filesystem string) (*examination, error) {
	s.quiet = true
	e := &examination{all: []finding{}}
	t, err := (&installFlags{root: "/"}).open(a)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	release, _ := facts()["kernel"].(string)
	e.kernel(release)
	e.clock(volume.Live().Clock())
	e.configuration(a.configs)
	names := unitPlaybooks()
	if len(names) == 0 {
		e.bad(levelWarning, "units", "timers", "coppice install snapshot-rotation", "no playbook is installed, so nothing runs by itself")
	}
	var playbooks []playbookHealth
	for _, name := range names {
		a.units(s, e, t, name)
		p := a.playbookHealth(s, name, time.Now())
		p.managed(time.Now())
		e.playbook(p)
		playbooks = append(playbooks, p)
	}
	for _, ref := range filesystemsOf(playbooks, filesystem) {
		s.filesystem(e, ref)
	}
	e.mounts()
	a.bootImage(s, e)
	return e, nil
}

// kernel compares its version.
func (e *examination) kernel(release string) {
	major, rest, _ := strings.Cut(release, ".")
	minor := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	x, err := strconv.Atoi(major)
	if err != nil || len(minor) == 0 {
		e.unknown("kernel", "Linux "+release, "its version is not understood")
		return
	}
	y, _ := strconv.Atoi(minor[0])
	if x < kernelMajor || x == kernelMajor && y < kernelMinor {
		e.bad(levelError, "kernel", "Linux "+release, "use a newer kernel", "coppice needs %d.%d, which can delete a subvolume by its id", kernelMajor, kernelMinor)
		return
	}
	e.ok("kernel", "Linux "+release, "%d.%d or newer", kernelMajor, kernelMinor)
}

// clock says whether ages can be judged.
func (e *examination) clock(why string, err error) {
	switch {
	case err != nil:
		e.unknown("clock", "system clock", "%v", err)
	case why != "":
		e.bad(levelWarning, "clock", "system clock", "let something set it: timedatectl set-ntp true; where the hardware's clock is right without that: clock: rtc in the inputs",
			"%s, so nothing is deleted for its age", why)
	default:
		e.ok("clock", "system clock", "it is synchronised")
	}
}

// configuration checks that nobody else can change what is obeyed.
func (e *examination) configuration(dir string) {
	var files []string
	for _, pattern := range []string{"playbooks/*.yaml", "inputs/*.yaml", "plugins.lock", "credentials/*"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is right
		files = append(files, found...)
	}
	bad := 0
	for _, file := range files {
		f, err := trust.Open(file, owners()...)
		if err != nil {
			bad++
			e.bad(levelError, "files", file, fmt.Sprintf("chown root %[1]s; chmod go-w %[1]s", file), "%v", err)
			continue
		}
		if info, err := f.Stat(); err == nil && filepath.Base(filepath.Dir(file)) == "credentials" && info.Mode().Perm()&0o077 != 0 {
			bad++
			e.bad(levelWarning, "files", file, "chmod 600 "+file, "others can read it")
		}
		_ = f.Close() // only looked at
	}
	if bad == 0 {
		e.ok("files", dir, "nobody but root can change what is obeyed")
	}
}

// units compares what is installed with what install would write now.
func (a *app) units(s *session, e *examination, t *install.Target, name string) {
	if !slices.Contains(t.Parts(), playbookPart(name)) {
		e.ok("units", serviceOf(name), "not written by install, which leaves them alone")
		return
	}
	again := "coppice install " + name
	changed, err := t.Changed(playbookPart(name))
	if err != nil {
		e.unknown("units", name, "%v", err)
		return
	}
	for _, path := range t.Paths(playbookPart(name)) {
		if why := changed[path]; why != "" {
			e.bad(levelWarning, "units", path, again+" --force writes it anew; for changes of your own: systemctl edit "+filepath.Base(path), "%s", why)
		}
	}
	if len(changed) > 0 {
		return
	}
	quiet := *a
	quiet.err = io.Discard
	o := installing{flags: &installFlags{root: "/"}, program: programOf(name)}
	machine, err := o.machine(&quiet, t)
	if err != nil {
		e.bad(levelError, "units", serviceOf(name), again, "%s", text(err))
		return
	}
	parts, _, err := quiet.installParts(s, &o, t, machine, name)
	if err != nil {
		return // of an invalid playbook it is told elsewhere
	}
	changes, err := t.Compare(parts[:1]...)
	switch {
	case err != nil:
		e.unknown("units", name, "%v", err)
	case install.Pending(changes, false):
		e.bad(levelWarning, "units", serviceOf(name), again, "they are not what install would write now: coppice or the inputs have changed, and with them what the service may do")
	default:
		e.ok("units", serviceOf(name), "as install has written them")
	}
}

// programOf is the program that a unit calls.
func programOf(name string) string {
	for line := range strings.Lines(readUnit(serviceOf(name))) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			program, _, _ := strings.Cut(command, " run ")
			return strings.ReplaceAll(strings.Trim(program, `"`), "%%", "%")
		}
	}
	return ""
}

// playbook tells whether its timer runs and a run would go through now.
func (e *examination) playbook(p playbookHealth) {
	switch p.Timer {
	case "active":
		e.ok("timer", timerOf(p.Name), "it is active")
	case "unknown":
		e.unknown("timer", timerOf(p.Name), "systemd does not run here")
	case "none":
		e.ok("timer", p.Name, "it has none, and is started by hand")
	default:
		e.bad(levelError, "timer", timerOf(p.Name), "systemctl enable --now "+timerOf(p.Name), "it is %s", p.Timer)
	}
	if p.Fails != "" {
		e.bad(levelError, "playbook", p.Name, "coppice plan "+p.Name, "it would fail now: %s", p.Fails)
		return
	}
	e.ok("playbook", p.Name, "a run would go through now")
}

// bootImage compares the initrd with what is installed.
func (a *app) bootImage(s *session, e *examination) {
	if _, err := os.Lstat(imageRecord); err != nil {
		return // this boot had none of coppice's
	}
	quiet := *a
	quiet.err = io.Discard
	program, text, err := quiet.load(s.ctx, s.runner, "boot-rollback")
	if err != nil {
		return
	}
	inputs, err := quiet.resolve(program, inputFlags{})
	if err != nil {
		return
	}
	if stale := imageNow(imageRecord, imageOf(text, inputs)).Stale; len(stale) > 0 {
		e.bad(levelWarning, "boot", "initrd", "make it anew: coppice install boot", "%s", strings.Join(stale, "; "))
		return
	}
	e.ok("boot", "initrd", "it has this coppice, and these inputs")
}
