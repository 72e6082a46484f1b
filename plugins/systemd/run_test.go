package systemd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// TestRun runs commands as units of a real systemd.
func TestRun(t *testing.T) {
	t.Parallel()
	r := boot(t, map[string]string{"/etc/tool": "#!/bin/sh\n", "host.service": "[Service]\nExecStart=/bin/sleep infinity\n"})
	sh := func(script string) inputs { return inputs{"command": []string{"sh", "-c", script}} }
	with := func(in inputs, more inputs) inputs {
		for k, v := range more {
			in[k] = v
		}
		return in
	}
	nothingLeft := func(t *testing.T) {
		t.Helper()
		units := func() string {
			return r.Must(t, "systemctl", "list-units", "--all", "--no-legend", "--plain", "coppice-*")
		}
		out := units()
		for deadline := time.Now().Add(time.Minute); out != "" && time.Now().Before(deadline); out = units() { // systemd forgets them in its own time
			time.Sleep(100 * time.Millisecond)
		}
		if out != "" {
			t.Errorf("units are left: %s", out)
		}
		if out, _ := r.Run("find", "/run/coppice", "-type", "f"); out != "" && !strings.Contains(out, "No such file") {
			t.Errorf("files are left: %s", out)
		}
	}

	t.Run("output", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.run("run", sh("echo one; echo two >&2; printf 'three'; pwd; id -u"))
		logs := slices.Sorted(slices.Values(a.Logs))
		same(t, "logs", logs, []string{"info 0", "info one", "info three/", "info two"})
		if out := outputs[RunOutput](t, a.Result.Outputs); out.ExitCode != 0 || out.Output != "one\nthree/\n0" || out.Truncated {
			t.Errorf("%+v", out)
		}
		same(t, "plan", told(a.Plan), []string{"run sh sh -c 'echo one; echo two >&2; printf '\\''three'\\''; pwd; id -u'"})
		nothingLeft(t)
		a = r.run("run", sh("head -c 200000 /dev/zero | tr '\\0' x"))
		if out := outputs[RunOutput](t, a.Result.Outputs); len(out.Output) != keptOutput || !out.Truncated {
			t.Errorf("%d bytes", len(out.Output))
		}
	})

	t.Run("no shell", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.run("run", inputs{"command": []string{"echo", "$HOME %i ${X} $$", "a  b", "*", ";"}})
		if out := outputs[RunOutput](t, a.Result.Outputs).Output; out != "$HOME %i ${X} $$ a  b * ;" {
			t.Errorf("%q", out)
		}
	})

	t.Run("settings", func(t *testing.T) {
		r := &rig{r.Machine, t}
		value := "sec\"ret $X `y` \\ 'z'\nsecond line ü"
		a := r.run("run", with(sh(`printf %s "$TOKEN"; id -un; pwd; nice; systemctl show -p MemoryMax,CPUQuotaPerSecUSec,TasksMax,CPUWeight,IOWeight,Environment "coppice-*"; systemctl show "coppice-*" >/run/shown`),
			inputs{"environment": map[string]string{"TOKEN": value}, "directory": "/usr", "nice": 5,
				"memory_max": 64 << 20, "cpu_quota": 150, "tasks_max": 50, "cpu_weight": 20, "io_weight": 30}))
		out := outputs[RunOutput](t, a.Result.Outputs).Output
		for _, want := range []string{value + "root\n/usr\n5\n", "MemoryMax=67108864", "CPUQuotaPerSecUSec=1.5", "TasksMax=50", "CPUWeight=20", "IOWeight=30"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in %q", want, out)
			}
		}
		if shown := r.Must(t, "cat", "/run/shown"); strings.Contains(shown, "sec\\\"ret") || strings.Contains(shown, "second line") || !strings.Contains(shown, "ExecStart=") {
			t.Error("everybody can see the environment")
		}
		if strings.Contains(string(a.Plan.Private)+string(a.Plan.Fingerprint), "second line") {
			t.Error("the environment is in the plan")
		}
		a = r.run("run", inputs{"command": []string{"id", "-un"}, "user": "nobody", "group": "nogroup"})
		if out := outputs[RunOutput](t, a.Result.Outputs).Output; out != "nobody" {
			t.Errorf("%q", out)
		}
		nothingLeft(t)
	})

	t.Run("failures", func(t *testing.T) {
		r := &rig{r.Machine, t}
		a := r.fails("run", sh("echo before; exit 7"), "sh ended with exit code 7")
		if out := outputs[RunOutput](t, a.Result.Outputs); out.ExitCode != 7 || out.Output != "before" {
			t.Errorf("%+v", out)
		}
		if out := outputs[RunOutput](t, r.run("run", with(sh("exit 24"), inputs{"success": []int{0, 24}})).Result.Outputs); out.ExitCode != 24 {
			t.Errorf("%+v", out)
		}
		a = r.fails("run", sh("kill -TERM $$"), "ended by signal terminated")
		if out := outputs[RunOutput](t, a.Result.Outputs); out.ExitCode != 143 {
			t.Errorf("%+v", out)
		}
		r.fails("run", inputs{"command": []string{"/etc/tool"}}, "can't be executed")
		r.refuses("run", inputs{"command": []string{"no-such-tool"}}, "there is no program", "/command/0")
		r.refuses("run", inputs{"command": []string{"./x"}}, "neither an absolute path")
		r.refuses("run", inputs{"command": []string{"true"}, "environment": inputs{"A=B": "x"}}, "no name of a variable")
		r.refuses("run", inputs{"command": []string{"true"}, "stop_after": "0s"}, "at least 1s")
		r.fails("run", inputs{"command": []string{"true"}, "user": "nosuchuser"}, "its user does not exist")
		r.fails("run", inputs{"command": []string{"true"}, "directory": "/no/such/place"}, "could not change to its directory")
		nothingLeft(t)
		// A program that an earlier command may install is no mistake in a preview.
		p := r.plan("run", inputs{"command": []string{"no-such-tool"}}, sdk.Change{Kind: sdk.Run, Resource: sdk.Resource{Type: CommandType, Name: "apt-get"}})
		if len(p.Diagnostics) != 1 || sdk.HasErrors(p.Diagnostics) {
			t.Errorf("%+v", p.Diagnostics)
		}
	})

	t.Run("what it leaves behind", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.run("run", sh("sleep 1000 & echo $! >/run/left"))
		if _, code := r.Run("sh", "-c", "for i in $(seq 600); do kill -0 $(cat /run/left) || exit 1; sleep 0.1; done"); code == 0 {
			t.Error("a process of it still runs")
		}
	})

	t.Run("cancel", func(t *testing.T) {
		r := &rig{r.Machine, t}
		in := sh("sleep 1000 & wait")
		unit := outputs[RunOutput](t, r.plan("run", in).Outputs).Unit
		a := r.do(order{Action: "run", Inputs: in, Apply: true, CancelUnit: unit, CancelState: "active"})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Cancelled || len(a.Result.Done) != 0 {
			t.Errorf("%+v", a.Result)
		}
		nothingLeft(t)
		// One that does not want to end.
		in = with(sh("trap '' TERM; while :; do sleep 0.1; done"), inputs{"stop_after": "1s"})
		unit = outputs[RunOutput](t, r.plan("run", in).Outputs).Unit
		a = r.do(order{Action: "run", Inputs: in, Apply: true, CancelUnit: unit, CancelState: "active"})
		if d := a.Result.Diagnostics; len(d) != 1 || d[0].Reason != sdk.Cancelled {
			t.Errorf("%+v", a.Result)
		}
		nothingLeft(t)
	})

	t.Run("ends with what coppice runs in", func(t *testing.T) {
		r := &rig{r.Machine, t}
		r.Must(t, "systemd-run", "--quiet", "--unit=outer", "-p", "KillSignal=SIGKILL", "/opt/test", "order",
			`{"Action":"run","Apply":true,"Inputs":{"command":["sh","-c","echo $$ >/run/inner; sleep 1000"]}}`)
		r.Must(t, "sh", "-c", "until [ -s /run/inner ]; do sleep 0.05; done")
		r.Must(t, "systemctl", "kill", "-s", "KILL", "outer")
		r.Must(t, "sh", "-c", "i=0; while kill -0 $(cat /run/inner) 2>/dev/null; do sleep 0.1; i=$((i+1)); [ $i -lt 300 ]; done")
	})
}
