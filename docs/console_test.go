package docs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/docs/page"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestTranscripts executes every console block, the blocks of one document in
// one shell. A document that differs is executed once more: on a busy machine a
// group of snapshots can miss its one transaction five times, and says so.
func TestTranscripts(t *testing.T) {
	for _, d := range documents(t) {
		blocks := d.blocks(t)
		if !slices.ContainsFunc(blocks, func(b page.Block) bool { return b.Language == "console" }) {
			continue
		}
		t.Run(strings.TrimPrefix(d.File, "../"), func(t *testing.T) {
			t.Parallel()
			e := d.execute(t, blocks)
			if len(e.differences) > 0 {
				t.Logf("once more: %s", strings.Join(e.differences, "\n"))
				e = d.execute(t, blocks)
			}
			// All of a document or nothing: its times stay those of one session.
			if *update && len(e.differences) > 0 {
				d.Lines = e.rewritten
				d.write(t)
				e.differences = nil
			}
			for _, difference := range append(e.differences, e.failures...) {
				t.Error(difference)
			}
		})
	}
}

// execution is what came of a document.
type execution struct {
	differences []string
	failures    []string // that no update can mend
	rewritten   []string // the document with what was printed
}

func (d *document) execute(t *testing.T, blocks []page.Block) (e execution) {
	t.Helper()
	s := open(t, d)
	defer s.close()
	at := 0
	for _, b := range blocks {
		if name := b.Option("file"); (b.Language == "yaml" || b.Language == "ini") && name != "" {
			s.save(name, d.Text(b))
		}
		if b.Language != "console" {
			continue
		}
		e.rewritten = append(e.rewritten, d.Lines[at:b.Start+1]...)
		commands, err := d.Commands(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			got, code := s.run(c.Text)
			printed, ok := match(c.Output, got)
			if !ok {
				e.differences = append(e.differences, fmt.Sprintf("%s:%d: %s\nexpected:\n%s\nprinted:\n%s", d.File, c.Line+1, c.Text,
					strings.Join(c.Output, "\n"), strings.Join(got, "\n")))
				printed = got
			}
			if code != 0 && !c.Asked {
				e.failures = append(e.failures, fmt.Sprintf("%s:%d: %s: exit code %d, and the next command is not \"echo $?\"\n%s",
					d.File, c.Line+1, c.Text, code, strings.Join(got, "\n")))
			}
			e.rewritten = append(e.rewritten, c.Source...)
			e.rewritten = append(e.rewritten, printed...)
			e.rewritten = append(e.rewritten, c.Blank...)
		}
		at = b.End
	}
	e.rewritten = append(e.rewritten, d.Lines[at:]...)
	return e
}

const anything = "..."

// match compares an expected output, in which "..." stands for any lines, with a
// real one, and returns the real one with the same lines left out.
func match(expected, got []string) (printed []string, ok bool) {
	if len(expected) == 0 {
		return nil, len(got) == 0
	}
	if expected[0] == anything {
		for skip := 0; skip <= len(got); skip++ {
			if rest, ok := match(expected[1:], got[skip:]); ok {
				return append([]string{anything}, rest...), true
			}
		}
		return nil, false
	}
	if len(got) == 0 || normal(expected[0]) != normal(got[0]) {
		return nil, false
	}
	rest, ok := match(expected[1:], got[1:])
	return append([]string{got[0]}, rest...), ok
}

