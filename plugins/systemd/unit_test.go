package systemd

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

// forever is a service that runs until it is stopped.
const forever = "ExecStart=/bin/sleep infinity\n"

var units = map[string]string{
	"db.service":        "[Unit]\nDescription=A database\n[Service]\n" + forever + "ExecReload=/bin/true\n[Install]\nWantedBy=ready.target\nAlias=database.service\n",
	"app.service":       "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\n" + forever,
	"helper.service":    "[Unit]\nPartOf=app.service\n[Service]\n" + forever,
	"rival.service":     "[Unit]\nConflicts=db.service\n[Service]\n" + forever,
	"fails.service":     "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the reason is this; sleep 1; exit 3'\n",
	"crash.service":     "[Service]\nType=notify\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n",
	"nobin.service":     "[Service]\nType=exec\nExecStart=/opt/none\n",
	"slow.service":      "[Service]\nType=notify\nTimeoutStartSec=infinity\n" + forever,
	"limit.service":     "[Service]\nType=notify\nTimeoutStartSec=1s\n" + forever,
	"stubborn.service":  "[Service]\nType=exec\nTimeoutStopSec=60\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'\n",
	"once.service":      "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo x >>/run/once'\n",
	"stays.service":     "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
	"cond.service":      "[Unit]\nConditionPathExists=/none\n[Service]\n" + forever,
	"manual.service":    "[Unit]\nRefuseManualStart=yes\nRefuseManualStop=yes\n[Service]\n" + forever,
	"broken.service":    "[Service]\n",
	"self.service":      "[Unit]\nBindsTo=db.service\nAfter=db.service\n[Service]\nType=oneshot\nSlice=selfish.slice\nExecStart=/bin/sh -c '/opt/test order \"$$(cat /run/order)\" >/run/answer'\n",
	"t@.service":        "[Service]\nExecStart=/bin/sh -c 'echo %I >/run/instance; exec sleep infinity'\n[Install]\nWantedBy=ready.target\n",
	"sock.socket":       "[Socket]\nListenStream=/run/sock\n",
	"sock.service":      "[Service]\n" + forever,
	"dies.service":      "[Service]\nExecStart=/bin/sh -c 'echo last words; sleep 1; exit 4'\n",
	"needsfail.service": "[Unit]\nRequires=fails.service\nAfter=fails.service\n[Service]\n" + forever,
}

