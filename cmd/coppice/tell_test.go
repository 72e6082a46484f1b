package main

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// listener takes what shipped playbooks tell, on all ways that they have.
type listener struct {
	dir, metrics string
	inputs       []string // for the playbook
	mu           sync.Mutex
	heard        []string // method, path, body
}

// hidden stands in each secret, and nowhere else.
const hidden = "hunter22hidden"

// listen makes one that answers with the code. Its files of secrets are deleted when the test ends.
func listen(t *testing.T, code int) *listener {
	t.Helper()
	l := &listener{dir: t.TempDir()}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard = append(l.heard, q.Method+" "+q.URL.Path+" "+string(body))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "I know "+hidden)
	}))
	t.Cleanup(s.Close)
	at := strings.TrimPrefix(s.URL, "http://")
	l.metrics = filepath.Join(l.dir, "metrics")
	if err := os.Mkdir(l.metrics, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{
		"notify_url": "generic+http://" + at + "/hook/" + hidden, "ping_url": s.URL + "/ping/" + hidden, "alertmanager": "http://me:" + hidden + "@" + at,
	} {
		file := filepath.Join(l.dir, name)
		if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l.inputs = append(l.inputs, "-i", name+"=@"+file)
	}
	l.inputs = append(l.inputs, "-i", "metrics="+l.metrics)
	return l
}

// all is what was heard so far, sorted, and forgets it.
func (l *listener) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.heard)
	defer func() { l.heard = nil }()
	return strings.Join(l.heard, "\n")
}

// left is what the files with metrics say.
func (l *listener) left(t *testing.T) string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(l.metrics, "*"))
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

func expect(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: expected %q in\n%s", what, w, text)
		}
	}
}

// Each shipped playbook tells of its failure on every way that it is given; when nobody takes it the outcome is the same; and no secret is
// in an output, a record or a saved plan.
func TestPlaybooksTellOfFailure(t *testing.T) {
	// What each needs besides, to fail without touching this machine.
	needs := map[string][]string{
		"backup": {"-i", "target=/nowhere"}, "boot-cleanup": nil, "monthly-maintenance": nil, "performance-tuning": {"-i", "running=false", "-i", "drop_in="},
		"quiesced-snapshot": {"-i", "subvolumes=root", "-i", "units="}, "restore-root": {"-i", "from=snapshots/root/1"}, "server-layout": nil, "snapshot-rotation": nil,
	}
	for _, name := range playbooks.Names() {
		data, _ := playbooks.Read(name)
		if _, known := needs[name]; !known {
			if name != "boot-rollback" { // in the initrd there is nobody to tell
				t.Errorf("how does %s fail without touching this machine?", name)
			}
			continue
		}
		if !strings.Contains(string(data), "\n  notify_url:\n") {
			t.Errorf("%s can't tell", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			t.Setenv("COPPICE_STATE_DIR", state+":"+state)
			var said strings.Builder
			failing := append([]string{"-i", "filesystem=/proc"}, needs[name]...)
			run := func(verb string, l *listener, more ...string) (code int) {
				args := append([]string{verb, name}, failing...)
				if l != nil {
					args = append(args, l.inputs...)
				}
				code, out, errs := coppice(t, nil, append(args, more...)...)
				said.WriteString(out + errs)
				return code
			}
			silent := run("run", nil)
			l := listen(t, 200)
			for _, flags := range [][]string{{"--json"}, {"--verbose"}} {
				if code := run("run", l, flags...); code != silent || code == 0 {
					t.Errorf("exit code %d, and %d when nobody is told", code, silent)
				}
				expect(t, "heard", l.all(), "POST /hook/"+hidden+" "+name+" has failed on ", "POST /ping/"+hidden+"/fail ", "POST /api/v2/alerts [{",
					`"alertname":"CoppiceRunFailed"`, `"filesystem":"/proc"`, `"playbook":"`+name+`"`, "another kind of filesystem")
				expect(t, "metrics", l.left(t), `coppice_run_failed{filesystem="/proc",playbook="`+name+`"`, "} 1\n", "coppice_run_end_timestamp_seconds{")
			}
			for _, flags := range [][]string{{"--json"}, {"--verbose", "--out", filepath.Join(state, "saved.plan")}} {
				run("plan", l, flags...)
			}
			if heard := l.all(); heard != "" {
				t.Errorf("a preview has sent %s", heard)
			}
			deaf := listen(t, 403)
			if code := run("run", deaf); code != silent {
				t.Errorf("exit code %d when nobody takes it, and %d when nobody is told", code, silent)
			}
			expect(t, "said", said.String(), "generic at 127.0.0.1:", "answers 403 Forbidden: I know ••••", "CoppiceRunFailed")
			runs := must(t, "runs", "--json")
			said.WriteString(runs)
			err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				said.Write(data)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(said.String(), hidden) {
				t.Errorf("the secret was told:\n%s", said.String())
			}
		})
	}
}

