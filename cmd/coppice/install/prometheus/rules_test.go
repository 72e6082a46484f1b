// Package prometheus is the folder of what coppice brings along for Prometheus: rules for alerts. There is no code in it but this test.
package prometheus

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// promtool accepts the rules, and they fire when they should.
func TestRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		need.Missing(t, "prometheus", "needs promtool")
	}
	for _, args := range [][]string{{"check", "rules", "coppice.rules.yml"}, {"test", "rules", "coppice.rules.test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Each metric that a rule is about is one of a run, or a value of a playbook that comes with coppice.
func TestRulesAreAboutWhatThereIs(t *testing.T) {
	rules, err := os.ReadFile("coppice.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var values strings.Builder
	for _, name := range playbooks.Names() {
		data, _ := playbooks.Read(name)
		values.Write(data)
	}
	found := 0
	for _, line := range strings.Split(string(rules), "\n") {
		expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr: ")
		if !ok {
			continue
		}
		for _, name := range regexp.MustCompile(`\bcoppice_(\w+)`).FindAllStringSubmatch(expr, -1) {
			found++
			if !strings.HasPrefix(name[1], "run_") && !strings.Contains(values.String(), "\n        "+name[1]+": ") {
				t.Errorf("no playbook leaves %s", name[0])
			}
		}
	}
	if found < 7 {
		t.Errorf("only %d metrics found", found)
	}
}
