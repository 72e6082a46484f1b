package nixos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
)

const program = store + "coppice/bin/coppice"

// The units are those that "coppice install" writes for the same inputs: what a service may do follows from them.
func TestSameAsInstall(t *testing.T) {
	coppice := filepath.Join(t.TempDir(), "coppice")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", coppice, "github.com/hbohlen/coppice/cmd/coppice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	secret := filepath.Join(t.TempDir(), "url")
	write(t, secret, "ntfy://ntfy.sh/topic\n")
	withSecret := fmt.Sprintf(`secrets.notify_url = "%s";`, secret)
	cases := []struct{ playbook, flags, options string }{
		{"snapshot-rotation", "", ""},
		{"snapshot-rotation", "-i retention=14d -i metrics=/var/lib/metrics -i filesystem=/srv", `inputs = { retention = "14d"; metrics = "/var/lib/metrics"; filesystem = "/srv"; };`},
		{"snapshot-rotation", "-i filesystem=LABEL=tank -i subvolumes=/home -i notify_url=@" + secret, `inputs = { filesystem = "LABEL=tank"; subvolumes = [ "/home" ]; };` + withSecret},
		{"snapshot-rotation", "-i filesystem=/dev/sda2 --calendar daily", `inputs.filesystem = "/dev/sda2"; calendar = "daily"; jitter = null;`},
		{"snapshot-rotation", "-i ping_url=@" + secret, `secrets.ping_url = "` + secret + `";`},
		{"monthly-maintenance", "", ""},
		{"monthly-maintenance", "-i scrub_speed=0B", `inputs.scrub_speed = "0B";`},
		{"monthly-maintenance", "-i scrub_speed=100MiB -i metrics=/root/100%", `inputs = { scrub_speed = "100MiB"; metrics = "/root/100%"; };`},
		{"monthly-maintenance", "-i scrub_speed=1000000", `inputs.scrub_speed = 1000000;`},
		{"backup", "-i target=ssh://backup@nas/volume1", `inputs.target = "ssh://backup@nas/volume1";`},
		{"backup", "-i target=file:/var/backups/a$b -i metrics=/var/lib/metrics", `inputs = { target = "file:/var/backups/a$b"; metrics = "/var/lib/metrics"; };`},
		{"backup", "-i target=/mnt/backup -i alertmanager=@" + secret, `inputs.target = "/mnt/backup"; secrets.alertmanager = "` + secret + `";`},
		{"boot-cleanup", "", ""},
		{"server-layout", "--calendar weekly", `calendar = "weekly";`},
		{"server-layout", "--calendar weekly -i limits=log=10GiB", `calendar = "weekly"; inputs.limits.log = "10GiB";`},
		{"performance-tuning", "--calendar weekly -i profile=io-optimized", `calendar = "weekly"; inputs.profile = "io-optimized";`},
		{"quiesced-snapshot", "--calendar weekly -i units=db -i subvolumes=services", `calendar = "weekly"; inputs = { units = [ "db" ]; subvolumes = [ "services" ]; };`},
		{"restore-root", "--calendar weekly -i from=blank", `calendar = "weekly"; inputs.from = "blank";`},
	}
	var configurations []string
	for _, c := range cases {
		configurations = append(configurations, fmt.Sprintf("{ services.coppice = { enable = true; playbooks.%s = { %s }; }; }", c.playbook, c.options))
	}
	all, err := evaluate(t, configurations...)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if len(all[i].Failed) > 0 {
			t.Errorf("%s: %q", configurations[i], all[i].Failed)
			continue
		}
		root := t.TempDir()
		write(t, filepath.Join(root, "marker"), "") // an image, with the secret where the machine has it
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(secret)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, secret), "ntfy://ntfy.sh/topic\n")
		install := exec.Command(coppice, append([]string{"install", c.playbook, "--yes", "--root", root, "--program", program}, strings.Fields(c.flags)...)...)
		install.Env = append(os.Environ(), "COPPICE_CONFIG_DIR="+t.TempDir())
		if out, err := install.CombinedOutput(); err != nil {
			t.Errorf("coppice install %s %s: %v\n%s", c.playbook, c.flags, err, out)
			continue
		}
		for name, u := range map[string]unitOptions{
			"coppice-" + c.playbook + ".service": all[i].Result.Services["coppice-"+c.playbook],
			"coppice-" + c.playbook + ".timer":   all[i].Result.Timers["coppice-"+c.playbook],
			"coppice-failed@.service":            all[i].Result.Services["coppice-failed@"],
		} {
			want, err := os.ReadFile(filepath.Join(root, "etc/systemd/system", name))
			if err != nil {
				t.Error(err)
				continue
			}
			compare(t, c.playbook+" "+c.flags+": "+name, u.text(), string(want))
		}
	}
}

// The service that tells of failures reads the URL from the same file.
func TestSameTold(t *testing.T) {
	e := evaluateOne(t, changed(`services.coppice.tellFailures = "/run/secrets/url";`))
	got := e.Services["coppice-failed@"].text()
	for _, want := range []string{"LoadCredential=notify_url:/run/secrets/url\n", "ExecStart=" + program + " failed %i --to %d/notify_url\n", "AF_INET6"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// In the initrd, and to confirm a boot, the units are those of "coppice boot install" too.
func TestSameAtBoot(t *testing.T) {
	e := evaluateOne(t, server)
	files, err := boot.Files(boot.Options{Initrd: boot.Dracut, Program: program, Configs: "/etc/coppice", Root: "UUID=6f1d37d5-8a0b-4f4f-b2b3-7e0a1d4f2a11", ConfirmAfter: "3min"})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		var u unitOptions
		switch filepath.Base(f.Path) {
		case boot.RollbackService:
			u = e.InitrdServices["coppice-boot-rollback"]
		case boot.ConfirmService:
			u = e.Services["coppice-boot-confirm"]
		case boot.ConfirmTimer:
			if f.Mode&os.ModeSymlink != 0 {
				continue
			}
			u = e.Timers["coppice-boot-confirm"]
		default:
			continue
		}
		found++
		compare(t, f.Path, u.text(), strings.ReplaceAll(f.Content, "=/usr/bin/coppice ", "="+program+" "))
	}
	if found != 3 {
		t.Errorf("%d units compared", found)
	}
}

// compare compares units by their settings, in whatever order.
func compare(t *testing.T, name, got, want string) {
	t.Helper()
	a, b := settings(got), settings(want)
	for _, s := range a {
		if !slices.Contains(b, s) {
			t.Errorf("%s: only the module has %s", name, s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			t.Errorf("%s: the module lacks %s", name, s)
		}
	}
}

// lists are settings that are lists of units: each is one by itself.
var lists = []string{"Wants", "After", "Before", "Requires", "Conflicts", "OnFailure", "WantedBy", "ConditionPathExists", "RequiresMountsFor"}

// settings are all settings of a unit, each with its section. The path that NixOS gives a service is left out.
func settings(text string) []string {
	var all []string
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, isSetting := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "["):
			section = line
		case strings.HasPrefix(line, "#") || !isSetting || strings.HasPrefix(line, "Environment=PATH="):
		case slices.Contains(lists, key):
			for _, v := range strings.Fields(value) {
				all = append(all, section+key+"="+v)
			}
		default:
			value = map[string]string{"yes": "true", "no": "false"}[value] + map[bool]string{true: value}[value != "yes" && value != "no"]
			all = append(all, section+key+"="+value)
		}
	}
	return all
}
