package vmtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

// Build builds a program of this module for a machine: static, for it has no libraries of the host's.
func Build(t T, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	c := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if log, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, log)
	}
	return out
}

// writeInitrd writes the test's own initrd: the agent as its init, the modules, and the payload.
func writeInitrd(path string, b Base, agent string, payload map[string]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := &cpio{to: bufio.NewWriterSize(f, 1<<20)}
	w.dir("modules")
	w.dir(wire.Payload)
	w.file("init", agent)
	w.file(wire.Payload+"/agent", agent)
	modules, err := os.ReadDir(b.Modules)
	if err != nil {
		return err
	}
	for _, m := range modules {
		w.file("modules/"+m.Name(), filepath.Join(b.Modules, m.Name()))
	}
	names := make([]string, 0, len(payload))
	for name := range payload {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w.file(wire.Payload+"/"+name, payload[name])
	}
	w.end()
	if w.err != nil {
		return w.err
	}
	if err := w.to.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// cpio writes an archive as the kernel unpacks it, see buffer-format.rst ("newc") in its documentation. After an error it
// does nothing.
type cpio struct {
	to    *bufio.Writer
	inode int
	err   error
}

func (c *cpio) header(name string, mode uint32, size int64) {
	if c.err != nil {
		return
	}
	c.inode++
	const links = 1
	_, c.err = fmt.Fprintf(c.to, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		c.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	const fixed = 110
	c.pad(int64(fixed + len(name) + 1))
}

// pad fills up to a multiple of four.
func (c *cpio) pad(written int64) {
	for ; c.err == nil && written%4 != 0; written++ {
		c.err = c.to.WriteByte(0)
	}
}

func (c *cpio) dir(name string) { c.header(name, syscall.S_IFDIR|0o755, 0) }

// file adds a file of the host's, which can be executed if it can be there.
func (c *cpio) file(name, from string) {
	if c.err != nil {
		return
	}
	f, err := os.Open(from)
	if err != nil {
		c.err = err
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		c.err = err
		return
	}
	c.header(name, syscall.S_IFREG|uint32(info.Mode().Perm())|0o400, info.Size())
	if c.err == nil {
		_, c.err = io.CopyN(c.to, f, info.Size())
	}
	c.pad(info.Size())
}

func (c *cpio) end() { c.header("TRAILER!!!", 0, 0) }
