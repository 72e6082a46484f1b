package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// asker is a client that does not go through what is tested.
var asker = &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}

// start runs a server of Debian's until the test ends. %s in an argument is an address that is free.
func start(t *testing.T, name string, args ...string) (url string) {
	t.Helper()
	exe, err := exec.LookPath(name)
	if err != nil {
		need.Missing(t, "prometheus", "needs "+name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "%s", at)
	}
	var said strings.Builder
	c := exec.Command(exe, args...)
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, &said)
		}
	})
	url = "http://" + at
	eventually(t, name+" to answer", func() bool {
		r, err := asker.Get(url + "/metrics")
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	})
	return url
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begin := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := asker.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Debian's Alertmanager takes an alert, tells somebody of it, and takes it back.
func TestAlertmanager(t *testing.T) {
	receiver := newSink(t, "")
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	err := os.WriteFile(config, []byte("route: {receiver: sink, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"+
		"receivers: [{name: sink, webhook_configs: [{url: '"+receiver.URL+"', send_resolved: true}]}]\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, "prometheus-alertmanager", "--config.file="+config, "--storage.path="+dir, "--web.listen-address=%s", "--cluster.listen-address=")

	type active struct {
		Labels      map[string]string
		Annotations map[string]string
		EndsAt      time.Time
		Status      struct{ State string }
	}
	alerts := func() (all []active) {
		if err := json.Unmarshal([]byte(get(t, server+"/api/v2/alerts")), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	told := func(status string) func() bool {
		return func() bool {
			for _, h := range receiver.heard() {
				if strings.Contains(h.body, `"status":"`+status+`"`) && strings.Contains(h.body, `"alertname":"PlaybookFailed"`) {
					return true
				}
			}
			return false
		}
	}
	r := newRig(t)
	dead := newSink(t, "", 503)
	in := inputs{"urls": []any{dead.URL, server + "/"}, "state": "fire", "alert": "PlaybookFailed", "labels": inputs{"playbook": "backup", "empty": ""},
		"annotations": inputs{"summary": "the target is full"}, "expires": "2d", "attempts": 2}
	result := r.run("alertmanager", in)
	if out := delivered(t, result); !out.Delivered || !strings.Contains(out.Problem, "503") || len(result.Diagnostics) != 1 || len(result.Done) != 1 {
		t.Fatalf("one of two has it: %s", r.said.String())
	}
	eventually(t, "the alert", func() bool { return len(alerts()) == 1 && alerts()[0].Status.State == "active" })
	a := alerts()[0]
	if fmt.Sprint(a.Labels) != "map[alertname:PlaybookFailed playbook:backup]" || fmt.Sprint(a.Annotations) != "map[summary:the target is full]" ||
		!a.EndsAt.Equal(r.instant.Add(48*time.Hour)) {
		t.Errorf("%+v", a)
	}
	eventually(t, "word of the alert", told("firing"))
	delete(in, "annotations")
	in["urls"], in["state"] = []any{server}, "resolve"
	for range 2 { // the second one has nothing to resolve, and is no failure
		if result := r.run("alertmanager", in); !delivered(t, result).Delivered || len(result.Diagnostics) > 0 {
			t.Fatal(r.said.String())
		}
	}
	eventually(t, "the end of the alert", func() bool { return len(alerts()) == 0 })
	eventually(t, "word of the end", told("resolved"))
}

// Alertmanager behind a password, or a token.
func TestAlertmanagerAuthentication(t *testing.T) {
	s, r := newSink(t, ""), newRig(t)
	in := inputs{"urls": []any{"http://me:hunter22@" + s.at() + "/prefix"}, "state": "fire", "alert": "X"}
	r.run("alertmanager", in)
	in["urls"], in["bearer"] = []any{s.URL}, "hunter22"
	r.run("alertmanager", in)
	all := s.heard()
	if len(all) != 2 || all[0].path != "/prefix/api/v2/alerts" || all[0].header.Get("Authorization") != "Basic bWU6aHVudGVyMjI=" ||
		all[1].header.Get("Authorization") != "Bearer hunter22" {
		t.Errorf("%+v", all)
	}
	in["urls"] = []any{"http://me:hunter22@" + s.at()}
	in["required"] = true
	r.refuses("alertmanager", in, "it can only be one of them")
	for _, c := range []struct {
		in   inputs
		want string
	}{
		{inputs{"labels": inputs{"a-b": "x"}}, "no name of a label"}, {inputs{"labels": inputs{"__a": "x"}}, "no name of a label"},
		{inputs{"labels": inputs{"alertname": "x"}}, "what the input alert says"}, {inputs{"annotations": inputs{"": "x"}}, "no name of an annotation"},
		{inputs{"alert": ""}, "has a name"}, {inputs{"urls": []any{}}, "no Alertmanager"}, {inputs{"urls": []any{"host:9093"}}, "http://HOST"},
	} {
		wrong := inputs{"urls": []any{s.URL}, "state": "fire", "alert": "X", "required": true}
		for k, v := range c.in {
			wrong[k] = v
		}
		r.refuses("alertmanager", wrong, c.want)
	}
	r.hides("hunter22", "bWU6")
}

// Debian's node_exporter serves what we write, and promtool finds nothing wrong with it.
func TestNodeExporter(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server := start(t, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir,
		"--web.listen-address=%s", "--web.disable-exporter-metrics")
	r := newRig(t)
	in := inputs{"folder": dir, "labels": inputs{"playbook": "backup", "filesystem": "/mnt/\"a\"\nb\\"}, "failed": false, "expected": "1d",
		"values": inputs{"free_ratio": 0.25, "snapshots": 1 << 40}}
	r.run("metrics", in)
	in["labels"].(inputs)["filesystem"] = "/" // another file, with the same metrics
	in["failed"] = true
	r.run("metrics", in)
	page := get(t, server+"/metrics")
	for _, want := range []string{
		"node_textfile_scrape_error 0\n",
		`coppice_free_ratio{filesystem="/",playbook="backup"} 0.25` + "\n",
		`coppice_free_ratio{filesystem="/mnt/\"a\"\nb\\",playbook="backup"} 0.25` + "\n",
		`coppice_snapshots{filesystem="/",playbook="backup"} 1.099511627776e+12` + "\n",
		`coppice_run_failed{filesystem="/",playbook="backup"} 1` + "\n",
		`coppice_run_failed{filesystem="/mnt/\"a\"\nb\\",playbook="backup"} 0` + "\n",
		`coppice_run_expected_seconds{filesystem="/",playbook="backup"} 86400` + "\n",
		`coppice_run_success_timestamp_seconds{filesystem="/mnt/\"a\"\nb\\",playbook="backup"} `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("expected %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, `coppice_run_success_timestamp_seconds{filesystem="/",`) {
		t.Error("a success that never was")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		need.Missing(t, "prometheus", "needs promtool")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.prom"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(promtool, "check", "metrics")
		c.Stdin = strings.NewReader(string(data))
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool: %v: %s", err, out)
		}
	}
	if len(files) != 2 {
		t.Errorf("files: %q", files)
	}
}