// differing are what changes from one run to the next, and what stands for it.
var differing = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`^(  [a-z]+) [·■□▣○✗!/> ]+$`), "$1 DAYS"},
	{regexp.MustCompile(`^(  [a-z]+) [▁-█ ]+`), "$1 BARS "},
	{regexp.MustCompile(`^ +╵.*`), "AXIS"},
	{regexp.MustCompile(`[\d.]+[KMGT]?i?B raw [\d.]+[KMGT]?i?B are used`), "SIZE raw SIZE are used"},
	{regexp.MustCompile(`\b\d{8}T\d{6}\.\d{3}Z\b`), "STAMP"},
	{regexp.MustCompile(`\b\d{8}T\d{6}Z-[0-9a-f]{6}\b`), "RUN"},
	{regexp.MustCompile(`\b\d{8}T\d{6}Z-[0-9a-f]{8}\b`), "BOOT"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b((daily|weekly|monthly|quarterly|yearly|hourly) \d{4}[-\dWT]*(; )?)+`), "BUCKETS"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{8}  `), "UUID  "},
	{regexp.MustCompile(`[\d.]+ % (\([\d.]+[KMG]?i?B\) is free|of btrfs UUID is free)`), "SHARE is free"},
	{regexp.MustCompile(`\((just now|\d+ (minute|hour|day)s? (ago|from now))\) *`), "(AGE) "},
	{regexp.MustCompile(`\b\d+\.\d\ds\b`), "DURATION"},
	{regexp.MustCompile(`, \d+s$`), ", DURATION"},
	{regexp.MustCompile(`"duration_ns":\s*\d+`), "DURATION"},
	{regexp.MustCompile(`"seq":\d\d+`), `"seq":N`}, // an attempt more is an event more
	{regexp.MustCompile(`\(\d+[dhms]( \d+[hms])*( old)?\)`), "(AGE)"},
	{regexp.MustCompile(`\btransaction \(\d+\)(, at attempt \d+)?`), "transaction (N)"},
	{regexp.MustCompile(`\b[\d.]+[KMG]?i?B free \(\d+ %\)`), "SIZE free"},
	{regexp.MustCompile(`\b[\d.]+[KMGT]?i?B (checked in [\d.hms]+|discarded|reclaimed|unallocated|freed)`), "SIZE $1"},
	{regexp.MustCompile(`\bchecked in [\d.hms]+`), "checked in DURATION"},
	{regexp.MustCompile(`\b\d+ chunks? relocated`), "N chunks relocated"},
	{regexp.MustCompile(`\babout [\d.]+[KMGT]?i?B`), "about SIZE"},
	{regexp.MustCompile(`\b(ID|gen|top level|process|cgen)\b \d+`), "$1 N"},
	{regexp.MustCompile(`/tmp/[\w.-]+`), "TEMPORARY"},
	{regexp.MustCompile(`/dev/loop\d+`), "LOOP"},
	{regexp.MustCompile(`coppice (v?\d+\.\d+\.\d+\S*)`), "coppice VERSION"},
	{regexp.MustCompile(`\bgo1\.\d+\S*`), "GO"},
}

// heading is the first line of a table, whose columns are as wide as what stands below.
var heading = regexp.MustCompile(`^ *[A-Z]+( +[A-Z]+)*$`)

func normal(line string) string {
	line = strings.TrimRight(line, " ")
	if heading.MatchString(line) {
		line = strings.Join(strings.Fields(line), " ")
	}
	for _, d := range differing {
		line = d.pattern.ReplaceAllString(line, d.by)
	}
	return line
}

// session is a shell in a mount namespace of its own.
type session struct {
	t      *testing.T
	dir    string // seen by both sides
	stop   context.CancelFunc
	shell  *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	number int
}

// scene is run in the new namespace, before the first command: nothing but what
// is private to it can be written.
//
// First of all it lets go of the throw-away filesystems of other tests, which the
// namespace has inherited: whoever unmounts one of them wants it to be free then.
const scene = `set -eu
findmnt -rno TARGET -t btrfs | grep /coppice-loopfs- | grep -vxF "$FS" | while IFS= read -r other; do
	umount -l "$(printf %b "$other")" 2>/dev/null || true
done
disks=$(findmnt -rno TARGET | grep -vE '^/(proc|sys|dev|run|tmp|var/tmp|mnt|root|etc)(/|$)' | grep -vxF "$FS")
scratch=/mnt/.docs
mount -t tmpfs -o mode=755 docs /mnt
mkdir $scratch $scratch/etc $scratch/bin $scratch/session
if [ -n "$FS" ]; then
	mkdir /mnt/server
	mount --bind "$FS" /mnt/server
	umount "$FS"
fi
cp -a /etc/. $scratch/etc
rm -rf $scratch/etc/coppice
mount --bind $scratch/etc /etc
cp "$COPPICE" $scratch/bin/coppice
mount --bind $scratch/bin /usr/local/bin
mount --bind "$SESSION" $scratch/session
mkdir -p "$SESSION/home"
mount --bind "$SESSION/home" /root
for dir in /tmp /var/tmp; do mount -t tmpfs -o mode=700 docs $dir; done
mkdir /tmp/session
mount --move $scratch/session /tmp/session
for dir in /run /var/lib; do mount -t tmpfs -o mode=755 docs $dir; done # locks and records of runs
for disk in $disks; do mount -o remount,bind,ro $disk 2>/dev/null || [ $disk != / ]; done
set +eu
unset disks disk scratch dir FS COPPICE SESSION COPPICE_CONFIG_DIR COPPICE_REQUIRE COPPICE_KEEP
export HOME=/root PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC
cd /root
`

