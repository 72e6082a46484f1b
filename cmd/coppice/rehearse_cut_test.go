package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestCutPowerIsKilled: whatever process of a rehearsal with power cuts is killed, the one that serves its disks too,
// everything ends, and nothing is left.
func TestCutPowerIsKilled(t *testing.T) {
	needBtrfs(t)
	seed := uint64(number("COPPICE_TEST_SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	mark := "COPPICE_TEST_KILLED=cut" + strconv.FormatUint(seed, 36)
	for n := range 10 {
		c := &exec.Cmd{Path: plain, Args: []string{"coppice", "rehearse", "snapshot-rotation", "--cut-power"}, Env: append(os.Environ(), mark, "TMPDIR="+dir)}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		all := processesWith(t, mark)
		if len(all) > 0 {
			victim := all[random.IntN(len(all))]
			_ = syscall.Kill(victim, syscall.SIGKILL) // it may have ended
			if n%2 == 0 {                             // a plugin that dies is one failed state; the command goes on
				_ = c.Process.Kill()
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = c.Process.Kill()
			<-ended
		}
		left := ""
		for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if left = leftovers(t, mark, dir); left == "" {
				break
			}
		}
		if left != "" {
			t.Fatalf("round %d: %s", n, left)
		}
	}
}
