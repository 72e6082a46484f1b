package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install/unitfile"
	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/layout"
	"github.com/hbohlen/coppice/plugins/btrfs/upkeep"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/unit"
)

func serviceOf(playbook string) string { return unitfile.ServiceName(playbook) }
func timerOf(playbook string) string   { return unitfile.TimerName(playbook) }

// previewTime is how long the preview of one playbook may take for status: one that copies to a machine that does not answer.
const previewTime = time.Minute

// gather looks at the machine.
func (a *app) gather(s *session, filesystem string, now time.Time) (health, error) {
	h := health{At: now.UTC(), Playbooks: []playbookHealth{}, Filesystems: []filesystemHealth{}, Holds: []string{}}
	s.quiet = true
	for _, name := range unitPlaybooks() {
		h.Playbooks = append(h.Playbooks, a.playbookHealth(s, name, now))
	}
	slices.SortFunc(h.Playbooks, byName)
	if err := a.recorded(&h); err != nil {
		return h, err
	}
	for i := range h.Playbooks {
		h.Playbooks[i].managed(now)
	}
	var seen []string
	for _, ref := range filesystemsOf(h.Playbooks, filesystem) {
		if f := s.filesystemHealth(ref); f.UUID == "" || !slices.Contains(seen, f.UUID) {
			seen = append(seen, f.UUID)
			h.Filesystems = append(h.Filesystems, f)
		}
	}
	h.Boot = a.bootHealth(s)
	h.Holds = append(h.Holds, volume.Live().Switches()...)
	for _, uuid := range seen {
		if f, err := kernel.Open(s.ctx, "UUID="+uuid); err == nil {
			if there, err := f.Exists(volume.HoldPath); err == nil && there {
				h.Holds = append(h.Holds, volume.HoldPath+" is on filesystem "+uuid)
			}
			_ = f.Close() // nothing was written
		}
	}
	return h, nil
}

// runs finds the command of a service that runs a playbook.
var runs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^ExecStart=\S*coppice"? run ([a-z][a-z0-9-]*) `) })

// unitPlaybooks are the playbooks that a service runs, whoever has written it: install, or NixOS.
func unitPlaybooks() []string {
	files, _ := filepath.Glob(filepath.Join(unitfile.Folder, "coppice-*.service")) // the pattern is right
	var all []string
	for _, file := range files {
		if found := runs().FindStringSubmatch(readUnit(filepath.Base(file))); found != nil && filepath.Base(file) == serviceOf(found[1]) {
			all = append(all, found[1])
		}
	}
	return all
}

// readUnit is the text of a unit of the administrator's; "" if there is none.
func readUnit(name string) string {
	data, _ := os.ReadFile(filepath.Join(unitfile.Folder, name)) // masked, for one
	return string(data)
}

