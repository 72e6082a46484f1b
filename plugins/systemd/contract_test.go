package systemd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest"
)

// The plugin keeps the contract, in a machine of the test's own.
func TestContract(t *testing.T) {
	r := boot(t, map[string]string{
		"web.service": "[Service]\nExecStart=/usr/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n",
		"app.service": "[Unit]\nRequires=web.service\nAfter=web.service\n[Service]\nExecStart=/usr/bin/sleep 1000\n",
	})
	out := r.Must(t, "/opt/test", "contract")
	var report plugintest.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(report.Findings) < 100 {
		t.Errorf("only %d findings", len(report.Findings))
	}
	for _, f := range report.Failed() {
		t.Errorf("%s %s: %s\n%s", f.Check, f.On, f.Problem, f.Explain())
	}
}

// holdToContract is called inside of the machine.
func holdToContract() *plugintest.Report {
	_ = os.Setenv("TMPDIR", "/run") // there is no other place
	systemctl := func(all ...[]string) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, words := range all {
				if out, err := exec.CommandContext(ctx, "systemctl", words...).CombinedOutput(); err != nil {
					return fmt.Errorf("systemctl %q: %w: %s", words, err, out)
				}
			}
			return nil
		}
	}
	stopped := []string{"stop", "web.service", "app.service"}
	started := []string{"start", "app.service"}
	disabled := []string{"disable", "web.service"}
	const shipped = "systemd-tmpfiles-clean.service" // a unit whose file is not where a mask would be
	unmasked := []string{"unmask", shipped}
	units := []string{"web.service", "app.service", shipped}
	state := func(ctx context.Context) (string, error) {
		text := ""
		for _, verb := range []string{"is-active", "is-enabled"} {
			out, _ := exec.CommandContext(ctx, "systemctl", append([]string{verb}, units...)...).Output() // it exits with what it has found
			text += string(out)
		}
		return text, nil
	}
	unit := func(name string) inputs { return inputs{"unit": name} }
	return plugintest.Test(context.Background(), plugintest.Options{Name: "systemd", Cases: []plugintest.Case{
		{Action: "start", Inputs: unit("app"), Prepare: systemctl(stopped), State: state, Drift: systemctl([]string{"start", "web.service"})},
		{Action: "stop", Inputs: unit("web"), Prepare: systemctl(stopped, started), State: state, Drift: systemctl([]string{"stop", "app.service"})},
		{Action: "restart", Inputs: unit("web"), Prepare: systemctl(stopped, started), State: state},
		{Action: "enable", Inputs: unit("web"), Prepare: systemctl(disabled), State: state},
		{Action: "mask", Inputs: unit(shipped), Prepare: systemctl(unmasked), State: state},
		{Action: "unmask", Inputs: unit(shipped), Prepare: systemctl([]string{"mask", shipped}), State: state},
		{Action: "status", Inputs: unit("web"), Prepare: systemctl(stopped), State: state},
		{Action: "run", Inputs: inputs{"command": []string{"/usr/bin/true"}}, State: state},
		{Name: "run-long", Action: "run", Inputs: inputs{"command": []string{"/usr/bin/sleep", "1000"}}, Long: true},
	}})
}
