package sysctl

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest"
)

// foldersVariable tells the plugin of a test where its drop-ins are.
const foldersVariable = "SYSCTL_TEST_FOLDERS"

func TestMain(m *testing.M) {
	plugintest.Main(m, func() *sdk.Plugin {
		return newPlugin(host{proc: "/proc/sys", folders: filepath.SplitList(os.Getenv(foldersVariable))})
	})
}

// The plugin keeps the contract, in the namespaces of the test.
func TestContract(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(r.host.folders[0], "60-coppice.conf")
	set := func(all ...string) error {
		return exec.Command("sysctl", append([]string{"-q", "-w"}, all...)...).Run()
	}
	state := func(context.Context) (string, error) {
		out, err := exec.Command("sysctl", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_fin_timeout", "kernel.domainname").Output()
		return string(out), err
	}
	reset := func(context.Context) error {
		return errors.Join(os.RemoveAll(file), set("net.ipv4.ip_local_port_range=32768 60999", "net.ipv4.tcp_fin_timeout=60", "kernel.domainname=old"))
	}
	values := values{"net.ipv4.ip_local_port_range": "20000 30000", "net.ipv4.tcp_fin_timeout": 30, "kernel.domainname": "example.org"}
	plugintest.Run(t, plugintest.Options{Name: "sysctl", Env: []string{foldersVariable + "=" + strings.Join(r.host.folders, ":")}, Cases: []plugintest.Case{{
		Action: "set", Inputs: inputs{"values": values, "drop_in": "60-coppice.conf"},
		Prepare: reset, Watch: r.host.folders, State: state,
		Drift: func(context.Context) error { return set("net.ipv4.tcp_fin_timeout=45") },
	}, {
		Name: "set-running", Action: "set", Inputs: inputs{"values": values},
		Prepare: reset, Watch: r.host.folders, State: state,
	}, {
		Action: "get", Inputs: inputs{"keys": []string{"net.ipv4.tcp_fin_timeout", "-net.no.such"}}, State: state,
	}, {
		Action: "remove", Inputs: inputs{"drop_in": "60-coppice.conf"}, Watch: r.host.folders, State: state,
		Prepare: func(context.Context) error {
			q := r.request("set", inputs{"values": values, "drop_in": "60-coppice.conf", "running": false})
			result := r.apply(q, r.plan(q))
			if sdk.HasErrors(result.Diagnostics) {
				return errors.New(diagnostics(result.Diagnostics))
			}
			return nil
		},
	}}})
}