var opening sync.Mutex

const marker = "=== end of command"

func open(t *testing.T, d *document) *session {
	t.Helper()
	need.Root(t)
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		need.Missing(t, "btrfs", "transcripts need btrfs-progs")
	}
	coppice, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// One at a time: a new namespace inherits the mounts of the others.
	opening.Lock()
	defer opening.Unlock()
	mount := ""
	if strings.Contains(strings.Join(d.Lines, "\n"), "/mnt/server") {
		mount = server(t)
	} else {
		loopfs.ForTest(t, loopfs.Options{Size: 256 << 20}) // skips where the kernel can't
	}

	s := &session{t: t, dir: t.TempDir()}
	ctx, stop := context.WithTimeout(context.Background(), 15*time.Minute)
	s.stop = stop
	// slave: what is unmounted outside vanishes inside too, and nothing gets out.
	s.shell = exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "slave", "bash", "--norc", "--noprofile")
	s.shell.Env = append(os.Environ(), "FS="+mount, "COPPICE="+coppice, "SESSION="+s.dir)
	s.shell.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.shell.WaitDelay = 5 * time.Second
	// One pipe for both streams: their order is that of a terminal.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.shell.Stdout, s.shell.Stderr = write, write
	if s.in, err = s.shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.shell.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { read.Close() })
	s.out = bufio.NewReader(read)
	if err := os.WriteFile(filepath.Join(s.dir, "scene"), []byte(scene), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := s.source(filepath.Join(s.dir, "scene")); code != 0 || len(out) > 0 {
		t.Fatalf("cannot set the scene: exit code %d\n%s", code, strings.Join(out, "\n"))
	}
	return s
}

// server makes a throw-away filesystem with the server layout and a history, and
// returns where it is mounted. Setting the ages of its snapshots needs it
// unmounted for a moment, and fails when somebody else still holds it then.
func server(t *testing.T) string {
	t.Helper()
	var failed error
	for range 3 {
		fs := loopfs.ForTest(t, loopfs.Options{Size: 1 << 30, MkfsArgs: []string{"-L", "server"}})
		// The last one is six hours old, so that the next one is due, and the oldest a little over 30 days.
		instants := history.Every(6*time.Hour, 30*4, time.Now().Add(-10*time.Minute))
		failed = errors.Join(history.Create(t.Context(), fs, history.Layout),
			history.Take(t.Context(), fs, []string{"root", "persist", "services", "caddy"}, instants))
		if failed == nil {
			return fs.Mount
		}
		t.Logf("once more: %v", failed)
	}
	t.Fatal(failed)
	return ""
}

// run executes a command and returns the lines that it printed.
func (s *session) run(text string) ([]string, int) {
	s.t.Helper()
	s.number++
	name := fmt.Sprintf("command-%d", s.number)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.source("/tmp/session/" + name)
}

// source lets the shell read a file. The command in it finds $? as the one before
// left it.
func (s *session) source(file string) ([]string, int) {
	s.t.Helper()
	_, err := fmt.Fprintf(s.in, "(exit ${status:-0}); . %s </dev/null; status=$?; echo; echo '%s' $status\n", file, marker)
	if err != nil {
		s.t.Fatalf("the shell has ended: %v", err)
	}
	var lines []string
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the shell has ended in %s: %v\n%s", file, err, strings.Join(lines, "\n"))
		}
		line = strings.TrimRight(line, " \n")
		if rest, ok := strings.CutPrefix(line, marker+" "); ok {
			code, err := strconv.Atoi(rest)
			if err != nil {
				s.t.Fatal(err)
			}
			return trimmed(lines), code
		}
		lines = append(lines, line)
	}
}

// trimmed is lines without empty ones at either end.
func trimmed(lines []string) []string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	return lines
}

// save writes a file into the folder in which commands run.
func (s *session) save(name, text string) {
	s.t.Helper()
	if filepath.Base(name) != name {
		s.t.Fatalf("file=%s: a name without folders is needed", name)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if out, code := s.run("cp /tmp/session/" + name + " ."); code != 0 {
		s.t.Fatal(out)
	}
}

func (s *session) close() {
	s.in.Close()
	_ = s.shell.Wait() // the exit code of the last command
	s.stop()
}
