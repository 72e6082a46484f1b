package script

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func TestDescribe(t *testing.T) {
	d, err := New().Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sdk.Effect{"run": sdk.Destroys, "read": sdk.Reads}
	for _, a := range d.Actions {
		if a.Effect != want[a.Name] || a.Converges != (a.Name == "read") || a.Outputs.DeclaredBy != "outputs" || a.Inputs.Property("outputs") == nil {
			t.Errorf("%s: %+v", a.Name, a)
		}
		delete(want, a.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

// A program gets what the playbook says, and nothing else; no shell looks at it.
func TestWhatAProgramGets(t *testing.T) {
	t.Setenv("COPPICE_SECRET_OF_THE_TEST", "1")
	a := run(t, inputs{"command": []string{"sh", "-c", `printf '%s\n' "$@"; env | sort; pwd`, "sh", "$HOME;", "a  b", "*", ""},
		"environment": map[string]string{"A": "x $B\ny", "LANG": "de_DE.UTF-8"}, "directory": "/usr"})
	equal(t, "log", strings.Join(a.logs, "\n"), strings.Join([]string{"info $HOME;", "info a  b", "info *", "info A=x $B", "info COPPICE_INSTANT=2026-11-26T10:15:00Z",
		"info COPPICE_RUN=20261126T101500Z-abcdef", "info COPPICE_STEP=step", "info HOME=" + os.Getenv("HOME"), "info LANG=de_DE.UTF-8",
		"info PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin", "info PWD=/usr", "info y", "info /usr"}, "\n"))
	equal(t, "changes", changes(a.plan), "run sh sh -c 'printf '\\''%s\\n'\\'' \"$@\"; env | sort; pwd' sh '$HOME;' 'a  b' '*' '' ()\n")
	equal(t, "outputs", string(a.result.Outputs), `{"exit_code":0}`)
	if strings.Contains(string(a.plan.Private)+string(a.plan.Fingerprint)+string(a.plan.Outputs), "x $B") {
		t.Error("the environment is in the plan")
	}
	a = run(t, inputs{"command": []string{"cat"}, "input": map[string]any{"a": []any{1, "ü"}}})
	equal(t, "input", strings.Join(a.logs, "\n"), `info {"a":[1,"ü"]}`)
	a = run(t, inputs{"command": []string{"cat"}, "stdin": "one\r\n\n\xc3\xbctwo"})
	equal(t, "stdin", strings.Join(a.logs, "\n"), "info one\ninfo ütwo")
	a = run(t, inputs{"command": []string{"cat"}})
	equal(t, "no input", strings.Join(a.logs, "\n"), "")
	a = run(t, inputs{"command": []string{"true"}, "stdin": strings.Repeat("x", 1<<20)}) // one that does not read
	equal(t, "unread", a.refuse, "")
}

func TestOutputs(t *testing.T) {
	in := inputs{"command": sh(`echo to the log >&2; cat`), "outputs": map[string]any{"files": "int", "took": "duration", "note": inputs{"type": "string", "optional": true}},
		"input": inputs{"files": 9007199254740993, "took": "90s", "more": inputs{"x": 1}, "note": nil}}
	a := run(t, in)
	equal(t, "refused", a.refuse, "")
	equal(t, "outputs", string(a.result.Outputs), `{"exit_code":0,"files":9007199254740993,"took":"90s"}`)
	equal(t, "planned", string(a.plan.Outputs)+" "+strings.Join(a.plan.Unknown, " "), `{"exit_code":-1,"files":0,"note":"","took":"0s"} /exit_code /files /note /took`)
	equal(t, "log", strings.Join(a.logs, "\n"), "info to the log")
	for script, want := range map[string]string{
		`true`:                                  "sh wrote nothing to its standard output",
		`echo hello`:                            `what sh wrote to its standard output is not JSON: line 1, column 1: invalid character 'h' looking for beginning of value; it begins with "hello"`,
		`printf '{\n "files": 3,\n "ü": x}'`:    `what sh wrote to its standard output is not JSON: line 3, column 7: invalid character 'x' looking for beginning of value; it begins with "{\n \"files\": 3,\n \"ü\": x}"`,
		`printf '{"files": '`:                   `what sh wrote to its standard output is not JSON: line 1, column 10: it ends in the middle of a value; it begins with "{\"files\":"`,
		`echo '[1]'`:                            `what sh wrote to its standard output is no JSON object; it begins with "[1]"`,
		`echo '{} {}'`:                          "what sh wrote to its standard output is not one JSON value: something follows it in line 1, column 4",
		`head -c 1048577 /dev/zero`:             "sh wrote more than 1 MiB to its standard output",
		`echo '{}'`:                             "the outputs of sh: \"files\" is missing\nthe outputs of sh: \"took\" is missing",
		`echo '{"files": "3", "took": "ages"}'`: "the output files of sh: must be an int, found \"3\"\nthe output took of sh: not a duration: \"ages\": write a number and a unit, such as 90s, 5m, 1h30m, 30d or 2w",
		`printf '\377\376'`:                     `what sh wrote to its standard output is not JSON: line 1, column 1: invalid character 'ÿ' looking for beginning of value; it begins with "�"`,
	} {
		in["command"] = sh(script)
		a := run(t, in)
		var got []string
		for _, d := range a.result.Diagnostics {
			got = append(got, d.Summary)
		}
		equal(t, script, strings.Join(got, "\n"), want)
		if len(a.result.Outputs) > 0 {
			t.Errorf("%s: outputs %s", script, a.result.Outputs)
		}
		if len(a.result.Done) != 1 {
			t.Errorf("%s: the command has run and nothing is told of it", script)
		}
	}
}

func TestExitCodes(t *testing.T) {
	a := run(t, inputs{"command": sh("echo first >&2; echo 'no room' >&2; exit 3")})
	equal(t, "failure", a.refuse, "error failed /command: sh ended with exit code 3; it last said \"no room\"\n")
	if len(a.result.Done) > 0 || len(a.result.Outputs) > 0 {
		t.Errorf("%+v", a.result)
	}
	a = run(t, inputs{"command": sh("kill -9 $$")})
	equal(t, "signal", a.refuse, "error failed /command: sh was ended by a signal: killed\n")
	a = run(t, inputs{"command": sh("exit 3"), "success": []int{0, 3}})
	equal(t, "success", a.refuse+string(a.result.Outputs), `{"exit_code":3}`)
	a = run(t, inputs{"command": sh("exit 0"), "success": []int{3}})
	equal(t, "0 is none", a.refuse, "error failed /command: sh ended with exit code 0\n")
	for code, done := range map[string]int{"0": 0, "2": 1} {
		a = run(t, inputs{"command": sh("exit " + code), "changed": []int{2, 4}})
		equal(t, "changed", a.refuse+string(a.result.Outputs), `{"exit_code":`+code+`}`)
		if len(a.result.Done) != done {
			t.Errorf("exit code %s: done %v", code, a.result.Done)
		}
		equal(t, "changes", changes(a.plan), "run sh sh -c 'exit "+code+"' () only if it ends with exit code 2 or 4\n")
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	in := inputs{"command": []string{"touch", there}, "check": []string{"test", "-e", there}}
	a := run(t, in)
	if len(a.plan.Changes) != 1 || len(a.result.Done) != 1 {
		t.Errorf("the first time: %+v", a)
	}
	a = run(t, in)
	if len(a.plan.Changes) != 0 || a.result != nil || a.plan.Summary != "nothing to do, says test" {
		t.Errorf("the second time: %+v", a.plan)
	}
	in = inputs{"command": sh(`echo '{"n": 2}'`), "check": sh(`echo '{"n": 1}'`), "outputs": inputs{"n": "int"}}
	a = run(t, in)
	equal(t, "outputs of check", string(a.plan.Outputs), `{"exit_code":0,"n":1}`)
	in["check"] = sh("exit 1")
	a = run(t, in)
	equal(t, "outputs of command", string(a.result.Outputs), `{"exit_code":0,"n":2}`)
	in["check"] = sh("exit 2")
	equal(t, "broken", run(t, in).refuse, "error failed /check: sh ended with exit code 2\n")
	in["check"] = sh("exit 0")
	equal(t, "silent", run(t, in).refuse, "error failed /check: sh wrote nothing to its standard output\n")
}

func TestPreview(t *testing.T) {
	listen(t)
	in := inputs{"command": sh(`echo '{"n": 2, "at": "/x"}'`), "outputs": inputs{"n": "int", "at": "path"},
		"preview": sh(`echo '{"changes": [{"kind": "create", "name": "/x", "summary": "a file", "reason": "it is not there", "after": {"size": 1}}, {"name": "y"}], "outputs": {"at": "/x"}, "summary": "two"}'`)}
	a := run(t, in)
	equal(t, "changes", changes(a.plan), "create /x a file (it is not there)\nrun y  ()\n")
	equal(t, "planned", string(a.plan.Outputs)+" "+strings.Join(a.plan.Unknown, " ")+" "+a.plan.Summary, `{"at":"/x","exit_code":-1,"n":0} /exit_code /n two`)
	if len(a.result.Done) != 2 || a.refuse != "" {
		t.Errorf("%+v", a)
	}
	in["preview"] = sh(`echo '{"changes": [], "outputs": {"n": 1, "at": "/x"}}'`)
	a = run(t, in)
	equal(t, "nothing to do", changes(a.plan)+string(a.plan.Outputs), `{"at":"/x","exit_code":0,"n":1}`)
	for script, want := range map[string]string{
		`echo '{}'`: "what sh wrote is no preview: the list of changes is missing; an empty one says that there is nothing to do",
		`echo '{"changes": [], "outputs": {"n": 1}}'`:                `the outputs of sh: "at" is missing`,
		`echo '{"changes": [{"name": "x"}], "outputs": {"n": "a"}}'`: `the output n of sh: must be an int, found "a"`,
		`echo '{"changes": [{"kind": "make", "name": "x"}]}'`:        `what sh wrote is no preview: changes.0 has the kind "make"; there are create, update, delete and run`,
		`echo '{"changes": [{"kind": "create"}]}'`:                   "what sh wrote is no preview: changes.0 has no name",
		`echo '{"changes": {}}'`:                                     "what sh wrote is no preview: changes must not be a object",
		`echo '{"changes": [], "output": {}}'`:                       `what sh wrote is no preview: unknown field "output"`,
		`echo oh >&2; exit 1`:                                        `sh ended with exit code 1; it last said "oh"`,
	} {
		in["preview"] = sh(script)
		equal(t, script, plan(t, "run", in).refuse, "error failed /preview: "+want+"\n")
	}
}

// Commands that are to read only can't write.
func TestReadOnly(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	heard := listen(t)
	write := sh("for f in " + dir + "/made /etc/coppice-test /run/coppice-test /proc/sys/kernel/domainname; do echo x > $f && echo written $f >&2; done; f=$(mktemp) && echo fine > $f && echo ${f%/*} >&2; echo > /dev/null && echo null >&2; exit 1")
	in := inputs{"command": []string{"true"}, "check": write}
	if a := plan(t, "run", in); a.refuse != "" {
		t.Error(a.refuse)
	}
	for _, line := range strings.Split(heard.String(), "\n") {
		if strings.HasPrefix(line, "written") {
			t.Error(line)
		}
	}
	if !strings.Contains(heard.String(), "\n/dev/shm\n") || !strings.Contains(heard.String(), "\nnull\n") {
		t.Errorf("no scratch, or no /dev/null: %s", heard)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("the file was made")
	}
	if a := run(t, inputs{"command": sh("echo x > " + dir + "/made")}); a.refuse != "" {
		t.Errorf("and what is to write can't: %s", a.refuse)
	}
}

func TestRead(t *testing.T) {
	heard := listen(t)
	a := plan(t, "read", inputs{"command": sh(`echo hello >&2; echo '{"n": 3}'; exit 4`), "success": []int{4}, "outputs": inputs{"n": "int"}})
	equal(t, "outputs", a.refuse+string(a.plan.Outputs)+heard.String(), "{\"exit_code\":4,\"n\":3}hello\n")
	a = plan(t, "read", inputs{"command": sh("echo plain")})
	equal(t, "no outputs", a.refuse+string(a.plan.Outputs)+heard.String(), "{\"exit_code\":0}hello\nplain\n")
	equal(t, "failure", plan(t, "read", inputs{"command": []string{"false"}}).refuse, "error failed /command: false ended with exit code 1\n")
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		in   inputs
		want string
	}{
		"program":   {inputs{"command": []string{"no-such-program"}}, "error failed /command/0: there is no program \"no-such-program\" in /usr/local/sbin"},
		"relative":  {inputs{"command": []string{"./x"}}, "error failed /command/0: \"./x\" is neither an absolute path nor a name without a slash\n"},
		"twice":     {inputs{"command": []string{"cat"}, "input": 1, "stdin": "x"}, "error invalid /stdin: a program has one standard input: give input or stdin\n"},
		"variable":  {inputs{"command": []string{"cat"}, "environment": inputs{"a b": "x"}}, "error invalid /environment: \"a b\" is no name of a variable"},
		"code":      {inputs{"command": []string{"cat"}, "changed": []int{256}}, "error invalid /changed/0: 256 is no exit code"},
		"patience":  {inputs{"command": []string{"cat"}, "stop_after": "1m"}, "error invalid /stop_after: it is at least 1s and at most 15s\n"},
		"folder":    {inputs{"command": []string{"cat"}, "directory": "/no-such-folder"}, ""},
		"type":      {inputs{"command": []string{"cat"}, "outputs": inputs{"a": "integer"}}, "error invalid /outputs/a: unknown type \"integer\"\n"},
		"exit code": {inputs{"command": []string{"cat"}, "outputs": inputs{"exit_code": "int"}}, "error invalid /outputs/exit_code: exit_code is an output already\n"},
	} {
		if got := plan(t, "run", c.in).refuse; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	a := run(t, inputs{"command": []string{"cat"}, "directory": "/no-such-folder"})
	if !strings.HasPrefix(a.refuse, "error failed /command: cannot run cat: ") {
		t.Error(a.refuse)
	}
	// A command before it may bring the program.
	a = plan(t, "run", inputs{"command": []string{"no-such-program"}}, sdk.Change{Kind: sdk.Run, Resource: sdk.Resource{Type: CommandType, Name: "apt-get"}})
	if a.refuse != "" || len(a.plan.Diagnostics) != 1 || a.plan.Diagnostics[0].Severity != sdk.SeverityWarning {
		t.Errorf("%+v", a)
	}
}

// In a simulation nothing is asked of a command that changes something: what it would say then nobody knows.
func TestVirtual(t *testing.T) {
	q := request(t, "run", inputs{"command": []string{"true"}, "check": []string{"false"}, "preview": []string{"false"}})
	q.Virtual = sdk.VirtualExisting
	p, err := New().Plan(context.Background(), q)
	if err != nil || len(p.Changes) != 1 {
		t.Errorf("%+v %v", p, err)
	}
}
