package vmtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
)

// cpio writes an archive as the kernel unpacks it, see buffer-format.rst ("newc") in its documentation. After an error it
// does nothing.
type cpio struct {
	to    *bufio.Writer
	inode int
	dirs  map[string]bool
	err   error
}

func newCpio(to io.Writer) *cpio {
	return &cpio{to: bufio.NewWriterSize(to, 1<<20), dirs: map[string]bool{".": true}}
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

// dir adds a folder, and those that it is in.
func (c *cpio) dir(name string) {
	if c.dirs[name] {
		return
	}
	c.dir(path.Dir(name))
	c.dirs[name] = true
	c.header(name, syscall.S_IFDIR|0o755, 0)
}

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
	c.dir(path.Dir(name))
	c.header(name, syscall.S_IFREG|uint32(info.Mode().Perm())|0o400, info.Size())
	if c.err == nil {
		_, c.err = io.CopyN(c.to, f, info.Size())
	}
	c.pad(info.Size())
}

// text adds a file, or a symbolic link, by its content.
func (c *cpio) text(name string, mode uint32, content string) {
	c.dir(path.Dir(name))
	c.header(name, mode, int64(len(content)))
	if c.err == nil {
		_, c.err = c.to.WriteString(content)
	}
	c.pad(int64(len(content)))
}

// end ends the archive, and returns the first error.
func (c *cpio) end() error {
	c.header("TRAILER!!!", 0, 0)
	if c.err != nil {
		return c.err
	}
	return c.to.Flush()
}
