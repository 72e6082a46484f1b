package systemd

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

func TestJudge(t *testing.T) {
	unit := func(name, state string) *Unit { return &Unit{ID: name, Load: "loaded", State: state} }
	sshd := func(state string) []*Unit { return []*Unit{unit("sshd.service", state)} }
	for name, c := range map[string]struct {
		v    vitals
		in   HealthInput
		want string // "well", "wait", or why not
	}{
		"running":          {v: vitals{State: "running"}, want: "well"},
		"starting":         {v: vitals{State: "starting"}, want: "wait"},
		"initializing":     {v: vitals{State: "initializing"}, want: "wait"},
		"stopping":         {v: vitals{State: "stopping"}, want: "the system is stopping"},
		"maintenance":      {v: vitals{State: "maintenance"}, want: "the system is maintenance"},
		"degraded":         {v: vitals{State: "degraded", Failed: []string{"a.service"}}, want: "the system is degraded: a.service has failed"},
		"two":              {v: vitals{State: "degraded", Failed: []string{"a.service", "b.mount"}}, want: "the system is degraded: a.service, b.mount have failed"},
		"not counted":      {v: vitals{State: "degraded", Failed: []string{"a.service"}}, in: HealthInput{Except: []string{"a.service"}}, want: "well"},
		"one counts":       {v: vitals{State: "degraded", Failed: []string{"a.service", "b.service"}}, in: HealthInput{Except: []string{"a.service"}}, want: "the system is degraded: b.service has failed"},
		"accepted":         {v: vitals{State: "degraded", Failed: []string{"a.service"}}, in: HealthInput{Degraded: true}, want: "well"},
		"unit":             {v: vitals{State: "running", Units: sshd("active")}, want: "well"},
		"unit inactive":    {v: vitals{State: "running", Units: sshd("inactive")}, want: "sshd.service is inactive"},
		"unit not yet":     {v: vitals{State: "starting", Units: sshd("inactive")}, want: "wait"},
		"unit begins":      {v: vitals{State: "running", Units: sshd("activating")}, want: "wait"},
		"unit reloads":     {v: vitals{State: "running", Units: sshd("reloading")}, want: "wait"},
		"unit ends":        {v: vitals{State: "running", Units: sshd("deactivating")}, want: "sshd.service is deactivating"},
		"unit failed":      {v: vitals{State: "degraded", Failed: []string{"sshd.service"}, Units: sshd("failed")}, want: "the system is degraded: sshd.service has failed"},
		"unit, accepted":   {v: vitals{State: "degraded", Failed: []string{"sshd.service"}, Units: sshd("failed")}, in: HealthInput{Degraded: true}, want: "sshd.service has failed"},
		"unit failed soon": {v: vitals{State: "starting", Failed: []string{"sshd.service"}, Units: sshd("failed")}, want: "sshd.service has failed"},
		"no unit":          {v: vitals{State: "starting", Units: []*Unit{{ID: "ssh.service", Load: "not-found", State: "inactive"}}}, want: "there is no unit ssh.service"},
	} {
		for _, u := range c.v.Units {
			c.v.Names = append(c.v.Names, u.ID)
		}
		out, wait := c.v.judge(c.in)
		got := strings.Join(out.Why, "; ")
		switch {
		case wait:
			got = "wait"
		case out.Well:
			got = "well"
		}
		if got != c.want || out.Well != (c.want == "well") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	v := vitals{State: "starting", Jobs: []string{"a.service", "b.service"}, Units: sshd("activating")}
	out, _ := v.judge(HealthInput{})
	out = v.impatient(out, HealthInput{Patience: sdk.Duration(5 * time.Minute)})
	if got := strings.Join(out.Why, "; "); out.Well || got != "after 5m the system is still starting: it waits for a.service, b.service; after 5m sshd.service is still activating" {
		t.Errorf("%q", got)
	}
}

// TestHealth asks a real systemd.
func TestHealth(t *testing.T) {
	t.Parallel()
	r := boot(t, map[string]string{
		"good.service":  "[Service]\n" + forever,
		"slow.service":  "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.1; done; systemd-notify --ready; exec sleep infinity'\n",
		"fails.service": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
	})
	ask := func(in inputs) HealthOutput {
		t.Helper()
		return outputs[HealthOutput](t, r.plan("health", in).Outputs)
	}
	expect := func(in inputs, want string) {
		t.Helper()
		out := ask(in)
		if got := strings.Join(out.Why, "; "); out.Well != (want == "") || !strings.Contains(got, want) || out.State == "" {
			t.Errorf("%v: %+v, want %q", in, out, want)
		}
	}
	r.Must(t, "systemctl", "start", "good.service")
	expect(inputs{"units": []string{"good"}}, "")
	expect(inputs{"units": []string{"good", "goodd.service"}}, "there is no unit goodd.service")
	r.Must(t, "systemctl", "start", "--no-block", "slow.service")
	expect(inputs{"units": []string{"slow.service"}, "patience": "1s"}, "after 1s slow.service is still activating")
	r.Must(t, "touch", "/run/go")
	expect(inputs{"units": []string{"good", "slow"}, "patience": "1m"}, "")
	r.Run("systemctl", "start", "fails.service")
	expect(inputs{}, "the system is degraded: fails.service has failed")
	expect(inputs{"degraded": true, "units": []string{"good"}}, "")
	expect(inputs{"except": []string{"fails.service"}}, "")
	r.refuses("health", inputs{"units": []string{"a b"}}, `"a b" is no name of a unit`)
}