// filesystemsOf are the filesystems that playbooks are about; those that are mounted where there are none; or only one that somebody
// has asked for.
func filesystemsOf(all []playbookHealth, only string) []string {
	if only != "" {
		return []string{only}
	}
	var refs []string
	for _, p := range all {
		for _, ref := range p.filesystems {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	if len(refs) > 0 {
		return refs
	}
	mounted, _ := kernel.Mounted() // none is found then
	for _, id := range mounted {
		refs = append(refs, "UUID="+id.String())
	}
	return refs
}

// playbookHealth previews a playbook as its unit would run it.
func (a *app) playbookHealth(s *session, name string, now time.Time) playbookHealth {
	p := playbookHealth{Name: name, Due: []dueWork{}, Timer: "none"}
	p.timer(now)
	quiet := *a
	quiet.err = io.Discard
	program, _, err := quiet.load(s.ctx, s.runner, name)
	if err != nil {
		p.Fails = "the playbook is invalid, or its plugins are missing: coppice validate " + name
		return p
	}
	var flags inputFlags
	for input, file := range credentialsIn(readUnit(serviceOf(name))) {
		flags.values = append(flags.values, input+"=@"+file)
	}
	inputs, err := quiet.resolve(program, flags)
	if err != nil {
		p.Fails = "its inputs are invalid"
		return p
	}
	for _, in := range program.Inputs {
		if ref, ok := inputs[in.Decl.Name].(string); ok && in.Decl.Type == playbook.FilesystemType {
			p.filesystems = append(p.filesystems, ref)
		}
	}
	ctx, stop := context.WithTimeout(s.ctx, previewTime)
	defer stop()
	result := s.runner.Execute(ctx, program, runner.Job{Mode: engine.ModePreview, Inputs: inputs, Facts: facts(), Hold: a.hold(), Emit: func(engine.Event) {}, Last: ctx})
	for _, step := range result.Steps {
		var due upkeep.Due
		var keyed map[string]json.RawMessage
		if json.Unmarshal(step.Outputs, &keyed) != nil || keyed["due"] == nil || json.Unmarshal(step.Outputs, &due) != nil {
			continue
		}
		w := dueWork{Step: step.Step.ID, Due: due.Due}
		if due.Last != nil {
			w.Last = *due.Last
		}
		if due.Next != nil {
			w.Next = *due.Next
		}
		p.Due = append(p.Due, w)
	}
	if code := runCode(result, nil); code != exitOK {
		p.Fails = result.Finished.Reason
	}
	return p
}

// timer reads the timer's unit, and asks systemd about it.
func (p *playbookHealth) timer(now time.Time) {
	content := readUnit(timerOf(p.Name))
	if content == "" {
		return
	}
	p.Timer = "unknown"
	for line := range strings.Lines(content) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "OnCalendar":
			p.Calendar = strings.ReplaceAll(value, "%%", "%")
		case "RandomizedDelaySec":
			if d, err := unit.ParseDuration(value); err == nil {
				p.within = d
			}
		}
	}
	if c, err := calendar.Parse(p.Calendar, time.Local); err == nil {
		p.Next, _ = c.Next(now)
	}
}

// managed asks systemd, which knows the random delay too.
func (p *playbookHealth) managed(now time.Time) {
	if !booted() {
		return
	}
	if p.Timer != "none" {
		timer := properties(timerOf(p.Name), "ActiveState", "NextElapseUSecRealtime")
		if state := timer["ActiveState"]; state != "" {
			p.Timer = state
		}
		if next := systemTime(timer["NextElapseUSecRealtime"]); next.After(now) {
			p.Next = next
		}
	}
	service := properties(serviceOf(p.Name), "ActiveState", "Result", "ExecMainStatus", "ExecMainStartTimestamp")
	if service["ActiveState"] != "failed" {
		return
	}
	// A run that has told of its end is in the records, with better words.
	began := systemTime(service["ExecMainStartTimestamp"])
	if p.Last == nil || p.Last.Started.Before(began.Add(-time.Second)) {
		p.Unit = service["Result"]
		if status := service["ExecMainStatus"]; p.Unit == "exit-code" {
			p.Unit = "exit code " + status
			if meanings[status] != "" {
				p.Unit += ", " + meanings[status]
			}
		}
	}
}

// properties are what systemd knows of a unit; empty where it can't be asked.
func properties(unit string, names ...string) map[string]string {
	all := map[string]string{}
	out, err := systemctlOutput("show", "--timestamp=unix", "-p", strings.Join(names, ","), unit)
	if err != nil {
		return all
	}
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			all[key] = value
		}
	}
	return all
}