// A success is told too: the alert is resolved, the switch is pinged, and the metrics say what was found. What the plan says of it is what is
// done; when nobody takes it the run is a success all the same; and without the inputs not a word is said of it.
func TestPlaybooksTellOfSuccess(t *testing.T) {
	f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(t.Context(), f, history.Layout); err != nil {
		t.Fatal(err)
	}
	base := []string{"snapshot-rotation", "-i", "filesystem=" + f.Mount, "-i", "clock=rtc"}
	l := listen(t, 200)
	plan := planOf(t, append(base, l.inputs...)...)
	told := func(all []string) []string {
		return slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, "snapshots/") })
	}
	made, _ := runOf(t, "metrics", append(base, l.inputs...)...)
	plan, made = told(plan), told(made)
	if !slices.Equal(plan, made) || len(made) != 3 {
		t.Errorf("planned %q\nmade    %q", plan, made)
	}
	heard := l.all()
	expect(t, "heard", heard, "POST /ping/"+hidden+" ", "POST /api/v2/alerts [{", `"endsAt":"`)
	if strings.Contains(heard, "/hook/") || strings.Contains(heard, "startsAt") {
		t.Errorf("heard %s", heard)
	}
	labels := `{filesystem="` + f.Mount + `",playbook="snapshot-rotation"} `
	expect(t, "metrics", l.left(t), "coppice_run_failed"+labels+"0\n", "coppice_snapshots"+labels+"4\n", "coppice_free_ratio"+labels,
		"coppice_run_success_timestamp_seconds"+labels, "coppice_run_expected_seconds"+labels+"86400\n")

	deaf := listen(t, 403)
	time.Sleep(2 * time.Millisecond) // no two runs have the same stamp
	code, out, errs := coppice(t, nil, append(append([]string{"run"}, base...), deaf.inputs...)...)
	if code != 0 || strings.Count(errs, "answers 403") != 2 {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	time.Sleep(2 * time.Millisecond)
	code, out, errs = coppice(t, nil, append([]string{"run"}, base...)...)
	for _, word := range []string{"tell", "alert", "ping", "metrics"} {
		if code != 0 || strings.Contains(out+errs, "step "+word) {
			t.Errorf("a word about %s:\n%s%s", word, out, errs)
		}
	}

	// What maintenance finds.
	l.all()
	must(t, append([]string{"run", "monthly-maintenance", "-i", "filesystem=" + f.Mount}, l.inputs...)...)
	labels = `{filesystem="` + f.Mount + `",playbook="monthly-maintenance"} `
	expect(t, "metrics", l.left(t), "coppice_device_errors"+labels+"0\n", "coppice_devices_missing"+labels+"0\n", "coppice_scrub_uncorrectable"+labels+"0\n",
		"coppice_scrub_timestamp_seconds"+labels+"1.", "coppice_unallocated_bytes"+labels)
}
