package sysctl

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

const systemdSysctl = "/usr/lib/systemd/systemd-sysctl"

// boots puts empty folders over the machine's sysctl.d, in the test's mount namespace, and makes the plugin one of the machine.
func (r *rig) boots() {
	r.t.Helper()
	if _, err := os.Stat(systemdSysctl); err != nil {
		need.Missing(r.t, "systemd", "needs "+systemdSysctl)
	}
	for _, over := range []string{"/run", "/usr/local/lib"} {
		if err := unix.Mount("none", over, "tmpfs", 0, "mode=755"); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Mkdir(over+"/sysctl.d", 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, over := range []string{"/etc/sysctl.d", "/usr/lib/sysctl.d"} {
		if err := unix.Mount("none", over, "tmpfs", 0, "mode=755"); err != nil {
			need.Missing(r.t, "systemd", "needs "+over)
		}
	}
	r.host = live()
	r.plugin = newPlugin(r.host)
}

// What we warn of is what systemd-sysctl does at boot, and nothing else.
func TestBoot(t *testing.T) {
	r := newRig(t)
	r.boots()
	r.exec("ip", "link", "add", "name", "co.5", "type", "veth", "peer", "name", "co1")
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("COPPICE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	keys := []string{"net.core.somaxconn", "net.ipv4.tcp_fin_timeout", "net.ipv4.conf.co/5.rp_filter", "net/ipv4/conf/co.5/log_martians", "kernel.domainname"}
	spelt := [][]string{ // as other files may write them
		{"net.core.somaxconn", "net/core/somaxconn", "-net.core.somaxconn"}, {"net.ipv4.tcp_fin_timeout", "  net/ipv4/tcp_fin_timeout"},
		{"net.ipv4.conf.co/5.rp_filter", "net/ipv4/conf/co.5/rp_filter", "net.ipv4.conf.*.rp_filter"},
		{"net.ipv4.conf.co/5.log_martians", "-net/ipv4/conf/*/log_martians"}, {"kernel.domainname", "kernel/domainname"},
	}
	warned := 0
	for range 60 {
		for _, folder := range r.host.folders[:4] {
			entries, _ := os.ReadDir(folder)
			for _, e := range entries {
				os.Remove(filepath.Join(folder, e.Name()))
			}
			for _, name := range []string{"10-a.conf", "60-m.conf", "70-z.conf", "90.conf", "A.conf", "notes.txt", ".95.conf"} {
				path := filepath.Join(folder, name)
				if random.IntN(3) > 0 || path == "/etc/sysctl.d/60-m.conf" {
					continue
				}
				if random.IntN(6) == 0 {
					os.Symlink("/dev/null", path)
					continue
				}
				text := "# comment\n; another = 1\n"
				for i := range keys {
					if n := random.IntN(6); n < len(spelt[i]) {
						text += fmt.Sprintf("%s = %d\n", spelt[i][n], random.IntN(2)+1)
					}
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := values{}
		for _, k := range keys {
			if random.IntN(4) > 0 {
				want[k] = random.IntN(2) + 1
			}
		}
		if len(want) == 0 {
			continue
		}
		in := inputs{"values": want, "drop_in": "60-m.conf"}
		p, _ := r.converges("set", in)
		for _, k := range keys {
			r.exec("sysctl", "-q", k+"=0")
		}
		if out, err := exec.Command(systemdSysctl).CombinedOutput(); err != nil {
			t.Fatalf("systemd-sysctl: %v: %s", err, out)
		}
		for k, v := range want {
			name := keyOf(t, k).name()
			said := strings.Contains(diagnostics(p.Diagnostics), " sets "+name+" to ")
			if said {
				warned++
			}
			if is := r.sysctl(k); (is != fmt.Sprint(v)) != said {
				t.Errorf("%s is %s after systemd-sysctl, planned were %v, and warned:\n%s\n%s", k, is, v, diagnostics(p.Diagnostics), r.exec(systemdSysctl, "--cat-config"))
			}
		}
		if t.Failed() {
			return
		}
	}
	if warned == 0 {
		t.Error("no conflict at all")
	}
}

func keyOf(t *testing.T, text string) key {
	t.Helper()
	k, err := parseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// systemd-sysctl sets what we write, odd values too.
func TestBootSetsTheSame(t *testing.T) {
	r := newRig(t)
	r.boots()
	all := values{
		"net.ipv4.tcp_rmem": []int{4096, 65536, 1048576}, "net.ipv4.ip_local_reserved_ports": "1000,2000-2010", "kernel.domainname": "a b # c = d",
		"net.ipv4.ip_forward": 1, "net.ipv4.conf.lo.forwarding": 0, "-net.ipv4.nothing": 7,
	}
	r.converges("set", inputs{"values": all, "drop_in": "50-all.conf"})
	read := func() (s string) {
		for _, k := range []string{"net.ipv4.tcp_rmem", "net.ipv4.ip_local_reserved_ports", "kernel.domainname", "net.ipv4.ip_forward", "net.ipv4.conf.lo.forwarding"} {
			s += k + "=" + r.sysctl(k) + "\n"
		}
		return s
	}
	want := read()
	r.exec("sysctl", "-q", "net.ipv4.tcp_rmem=4096 4096 4096", "net.ipv4.ip_local_reserved_ports=", "kernel.domainname=x", "net.ipv4.ip_forward=0", "net.ipv4.conf.lo.forwarding=1")
	r.exec(systemdSysctl)
	equal(t, "after systemd-sysctl", read(), want)
	// Only the file.
	p, _ := r.converges("set", inputs{"values": values{"net.core.somaxconn": 99}, "drop_in": "51-only.conf", "running": false})
	equal(t, "changes", fmt.Sprint(len(p.Changes)), "1")
	if r.sysctl("net.core.somaxconn") == "99" {
		t.Error("it was set")
	}
	r.exec(systemdSysctl)
	equal(t, "somaxconn", r.sysctl("net.core.somaxconn"), "99")
}

// What others have written is left alone; what is ours is replaced as a whole, and removed.
func TestFile(t *testing.T) {
	r := newRig(t)
	etc := r.host.folders[0]
	in := func(name string) inputs {
		return inputs{"values": values{"net.core.somaxconn": 4096}, "drop_in": name, "running": false}
	}
	r.write(0, "theirs.conf", "net.core.somaxconn = 1\n")
	r.write(2, "60-x.conf", "net.core.somaxconn = 1\n")
	for link, to := range map[string]string{"off.conf": "/dev/null", "link.conf": "theirs.conf", "dangling.conf": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(etc, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(etc, "folder.conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.refuses(in("theirs.conf"), "was not written by sysctl.set", "take another name")
	r.refuses(in("off.conf"), "is a link to /dev/null", "switches every file of this name off")
	r.refuses(in("link.conf"), "is a link to theirs.conf")
	r.refuses(in("dangling.conf"), "is a link to nowhere")
	r.refuses(in("folder.conf"), "is no file")
	r.refuses(in("a b.conf"), "does not match")
	r.refuses(in(".hidden.conf"), "does not match")

	r.write(0, ".60-x.conf.coppice", "left by an interrupted run")
	p, _ := r.converges("set", in("60-x.conf"))
	contains(t, told(p), "60-x.conf is not read any more")
	equal(t, "file", read(t, filepath.Join(etc, "60-x.conf")), mark+"\nnet.core.somaxconn = 4096\n")
	q := r.request("set", inputs{"values": values{"net.core.somaxconn": 4096, "-net.ipv4.tcp_fin_timeout": 30}, "drop_in": "60-x.conf", "running": false})
	p = r.plan(q)
	contains(t, told(p), `update `+etc+`/60-x.conf: {"net.core.somaxconn":"4096"} → {"-net.ipv4.tcp_fin_timeout":"30","net.core.somaxconn":"4096"}`)
	// Somebody edits it before the plan is carried out.
	r.write(0, "60-x.conf", mark+"\nnet.core.somaxconn = 5\n")
	contains(t, diagnostics(r.apply(q, p).Diagnostics), "[drifted]", "was changed since it was looked at")
	equal(t, "file", read(t, filepath.Join(etc, "60-x.conf")), mark+"\nnet.core.somaxconn = 5\n")

	r.converges("remove", inputs{"drop_in": "60-x.conf"})
	if entries, err := filepath.Glob(filepath.Join(etc, "*60-x*")); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
	r.exec("rm", "-r", etc)
	r.converges("set", in("60-x.conf"))
	stat, err := os.Stat(filepath.Join(etc, "60-x.conf"))
	if err != nil || stat.Mode().Perm() != 0o644 {
		t.Error(stat, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What a preview says of several steps is what they do.
func TestPreview(t *testing.T) {
	r := newRig(t)
	steps := []struct {
		action string
		in     inputs
	}{
		{"set", inputs{"values": values{"net.core.somaxconn": 50, "net.ipv4.ip_forward": 1, "-net.ipv4.nothing": 1}, "drop_in": "60-x.conf"}},
		{"set", inputs{"values": values{"net/core/somaxconn": 50, "net.ipv4.conf.lo.forwarding": 0, "net.ipv4.nothing": 1}}},
		{"set", inputs{"values": values{"net/core/somaxconn": 51}, "drop_in": "60-x.conf"}},
		{"get", inputs{"keys": []string{"net.core.somaxconn", "net/ipv4/ip_forward", "-net.ipv4.nothing", "net.ipv4.conf.lo.forwarding"}}},
		{"set", inputs{"values": values{"net.ipv4.ip_forward": 0, "net.ipv4.conf.lo.forwarding": 1}, "drop_in": "60-x.conf"}},
		{"set", inputs{"values": values{"net.ipv4.ip_forward": 0}, "drop_in": "60-x.conf", "running": false}},
		{"remove", inputs{"drop_in": "60-x.conf"}},
		{"remove", inputs{"drop_in": "60-x.conf"}},
	}
	steps[1].in["values"] = values{"net/core/somaxconn": 50, "net.ipv4.conf.lo.forwarding": 0}
	q := r.request("get", nil)
	var preview, run []string
	for _, s := range steps {
		p := r.plan(r.request(s.action, s.in, q.Prior...))
		q.Prior = append(q.Prior, p.Changes...)
		preview = append(preview, told(p)+string(p.Outputs))
	}
	for _, s := range steps {
		q := r.request(s.action, s.in)
		p := r.plan(q)
		if s.action != "get" {
			if result := r.apply(q, p); len(result.Diagnostics) > 0 || len(result.Done) != len(p.Changes) {
				t.Fatal(told(p), diagnostics(result.Diagnostics))
			}
		}
		run = append(run, told(p)+string(p.Outputs))
	}
	equal(t, "run", strings.Join(run, "\n"), strings.Join(preview, "\n"))
	contains(t, preview[3], `"net.core.somaxconn":"51"`, `"net.ipv4.ip_forward":"1"`)
}

// What we write we read as we meant it.
func FuzzFile(f *testing.F) {
	f.Add("net.ipv4.conf.co/5.rp_filter", "1", "vm/swappiness", "a = b # c")
	f.Add("-a.b", "", "c.d", "  1\t2 ")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		raw := map[string]json.RawMessage{}
		for k, v := range map[string]string{k1: v1, k2: v2} {
			data, err := json.Marshal(v)
			if err != nil {
				return
			}
			raw[k] = data
		}
		wishes, err := wishesOf(SetInput{Values: raw})
		if err != nil {
			return
		}
		var lines []line
		for _, w := range wishes {
			if strings.HasPrefix(w.path, "#") || strings.HasPrefix(w.path, ";") || strings.HasPrefix(w.path, "-") {
				return // the kernel has none
			}
			lines = append(lines, line{key: w.path, value: w.value, optional: w.optional})
		}
		if got := parse(format(lines)); !slices.Equal(got, lines) {
			t.Errorf("%+v\n%q\n%+v", lines, format(lines), got)
		}
		if got := linesOf(attributes(lines)); !slices.Equal(got, lines) {
			t.Errorf("attributes: %+v\n%+v", lines, got)
		}
	})
}
