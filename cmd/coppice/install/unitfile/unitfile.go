// Package unitfile writes the units that run playbooks: a service and a timer for each, and the service that tells when one of
// them has failed. What a service may do is cut down to what its playbook needs; docs/explanation/security.md says what is
// left and why.
//
// It is pure: it reads nothing of the machine and writes nothing.
package unitfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/sdk/unit"
)

// Folder is where units of the administrator lie.
const Folder = "/etc/systemd/system"

// FailedUnit is the template that tells of a failed unit.
const FailedUnit = "coppice-failed@.service"

// Playbook is what units are made of.
type Playbook struct {
	Name        string // as coppice run takes it
	Description string
	Calendar    string // systemd.time(7); "": no timer
	Chosen      bool   // somebody has chosen the calendar: it is not the playbook's own
	Persistent  bool
	Jitter      time.Duration
	Needs       Needs
	Mounts      []string          // paths whose mount points must be there first
	Credentials map[string]string // secret input → the file that it is read from
}

// Machine is what is the same for all units.
type Machine struct {
	Program string // the path of coppice
	Config  string // the configuration's folder, where it is not /etc/coppice; else ""
	// TellCredential is the file with the URL that a failed unit is told to; "": it is only logged.
	TellCredential string
}

// ServiceName is the service that runs a playbook.
func ServiceName(playbook string) string { return "coppice-" + playbook + ".service" }

// TimerName is the timer that starts it.
func TimerName(playbook string) string { return "coppice-" + playbook + ".timer" }

// Files are the units of a playbook. The timer, if there is one, is enabled by a link, as systemctl enable makes it.
func Files(p Playbook, m Machine) []install.File {
	files := []install.File{
		{Path: path.Join(Folder, ServiceName(p.Name)), Mode: 0o644, Content: Service(p, m)},
		{Path: path.Join(Folder, FailedUnit), Mode: 0o644, Content: Failed(m)},
	}
	if p.Calendar != "" {
		timer := path.Join(Folder, TimerName(p.Name))
		files = append(files, install.File{Path: timer, Mode: 0o644, Content: Timer(p)},
			install.Link(path.Join(Folder, "timers.target.wants", TimerName(p.Name)), timer))
	}
	return files
}

// head says whose file it is. name is the unit's.
func head(name string) string {
	return "# Written by \"coppice install\". For changes of your own: systemctl edit " + name + "\n"
}

// Service is the service of a playbook.
func Service(p Playbook, m Machine) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	b.WriteString(head(ServiceName(p.Name)))
	line("[Unit]")
	line("Description=%s", plain(firstOf(p.Description, "coppice run "+p.Name)))
	line("Documentation=https://github.com/hbohlen/coppice")
	line("Wants=time-sync.target")
	line("After=time-sync.target")
	if p.Needs.Network {
		line("Wants=network-online.target")
		line("After=network-online.target")
	}
	for _, mount := range p.Mounts {
		line("RequiresMountsFor=%s", quoted(mount))
	}
	line("OnFailure=coppice-failed@%%n.service")
	if p.Needs.Tells {
		line("# For coppice-failed@.service: a run that has come to its end has told somebody itself.")
		line(TellsMark)
	}
	line("")
	line("[Service]")
	line("Type=notify")
	arguments := ""
	for _, name := range sortedKeys(p.Credentials) {
		line("LoadCredential=%s:%s", name, quoted(p.Credentials[name]))
		arguments += " -i " + name + "=@%d/" + name
	}
	if m.Config != "" {
		line("Environment=%s", quoted("COPPICE_CONFIG_DIR="+m.Config))
	}
	line("ExecStart=%s run %s --wait%s", quoted(m.Program), p.Name, arguments)
	line("TimeoutStartSec=5min")
	line("# Without a sign of progress for so long the run is ended.")
	line("WatchdogSec=5min")
	line("# At a stop SIGTERM goes to coppice alone, which tells its plugins; while it cleans up it asks for more time.")
	line("KillMode=mixed")
	line("TimeoutStopSec=2min")
	line("# No alarm: another run had the filesystem, or the run was stopped on request.")
	line("SuccessExitStatus=75 130 143")
	line("Nice=10")
	line("CPUWeight=20")
	line("IOSchedulingClass=idle")
	line("IOWeight=20")
	line("# A run that deletes much logs much, and its journal must be complete.")
	line("LogRateLimitIntervalSec=0")
	line("StateDirectory=coppice")
	line("StateDirectoryMode=0700")
	line("RuntimeDirectory=coppice")
	line("RuntimeDirectoryPreserve=yes")
	line("UMask=0077")
	b.WriteString(Confinement(p.Needs))
	return b.String()
}

// TellsMark stands in a service whose runs tell of their own failure. systemd looks at nothing that begins with X-, see systemd.unit(5).
const TellsMark = "X-CoppiceTells=yes"

// ChosenMark stands in a timer whose calendar somebody has chosen. It stays when the timer is written anew.
const ChosenMark = "# Chosen with --calendar.\n"

// Timer is the timer of a playbook.
func Timer(p Playbook) string {
	text := head(TimerName(p.Name)) + "[Unit]\nDescription=" + plain("Run the playbook "+p.Name) + "\n\n[Timer]\n"
	if p.Chosen {
		text += ChosenMark
	}
	text += "OnCalendar=" + plain(p.Calendar) + "\n"
	if p.Persistent {
		text += "# A run that was missed while the machine was off is made up for.\nPersistent=true\n"
	}
	if p.Jitter > 0 {
		text += "RandomizedDelaySec=" + unit.FormatDuration(p.Jitter) + "\n"
	}
	return text + "\n[Install]\nWantedBy=timers.target\n"
}

// Failed is the service that tells of a unit that has failed.
func Failed(m Machine) string {
	var b strings.Builder
	b.WriteString(head(FailedUnit))
	b.WriteString("[Unit]\nDescription=Tell that %i has failed\nDocumentation=https://github.com/hbohlen/coppice\n\n[Service]\nType=oneshot\n")
	credential := ""
	if m.TellCredential != "" {
		fmt.Fprintf(&b, "LoadCredential=notify_url:%s\n", quoted(m.TellCredential))
		credential = " --to %d/notify_url"
	}
	fmt.Fprintf(&b, "ExecStart=%s failed %%i%s\nTimeoutStartSec=5min\nUMask=0077\n", quoted(m.Program), credential)
	b.WriteString(tellConfinement(m.TellCredential != ""))
	return b.String()
}

// plain is a text on one line, in which systemd finds no specifier.
func plain(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "%", "%%")
}

// quoted is a word of a setting, as systemd.syntax(7) has it.
func quoted(word string) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\$;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "$", "$$").Replace(word) + `"`
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return strings.TrimSpace(s) != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