// TestActions does what the actions do under a real systemd.
func TestActions(t *testing.T) {
	t.Parallel()
	r := boot(t, units)

	t.Run("start and stop", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.converges("start", inputs{"unit": "app"})
		same(t, "start", told(a.Plan), []string{"update db.service start inactive→active (needed by app.service)", "update app.service start inactive→active"})
		if got := outputs[JobOutput](t, a.Result.Outputs); got != (JobOutput{"app.service", "inactive", "active"}) {
			t.Errorf("%+v", got)
		}
		r.run("start", inputs{"unit": "helper.service"})
		same(t, "dependents", outputs[StatusOutput](t, r.plan("status", inputs{"unit": "db"}).Outputs).Dependents, []string{"app.service", "helper.service"})
		a = r.converges("stop", inputs{"unit": "db"})
		same(t, "stop", told(a.Plan), []string{"update helper.service stop active→inactive (is part of app.service)",
			"update app.service stop active→inactive (requires db.service)", "update db.service stop active→inactive"})
		if r.state("app.service") != "inactive" || r.state("db.service") != "inactive" {
			t.Error("it runs")
		}
	})

	t.Run("conflict", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "db"})
		a := r.converges("start", inputs{"unit": "rival"})
		same(t, "start", told(a.Plan), []string{"update db.service stop active→inactive (conflicts with rival.service)", "update rival.service start inactive→active"})
		r.run("stop", inputs{"unit": "rival"})
	})

	t.Run("preview", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "db"})
		steps := []order{
			{Action: "stop", Inputs: inputs{"unit": "db"}}, {Action: "stop", Inputs: inputs{"unit": "db.service"}}, {Action: "wait", Inputs: inputs{"unit": "db", "state": "stopped"}},
			{Action: "restart", Inputs: inputs{"unit": "db"}}, {Action: "reload", Inputs: inputs{"unit": "db"}}, {Action: "reload_or_restart", Inputs: inputs{"unit": "db"}},
			{Action: "start", Inputs: inputs{"unit": "app"}}, {Action: "start", Inputs: inputs{"unit": "rival"}}, {Action: "wait", Inputs: inputs{"unit": "app"}},
			{Action: "start", Inputs: inputs{"unit": "once"}}, {Action: "start", Inputs: inputs{"unit": "once"}}, {Action: "start", Inputs: inputs{"unit": "stays"}},
			{Action: "enable", Inputs: inputs{"unit": "db"}}, {Action: "disable", Inputs: inputs{"unit": "db"}}, {Action: "disable", Inputs: inputs{"unit": "db"}},
			{Action: "mask", Inputs: inputs{"unit": "none", "runtime": true}}, {Action: "start", Inputs: inputs{"unit": "none"}}, {Action: "unmask", Inputs: inputs{"unit": "none"}},
			{Action: "stop", Inputs: inputs{"unit": "rival"}}, {Action: "start", Inputs: inputs{"unit": "app"}}, {Action: "restart", Inputs: inputs{"unit": "db"}}, {Action: "stop", Inputs: inputs{"unit": "db"}},
		}
		var prior []sdk.Change
		var preview [][]string
		for _, o := range steps {
			if o.Action == "wait" && len(preview) == 8 { // app has been stopped by rival: nobody would come back
				preview = append(preview, nil)
				continue
			}
			o.Prior = prior
			a := r.do(o)
			if a.Refused != nil {
				preview = append(preview, []string{a.Refused[0].Summary})
				continue
			}
			preview = append(preview, told(a.Plan))
			for _, c := range a.Plan.Changes {
				if c.Conditional == "" {
					prior = append(prior, c)
				}
			}
		}
		for i, o := range steps {
			if i == 8 {
				continue
			}
			o.Apply = true
			a := r.do(o)
			got := []string{}
			switch {
			case a.Refused != nil:
				got = []string{a.Refused[0].Summary}
			case sdk.HasErrors(a.Result.Diagnostics):
				t.Errorf("step %d, %s %v: %+v", i, o.Action, o.Inputs, a.Result.Diagnostics)
			default:
				got = told(a.Plan)
			}
			if strings.Join(got, "\n") != strings.Join(preview[i], "\n") {
				t.Errorf("step %d, %s %v: planned\n%q\nrun\n%q", i, o.Action, o.Inputs, preview[i], got)
			}
		}
	})

	t.Run("once", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.Must(t, "rm", "-f", "/run/once")
		for range 2 {
			if a := r.run("start", inputs{"unit": "once"}); a.Plan.Changes[0].Kind != sdk.Run {
				t.Errorf("%q", told(a.Plan))
			}
		}
		if got := r.Must(t, "cat", "/run/once"); got != "x\nx\n" {
			t.Errorf("%q", got)
		}
		r.run("stop", inputs{"unit": "stays"})
		r.converges("start", inputs{"unit": "stays"})
		r.converges("stop", inputs{"unit": "stays"})
	})

	t.Run("failures", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.fails("start", inputs{"unit": "fails"}, "cannot start fails.service: it ended with exit code 3", "journalctl -u fails.service")
		if logs := strings.Join(a.Logs, "\n"); !strings.Contains(logs, "error fails.service: the reason is this") || !strings.Contains(logs, "status=3") {
			t.Errorf("logged %s", logs)
		}
		if got := outputs[JobOutput](t, a.Result.Outputs); got.State != "failed" || len(a.Result.Done) != 0 {
			t.Errorf("%+v", a.Result)
		}
		r.fails("start", inputs{"unit": "crash"}, "signal segmentation fault")
		r.fails("start", inputs{"unit": "nobin"}, "its program could not be executed")
		r.fails("start", inputs{"unit": "limit"}, "took longer than its file allows")
		r.fails("start", inputs{"unit": "needsfail"}, "a unit that it needs has failed")
		r.fails("start", inputs{"unit": "cond"}, "its conditions are not met")
		r.refuses("start", inputs{"unit": "manual"}, "can't be started on request")
		r.refuses("start", inputs{"unit": "broken"}, "the file of broken.service can't be used")
		r.refuses("start", inputs{"unit": "dbx"}, "there is no unit dbx.service", "did you mean db.service")
		r.refuses("stop", inputs{"unit": "apps"}, "did you mean app.service")
		r.refuses("start", inputs{"unit": "t@"}, "is a template")
		r.refuses("reload", inputs{"unit": "stays"}, "no ExecReload=")
		r.refuses("reload", inputs{"unit": "db"}, "is inactive: only an active unit can be reloaded")
		r.refuses("start", inputs{"unit": "a b"}, `' ' can't be in one`)
		r.refuses("status", inputs{"unit": "nothing-like-it"}, "there is no unit", "list-unit-files")
		if out := outputs[StatusOutput](t, r.plan("status", inputs{"unit": "nothing", "optional": true}).Outputs); out.Exists || out.Running {
			t.Errorf("%+v", out)
		}
	})

	t.Run("cancel", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.do(order{Action: "start", Inputs: inputs{"unit": "slow"}, Apply: true, CancelUnit: "slow.service", CancelState: "activating"})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Cancelled || len(a.Result.Done) != 0 {
			t.Errorf("%+v", a.Result)
		}
		if jobs := r.Must(t, "systemctl", "list-jobs", "--no-legend"); strings.Contains(jobs, "slow.service") {
			t.Errorf("jobs are left: %s", jobs)
		}
		a = r.do(order{Action: "wait", Inputs: inputs{"unit": "slow"}, Apply: true, CancelUnit: "slow.service", CancelState: "activating"})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Cancelled {
			t.Errorf("%+v", a.Result)
		}
		r.converges("stop", inputs{"unit": "slow"})
		r.run("start", inputs{"unit": "stubborn"})
		a = r.do(order{Action: "stop", Inputs: inputs{"unit": "stubborn"}, Apply: true, CancelUnit: "stubborn.service", CancelState: "deactivating"})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Cancelled {
			t.Errorf("%+v", a.Result)
		}
		r.Must(t, "systemctl", "kill", "-s", "KILL", "stubborn.service")
	})

	t.Run("wait", func(t *testing.T) {
		r := &rig{r.Machine, t}
		for _, state := range []string{"failed", "stopped"} {
			r.Must(t, "systemctl", "start", "dies")
			in := inputs{"unit": "dies", "state": state}
			if a := r.run("wait", in); outputs[JobOutput](t, a.Result.Outputs).State != "failed" {
				t.Errorf("%+v", a.Result)
			}
			if p := r.plan("wait", in); len(p.Changes) != 0 {
				t.Errorf("%q", told(p))
			}
		}
		r.Must(t, "systemctl", "start", "slow", "--no-block")
		plan := r.plan("wait", inputs{"unit": "slow"})
		r.Must(t, "systemctl", "stop", "slow")
		plan.Private = []byte(strings.ReplaceAll(string(plan.Private), "slow", "dies"))
		a := r.do(order{Action: "wait", Inputs: inputs{"unit": "dies"}, Plan: plan, Apply: true})
		expect(t, a.Result.Diagnostics, "dies.service has failed: it ended with exit code 4")
		if !strings.Contains(strings.Join(a.Logs, "\n"), "error dies.service: last words") {
			t.Errorf("%q", a.Logs)
		}
	})

	t.Run("drift", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "db"})
		plan := r.plan("stop", inputs{"unit": "db"})
		r.Must(t, "systemctl", "start", "app")
		a := r.do(order{Action: "stop", Inputs: inputs{"unit": "db"}, Plan: plan, Apply: true})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Drifted || !strings.Contains(d[0].Summary, "app.service") || r.state("db") != "active" {
			t.Errorf("%+v", a.Result)
		}
		if again := r.plan("stop", inputs{"unit": "db"}); string(again.Fingerprint) == string(plan.Fingerprint) {
			t.Error("the fingerprint is the same")
		}
		r.Must(t, "systemctl", "stop", "app", "db")
	})

	t.Run("itself", func(t *testing.T) {
		r := &rig{r.Machine, t}
		for unit, want := range map[string]string{
			"self.service":  "coppice itself runs in self.service",
			"selfish.slice": "coppice itself runs in self",
			"db.service":    "coppice itself runs in self.service, which is bound to db.service",
		} {
			expect(t, r.inside("self", `{"Action":"stop","Inputs":{"unit":"`+unit+`"}}`).Refused, want)
		}
		expect(t, r.inside("self", `{"Action":"restart","Inputs":{"unit":"db"}}`).Refused, "is bound to db.service")
		expect(t, r.inside("self", `{"Action":"start","Inputs":{"unit":"rival"}}`).Refused, "is bound to db.service")
		expect(t, r.inside("self", `{"Action":"start","Inputs":{"unit":"poweroff.target"}}`).Refused, "coppice itself runs in")
		r.run("stop", inputs{"unit": "db"})
	})

	t.Run("socket", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "sock.socket"})
		r.run("start", inputs{"unit": "sock"})
		if p := r.plan("stop", inputs{"unit": "sock"}); len(p.Diagnostics) != 1 || !strings.Contains(p.Diagnostics[0].Summary, "can still be started by sock.socket") {
			t.Errorf("%+v", p.Diagnostics)
		}
	})

	t.Run("instance", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.converges("start", inputs{"unit": "t@", "instance": "/srv/my data-1"})
		if got := outputs[JobOutput](t, a.Result.Outputs).Unit; got != `t@-srv-my\x20data\x2d1.service` {
			t.Error(got)
		}
		if got := r.Must(t, "cat", "/run/instance"); got != "/srv/my data-1\n" {
			t.Errorf("%q", got)
		}
		r.converges("stop", inputs{"unit": `t@-srv-my\x20data\x2d1`})
	})

	t.Run("status", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "db"})
		out := outputs[StatusOutput](t, r.plan("status", inputs{"unit": "db"}).Outputs)
		if !out.Exists || !out.Running || out.State != "active" || out.Sub != "running" || out.Description != "A database" || out.MainPID == 0 || out.Since.IsZero() || out.File != "/etc/systemd/system/db.service" {
			t.Errorf("%+v", out)
		}
		p := r.plan("stop", inputs{"unit": "db"})
		later := r.plan("status", inputs{"unit": "db"}, p.Changes...)
		if out := outputs[StatusOutput](t, later.Outputs); out.State != "inactive" || out.Running || len(later.Unknown) == 0 {
			t.Errorf("%+v", out)
		}
	})

	t.Run("reload", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("start", inputs{"unit": "db"})
		r.run("reload", inputs{"unit": "db"})
		r.run("reload_or_restart", inputs{"unit": "db"})
		r.run("restart", inputs{"unit": "db"})
		r.Must(t, "sh", "-c", "echo '[Service]' >>/etc/systemd/system/db.service; touch -d '+1 hour' /etc/systemd/system/db.service")
		if p := r.plan("restart", inputs{"unit": "db"}); len(p.Diagnostics) != 1 || !strings.Contains(p.Diagnostics[0].Summary, "has changed since") {
			t.Errorf("%+v", p.Diagnostics)
		}
		r.run("daemon_reload", inputs{})
		if p := r.plan("restart", inputs{"unit": "db"}); len(p.Diagnostics) != 0 {
			t.Errorf("%+v", p.Diagnostics)
		}
		r.run("stop", inputs{"unit": "db"})
	})

	t.Run("files", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.converges("enable", inputs{"unit": "db"})
		same(t, "enable", told(a.Plan), []string{"update db.service enable disabled→enabled"})
		// The alias is another name of the same unit now.
		if p := r.plan("enable", inputs{"unit": "database"}); len(p.Changes) != 0 || outputs[FileOutput](t, p.Outputs).Unit != "db.service" {
			t.Errorf("%q", told(p))
		}
		r.converges("disable", inputs{"unit": "db"})
		r.converges("enable", inputs{"unit": "db", "runtime": true})
		r.converges("disable", inputs{"unit": "db"})
		r.converges("enable", inputs{"unit": "t@", "instance": "a b"})
		r.converges("disable", inputs{"unit": `t@a\x20b`})
		r.refuses("enable", inputs{"unit": "app"}, "has no [Install] section")
		r.refuses("enable", inputs{"unit": "dc"}, "there is no unit dc.service", "db.service")
		r.refuses("mask", inputs{"unit": "db"}, "its own file is at /etc/systemd/system/db.service")
		r.converges("mask", inputs{"unit": "systemd-boot-check-no-failures"})
		r.refuses("start", inputs{"unit": "systemd-boot-check-no-failures"}, "is masked")
		r.converges("unmask", inputs{"unit": "systemd-boot-check-no-failures"})
		r.converges("mask", inputs{"unit": "systemd-boot-check-no-failures", "runtime": true})
		r.converges("unmask", inputs{"unit": "systemd-boot-check-no-failures"})
	})
}
