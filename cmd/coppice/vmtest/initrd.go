package vmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

const agentPackage = "github.com/hbohlen/coppice/cmd/coppice/vmtest/agent"

// programs are those that Build has built, by package: linking one takes longer than writing it.
var programs struct {
	sync.Mutex
	built map[string][]byte
}

// Build builds a program of this module for a machine: static, for it has no libraries of the host's. The file is gone with the test.
func Build(t T, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	programs.Lock()
	defer programs.Unlock()
	if data, done := programs.built[pkg]; done {
		if err := os.WriteFile(out, data, 0o755); err != nil {
			t.Fatalf("cannot write %s: %v", pkg, err)
		}
		return out
	}
	c := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if log, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, log)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("cannot read %s: %v", pkg, err)
	}
	if programs.built == nil {
		programs.built = map[string][]byte{}
	}
	programs.built[pkg] = data
	return out
}

// writeInitrd writes the test's own initrd: the agent as its init, the modules, and the payload.
func writeInitrd(path string, b Base, agent string, payload map[string]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := newCpio(f)
	w.dir("modules")
	w.file("init", agent)
	modules, err := os.ReadDir(b.Modules)
	if err != nil {
		return err
	}
	for _, m := range modules {
		w.file("modules/"+m.Name(), filepath.Join(b.Modules, m.Name()))
	}
	w.payload(agent, payload)
	if err := w.end(); err != nil {
		return err
	}
	return f.Close()
}

// payload adds the agent, and files of the test's.
func (c *cpio) payload(agent string, files map[string]string) {
	c.dir(wire.Payload)
	c.file(wire.Payload+"/agent", agent)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c.file(wire.Payload+"/"+name, files[name])
	}
}
