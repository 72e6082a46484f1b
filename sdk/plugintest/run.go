package plugintest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
	"github.com/hbohlen/coppice/sdk/serve"
)

// T is the part of *testing.T that Run uses; S is *testing.T itself. Naming it here keeps the testing package out of programs.
type T[S any] interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	Run(name string, f func(S)) bool
}

// Run tests a plugin, with a subtest for each check, and one below it for each action or case:
// TestContract/second-run/write.
func Run[S T[S]](t S, o Options) {
	t.Helper()
	report := Test(context.Background(), o)
	for _, c := range Checks() {
		var found []Finding
		for _, f := range report.Findings {
			if f.Check == c.Name {
				found = append(found, f)
			}
		}
		if len(found) == 0 {
			continue
		}
		t.Run(c.Name, func(t S) {
			for _, f := range found {
				if f.On == "" {
					tell(t, f)
					continue
				}
				t.Run(f.On, func(t S) { tell(t, f) })
			}
		})
	}
	if len(report.Untested) > 0 {
		t.Logf("without a case, and so hardly tested: %s", strings.Join(report.Untested, ", "))
	}
}

func tell[S T[S]](t S, f Finding) {
	t.Helper()
	if f.Problem != "" {
		t.Errorf("%s\n%s: %s", f.Problem, f.Check, f.Explain())
	}
}

// Main is what a TestMain calls so that the test binary can be the plugin: with the runner's cookie it serves what make
// returns, else it runs the tests. It does not return.
func Main(m interface{ Run() int }, make func() *sdk.Plugin) {
	if os.Getenv(protocol.Handshake.MagicCookieKey) == protocol.Handshake.MagicCookieValue {
		serve.Run(make())
	}
	os.Exit(m.Run())
}

// self is the command that starts this program again.
func self() ([]string, error) {
	if os.Getenv(protocol.Handshake.MagicCookieKey) == protocol.Handshake.MagicCookieValue {
		// Started as the plugin it runs the tests, and would start itself without end.
		return nil, errors.New("this test was started as a plugin: TestMain has to call plugintest.Main")
	}
	file, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	return []string{file}, nil
}