// systemTime is a time as systemctl shows it with --timestamp=unix, "@1764126000", or in UTC, as it shows some all the same; zero for
// anything else.
func systemTime(text string) time.Time {
	if digits, ok := strings.CutPrefix(text, "@"); ok {
		if seconds, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	t, err := time.Parse("Mon 2006-01-02 15:04:05 UTC", text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// recorded finds the records of the playbooks' runs.
func (a *app) recorded(h *health) error {
	state, all, err := allRuns("")
	if err != nil {
		return err
	}
	defer state.Close()
	for _, r := range all.Runs {
		i := slices.IndexFunc(h.Playbooks, func(p playbookHealth) bool { return p.Name == r.Playbook })
		if i < 0 {
			continue
		}
		l := lastRun{Run: r.Run, Started: r.Began(), Status: r.Status, Reason: r.Reason, Took: r.Took, Changes: r.Changes}
		h.Playbooks[i].note(l)
	}
	return nil
}

// filesystemHealth asks the plugin, by actions that only read.
func (s *session) filesystemHealth(ref string) filesystemHealth {
	f := filesystemHealth{Filesystem: ref, Errors: []string{}, Snapshots: []snapshotKind{}}
	ask := func(uses string, with map[string]any, out any) bool {
		if f.Problem != "" {
			return false
		}
		with["filesystem"] = ref
		err := s.ask(oneStep{group: "status", verb: "look", uses: uses, with: with}, out)
		if err != nil {
			f.Problem = strings.TrimSpace(text(err))
		}
		return err == nil
	}
	if usage := &f.usage; ask("btrfs.usage", map[string]any{}, usage) {
		f.UUID, f.Size, f.Free, f.FreeRatio, f.Devices = string(usage.UUID), int64(usage.Size), int64(usage.Free), usage.FreeRatio, usage.Devices
	}
	var devices upkeep.DeviceErrorsOutput
	if ask("btrfs.device_errors", map[string]any{"on_rise": "warn"}, &devices) {
		f.Missing = devices.Missing
		for _, d := range devices.Devices {
			for _, rise := range d.Rises {
				f.Errors = append(f.Errors, fmt.Sprintf("%s: %s", d.Path, rise))
			}
		}
	}
	if f.Problem != "" {
		return f
	}
	found, err := s.find(map[string]any{"filesystem": ref})
	if err != nil {
		f.Problem = text(err)
		return f
	}
	f.found = found.Snapshots
	paths := map[string]bool{}
	for _, n := range found.Snapshots {
		paths[n.Path] = true
		i := slices.IndexFunc(f.Snapshots, func(k snapshotKind) bool { return k.Source == n.Source })
		if i < 0 {
			f.Snapshots = append(f.Snapshots, snapshotKind{Source: n.Source, Newest: n.Created})
			i = len(f.Snapshots) - 1
		}
		k := &f.Snapshots[i]
		k.Count++
		k.Oldest = n.Created
		if !n.Managed {
			k.Foreign++
		}
	}
	slices.SortFunc(f.Snapshots, func(a, b snapshotKind) int { return strings.Compare(a.Source, b.Source) })
	var quotas layout.QuotaUsageOutput
	if s.ask(oneStep{group: "status", verb: "look", uses: "btrfs.quota_usage", with: map[string]any{"filesystem": ref}}, &quotas) == nil && quotas.Mode != "off" && !quotas.Inconsistent {
		held := int64(0)
		for _, g := range quotas.Groups {
			if paths[g.Path] {
				held += int64(g.Exclusive)
			}
		}
		f.Held = &held
	}
	return f
}

// bootHealth asks how the rollback at boot does, where there is one.
func (a *app) bootHealth(s *session) *bootHealth {
	quiet := *a
	quiet.err = io.Discard
	with, err := quiet.bootInputs(s, inputFlags{}, rollbackInputs...)
	if err != nil {
		return nil
	}
	f, err := kernel.Open(s.ctx, fmt.Sprint(with["filesystem"]))
	if err != nil {
		return nil // not on a btrfs
	}
	done, err := f.Exists(".coppice/boot")
	if err := errors.Join(err, f.Close()); err != nil || !done {
		return nil
	}
	var status boot.StatusOutput
	if err := s.ask(oneStep{group: "boot", verb: "status", uses: "btrfs.boot_status", with: with}, &status); err != nil {
		return &bootHealth{Next: "refused", NextWhy: []string{text(err)}}
	}
	b := &bootHealth{LastResult: status.LastResult, LastAt: status.LastAt, Confirmed: status.Confirmed, Unconfirmed: status.Unconfirmed, Off: status.Off,
		Next: status.Next, NextWhy: status.NextWhy, Archives: len(status.Archives), unfinished: status.Unfinished}
	if n := len(status.Archives); n > 0 {
		b.Newest, b.Oldest = status.Archives[0].At, status.Archives[n-1].At
	}
	return b
}
