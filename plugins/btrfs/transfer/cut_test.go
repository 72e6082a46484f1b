package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/layout"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// big gives a source a new file of so many MiB that can't be compressed.
func (p *pair) big(path string, mib int) {
	p.T.Helper()
	data := make([]byte, mib<<20)
	_, _ = rand.Read(data)
	if err := os.WriteFile(p.FS.Path(path), data, 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// midway applies a plan that sends slowly, calls act when some of it has been sent, and returns the result.
func (p *pair) midway(ctx context.Context, in rig.Inputs, act func()) *sdk.Result {
	p.T.Helper()
	slow := p.to(in)
	slow["rate_limit"] = 1 << 20
	q := p.next("send", slow)
	plan := p.Plan(q)
	var once sync.Once
	result, err := p.Plugin.Apply(ctx, q, plan, func(e sdk.Event) {
		if progress, ok := e.(sdk.Progress); ok && progress.Current > 300<<10 {
			once.Do(func() { go act() })
		}
	})
	if err != nil {
		p.T.Fatal(err)
	}
	return result
}

// children are the processes below this one with a word in their command line.
func children(t testing.TB, word string) []int {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	below := map[int]bool{os.Getpid(): true}
	var found []int
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err == nil && below[parent] {
			below[pid] = true
			if strings.Contains(line, word) {
				found = append(found, pid)
			}
		}
	}
	return found
}

// afterCut expects that nothing looks complete that is not, that the next run goes on, and that the one after it has nothing to do.
func (p *pair) afterCut(in rig.Inputs, remnants bool) {
	p.T.Helper()
	if got := contents(p.T, p.other, "to"); len(got) > 0 {
		for path := range got {
			if !strings.Contains(path, tempPrefix) {
				p.T.Errorf("%q looks complete", path)
			}
		}
	}
	if left := leftovers(p.T, p.other); !remnants && len(left) > 0 {
		p.T.Errorf("left over: %q", left)
	}
	if remnants { // the other side takes its time to notice
		for deadline := time.Now().Add(time.Minute); len(children(p.T, "sshd: root@notty")) > 0 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	_, out := p.send(in)
	if len(out.Sent) == 0 {
		p.T.Error("nothing was sent after the cut")
	}
	p.sameContents()
	rig.Same(p.T, "leftovers", leftovers(p.T, p.other), []string{})
	again := p.Plan(p.next("send", p.to(in)))
	rig.Same(p.T, "changes of a second run", rig.Names(again.Changes), []string{})
}

func TestSendIsCutOff(t *testing.T) {
	for _, c := range []struct {
		name string
		ssh  bool
		act  func(p *pair, cancel func())
		want []string
	}{
		{"receiver killed", false, func(p *pair, _ func()) { kill(p.T, "receive --chroot", syscall.SIGKILL) }, []string{"cannot send", "btrfs receive failed"}},
		{"cancelled", false, func(_ *pair, cancel func()) { cancel() }, []string{"stopped on request"}},
		{"cancelled over ssh", true, func(_ *pair, cancel func()) { cancel() }, []string{"stopped on request"}},
		{"ssh killed", true, func(p *pair, _ func()) { kill(p.T, "backup.example", syscall.SIGKILL) }, []string{"cannot send", "the connection to backup.example is lost"}},
		{"connection broken by the server", true, func(p *pair, _ func()) { kill(p.T, "sshd: root@notty", syscall.SIGKILL) }, []string{"cannot send", "the connection to backup.example is lost"}},
		{"receiver killed over ssh", true, func(p *pair, _ func()) { kill(p.T, "receive --chroot", syscall.SIGKILL) }, []string{"cannot send", "backup.example: ", "btrfs receive failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			p.Create("root")
			p.big("root/big", 12)
			p.take("root")
			in := rig.Inputs{}
			if c.ssh {
				s := newSSH(t, p.other.Mount)
				in = rig.Inputs{"to": "ssh://backup.example" + p.other.Path("to"), "ssh_config": s.config}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := p.midway(ctx, in, func() { c.act(p, cancel) })
			rig.Contains(t, rig.Told(result.Diagnostics), c.want...)
			if left := children(t, "receive --chroot"); len(left) > 0 && !c.ssh {
				t.Errorf("processes %v are still there", left)
			}
			p.afterCut(in, c.ssh) // over ssh the other side may still be at it
		})
	}
}

func kill(t testing.TB, word string, s syscall.Signal) {
	found := children(t, word)
	// What is sent may be on its way while the other side is still starting.
	for deadline := time.Now().Add(5 * time.Second); len(found) == 0 && time.Now().Before(deadline); found = children(t, word) {
		time.Sleep(10 * time.Millisecond)
	}
	if len(found) == 0 {
		t.Errorf("there is no process %q", word)
	}
	for _, pid := range found {
		_ = syscall.Kill(pid, s)
	}
}

func TestSendStalls(t *testing.T) {
	for _, ssh := range []bool{false, true} {
		t.Run("ssh "+strconv.FormatBool(ssh), func(t *testing.T) {
			p := newPair(t)
			p.Create("root")
			p.big("root/big", 16)
			p.take("root")
			in := rig.Inputs{"stall_timeout": "5s"}
			if ssh {
				s := newSSH(t, p.other.Mount)
				in["to"], in["ssh_config"] = "ssh://backup.example"+p.other.Path("to"), s.config
			}
			result := p.midway(t.Context(), in, func() { kill(t, "receive --chroot", syscall.SIGSTOP) })
			rig.Contains(t, rig.Told(result.Diagnostics), "nothing has moved for too long: 5s")
			for _, pid := range children(t, "receive --chroot") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			delete(in, "stall_timeout")
			p.afterCut(in, true)
		})
	}
}

func TestTargetIsFull(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	p.big("root/big", 100)
	if err := os.WriteFile(p.other.Path("filler"), make([]byte, 100<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p.take("root")
	q := p.next("send", p.to(nil))
	result := p.Apply(q, p.Plan(q))
	rig.Contains(t, rig.Told(result.Diagnostics), "cannot send", "no space left on device", "free some space")
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
	if got := contents(t, p.other, "to"); len(got) != 1 {
		t.Errorf("the target has %v", got)
	}
	// What the next transfer needs is still held.
	held, err := filepath.Glob(p.FS.Path(".coppice/holds/*"))
	if err != nil || len(held) != 1 {
		t.Errorf("%v %v", held, err)
	}
}

// A disk that has nothing to do with the transfer is free as soon as it is unmounted.
func TestReceiverHasNoOtherMounts(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.big("root/big", 2)
	p.take("root")
	result := p.midway(t.Context(), nil, func() {
		receivers := children(t, "receive --chroot")
		for _, pid := range receivers {
			mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
			if err != nil || strings.Contains(string(mounts), p.FS.Mount) {
				t.Errorf("%v: %s", err, mounts)
			}
		}
		if len(receivers) != 1 {
			t.Errorf("%d receivers", len(receivers))
		}
	})
	if sdk.HasErrors(result.Diagnostics) {
		t.Error(rig.Told(result.Diagnostics))
	}
	p.sameContents()
}

func TestTargetIsUnmountedMeanwhile(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.big("root/big", 12)
	p.take("root")
	result := p.midway(t.Context(), nil, func() {
		if err := unix.Unmount(p.other.Mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	// The transfer has a mount of its own: it goes on to its end.
	if sdk.HasErrors(result.Diagnostics) {
		t.Error(rig.Told(result.Diagnostics))
	}
	if out := bytes.TrimSpace([]byte(p.Exec("mount", "-o", "subvolid=5", p.other.Loop[0], p.other.Mount))); len(out) > 0 {
		t.Log(string(out))
	}
	p.sameContents()
}

// What a transfer that was killed has left is removed by the next one, and by nobody while a hold switch is on. What only has
// such a name, without a record that we gave it, stays for good.
func TestRemnants(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	for _, path := range []string{"to/root", ".coppice/receiving"} {
		if err := os.MkdirAll(p.other.Path(path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.other.Path(".coppice/version"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const stamp = "20261024T060000.000Z"
	ours, foreign := tempPrefix+stamp+"-OURS", tempPrefix+stamp+"-FOREIGN"
	for _, name := range []string{ours, foreign} {
		p.Exec("btrfs", "subvolume", "create", p.other.Path("to/root/"+name))
	}
	write := func(name, text string) {
		if err := os.WriteFile(p.other.Path(".coppice/receiving/"+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ours.json", `{"folder": "to/root", "temp": "`+ours+`", "source": "root", "stamp": "`+stamp+`"}`)
	write("gone.json", `{"folder": "to/root", "temp": "`+tempPrefix+`gone", "source": "root", "stamp": "`+stamp+`"}`)
	write("elsewhere.json", `{"folder": "other/root", "temp": "`+foreign+`"}`)
	write("not-ours.json", `{"folder": "to/root", "temp": "`+stamp+`"}`)
	write("broken.json", `{"folder": "to/`)

	if err := os.WriteFile(p.Host.HoldFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plan := p.Plan(p.next("send", p.to(nil)))
	for _, c := range plan.Changes {
		if c.Kind == sdk.Run {
			t.Errorf("with a hold switch: %s", rig.Show(c))
		}
	}
	rig.Contains(t, rig.Show(plan.Kept), ours, "nothing is deleted: "+p.Host.HoldFile)
	if err := os.Remove(p.Host.HoldFile); err != nil {
		t.Fatal(err)
	}

	plan, _ = p.send(nil)
	if c := plan.Changes[0]; c.Kind != sdk.Run || c.Resource.Name != "to/root/"+ours || c.Resource.ID == "" {
		t.Error(rig.Show(plan.Changes))
	}
	left := leftovers(t, p.other)
	for i, l := range left {
		left[i] = strings.TrimPrefix(l, p.other.Mount+"/")
	}
	rig.Same(t, "leftovers", left, []string{"to/root/" + foreign, ".coppice/receiving/broken.json", ".coppice/receiving/elsewhere.json", ".coppice/receiving/not-ours.json"})
}

// The same for files.
func TestRemnantsOfFiles(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	dir := t.TempDir()
	to := rig.Inputs{"to": "file:" + dir}
	_, out := p.send(to)
	p.take("root")
	const stamp = "20261024T060000.000Z"
	for _, name := range []string{stamp + partialSuffix, stamp + streamSuffix, "notes.btrfs", "notes.btrfs.partial", "x.json"} {
		if err := os.WriteFile(filepath.Join(dir, "root", name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A stream that is shorter than its description says is no copy, and what is made as changes to it neither.
	plan, _ := p.send(to)
	rig.Same(t, "changes", rig.Names(plan.Changes)[:2], []string{"run " + filepath.Join(dir, "root", stamp+streamSuffix), "run " + filepath.Join(dir, "root", stamp+partialSuffix)})
	for _, name := range []string{"notes.btrfs", "notes.btrfs.partial", "x.json"} {
		if _, err := os.Stat(filepath.Join(dir, "root", name)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Truncate(out.Sent[0].Copy, 100); err != nil {
		t.Fatal(err)
	}
	plan = p.Plan(p.next("send", p.to(to)))
	rig.Contains(t, rig.Told(plan.Diagnostics), "was sent to this target before", "full: allow")
	p.Refuses(p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "back"}), "no stream files with their descriptions")
}

// A file that was changed does not become a snapshot.
func TestDamagedFile(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.big("root/big", 1)
	p.take("root")
	dir := t.TempDir()
	_, out := p.send(rig.Inputs{"to": "file:" + dir})
	data, err := os.ReadFile(out.Sent[0].Copy)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(out.Sent[0].Copy, data, 0o600); err != nil {
		t.Fatal(err)
	}
	q := p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "to"})
	result := p.Apply(q, p.Plan(q))
	rig.Contains(t, rig.Told(result.Diagnostics), "cannot receive", "the stream is damaged")
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
	if got := contents(t, p.other, "to"); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// What waits to be sent is not expired meanwhile, and held no longer than that.
func TestWaitingIsHeld(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.big("root/big", 12)
	for range 3 {
		p.take("root")
	}
	prune := p.next("prune", rig.Inputs{"last": 1, "clock": "rtc"})
	if got := len(p.Plan(prune).Changes); got != 2 {
		t.Fatalf("%d would expire before", got)
	}
	meanwhile := make(chan *sdk.Plan, 1)
	result := p.midway(t.Context(), nil, func() { meanwhile <- p.Plan(prune) })
	if sdk.HasErrors(result.Diagnostics) {
		t.Fatalf("%s", rig.Told(result.Diagnostics))
	}
	plan := <-meanwhile
	rig.Same(t, "would expire meanwhile", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Show(plan.Kept), "waits to be sent to "+p.other.Path("to"))
	p.sameContents()
	// The newest is what the next transfer needs, so it does not count as the last one.
	after := p.Plan(prune)
	if len(after.Changes) != 1 || strings.Contains(rig.Show(after.Kept), "waits") {
		t.Errorf("afterwards: %s", rig.Show(after))
	}
}

// What somebody receives into at this moment is not deleted by another run.
func TestDeleteTreeMeanwhile(t *testing.T) {
	p := newPair(t)
	p.Use(p.Host, func(h volume.Host) []sdk.Action { return slices.Concat(actions(h), layout.Actions(h)) })
	p.Create("root")
	p.big("root/big", 12)
	p.take("root")
	told := make(chan error, 1)
	result := p.midway(t.Context(), nil, func() {
		temp, _ := filepath.Glob(p.other.Path("to/root/" + tempPrefix + "*"))
		if len(temp) != 1 {
			t.Errorf("receiving into %q", temp)
			temp = []string{"none"}
		}
		_, err := p.Plugin.Plan(context.Background(), p.next("delete_tree", rig.Inputs{"filesystem": p.other.Mount,
			"subvolumes": []string{"to/root/" + filepath.Base(temp[0])}}))
		told <- err
	})
	if sdk.HasErrors(result.Diagnostics) {
		t.Error(rig.Told(result.Diagnostics))
	}
	if err := <-told; err == nil {
		t.Error("it would be deleted")
	} else {
		rig.Contains(t, err.Error(), "it is being received")
	}
	p.sameContents()
}

// Who is killed while it writes its claim leaves half of one, which the next one removes.
func TestHalfAClaim(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	half := p.other.Path(claimsFolder, kernel.TempPrefix+"HALF")
	if err := os.WriteFile(half, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.take("root")
	p.send(nil)
	if _, err := os.Lstat(half); !os.IsNotExist(err) {
		t.Errorf("half a claim is still there: %v", err)
	}
}
