package sysctl

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

// tree is the folder of all parameters, /proc/sys.
type tree string

// setting is a parameter as it was found.
type setting struct {
	value    string // canonical
	mode     uint32
	missing  *sdk.Error // it is not there, or is no parameter
	unread   *sdk.Error // it can't be read
	readOnly *sdk.Error // it can't be set; looked at only where it shall be set
}

// parent opens the folder that a parameter is in, one part after the other so that no link is followed, and says how far it came.
func (t tree) parent(path string) (fd int, name, missing string, err error) {
	fd, err = unix.Open(string(t), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", "", fmt.Errorf("cannot open %s: %w", t, err)
	}
	parts := strings.Split(path, "/")
	for i, part := range parts[:len(parts)-1] {
		next, err := unix.Openat(fd, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
				return fd, part, strings.Join(parts[:i], "/"), unix.ENOENT
			}
			unix.Close(fd)
			return -1, "", "", err
		}
		unix.Close(fd)
		fd = next
	}
	return fd, parts[len(parts)-1], strings.Join(parts[:len(parts)-1], "/"), nil
}

// open opens a parameter, and nothing else: no folder, no link, nothing that is mounted there and is no parameter.
func (t tree) open(path string, flags int) (fd int, mode uint32, err error) {
	dir, name, _, err := t.parent(path)
	if dir >= 0 {
		defer unix.Close(dir)
	}
	if err != nil {
		return -1, 0, err
	}
	// Looked at before it is opened: to open a device or a pipe can do something.
	look, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0, err
	}
	defer unix.Close(look)
	var stat unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(look, &stat), unix.Fstatfs(look, &fs)); err != nil {
		return -1, 0, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || fs.Type != unix.PROC_SUPER_MAGIC {
		return -1, 0, errNoParameter
	}
	fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, stat.Mode, err
	}
	var again unix.Stat_t
	if err := unix.Fstat(fd, &again); err != nil || again.Ino != stat.Ino || again.Dev != stat.Dev {
		unix.Close(fd)
		return -1, 0, errNoParameter
	}
	return fd, stat.Mode, nil
}

var errNoParameter = errors.New("it is no parameter of the kernel")

// read is the value of a parameter, canonical.
func (t tree) read(path string) (value string, mode uint32, err error) {
	fd, mode, err := t.open(path, unix.O_RDONLY)
	if err != nil {
		return "", mode, err
	}
	defer unix.Close(fd)
	var text []byte
	for buffer := make([]byte, 64<<10); len(text) < 1<<20; {
		n, err := unix.Read(fd, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", mode, err
		}
		if n == 0 {
			break
		}
		text = append(text, buffer[:n]...)
	}
	return canonical(string(text)), mode, nil
}

// write sets a parameter, by one system call: the kernel takes a value as a whole or not at all.
func (t tree) write(path, value string) error {
	fd, _, err := t.open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(value+"\n"))
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Write(fd, []byte(value+"\n"))
	}
	return err
}

// look reads a parameter. at is where it stands in the inputs.
func (t tree) look(k key, at string) setting {
	value, mode, err := t.read(k.path)
	s := setting{value: value, mode: mode}
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOENT):
		s.missing = t.missing(k, at)
	case errors.Is(err, errNoParameter):
		s.missing = sdk.InvalidInput(at, "%q is no parameter of the kernel but a folder, a link, or something that is mounted there", k.name())
	case mode&unix.S_IFMT == unix.S_IFREG && mode&0o444 == 0:
		s.unread = sdk.InvalidInput(at, "%q has no value: writing to it does something once", k.name())
		s.unread.Advice = "what is to be done each time belongs into a command, not among values that stay"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		s.unread = &sdk.Error{Reason: sdk.NotPermitted, Path: at, Summary: fmt.Sprintf("cannot read %q", k.name()), Advice: "run as root", Err: err}
	case errors.Is(err, unix.EIO):
		s.unread = &sdk.Error{Path: at, Summary: fmt.Sprintf("the kernel tells no value of %q before one is set", k.name())}
	default:
		s.unread = &sdk.Error{Path: at, Summary: fmt.Sprintf("cannot read %q", k.name()), Err: err}
	}
	return s
}

// settable says why a parameter can't be set; nil: it can, as far as that can be told without setting it.
func (t tree) settable(k key, at string) *sdk.Error {
	fd, mode, err := t.open(k.path, unix.O_WRONLY)
	if err == nil {
		unix.Close(fd) // opening alone does nothing
		return nil
	}
	switch {
	case mode&unix.S_IFMT == unix.S_IFREG && mode&0o222 == 0:
		return sdk.InvalidInput(at, "%q can only be read: the kernel lets nobody set it", k.name())
	case errors.Is(err, unix.EROFS):
		return &sdk.Error{Reason: sdk.NotPermitted, Path: at, Summary: fmt.Sprintf("%q can't be set here: %s is mounted read-only, as in a container", k.name(), t),
			Advice: "run the playbook on the machine itself, or let the container's runtime set it"}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		advice := "run as root"
		if os.Geteuid() == 0 {
			advice = "root of a container may set only what belongs to the container: run the playbook on the machine itself"
		}
		return &sdk.Error{Reason: sdk.NotPermitted, Path: at, Summary: fmt.Sprintf("%q can't be set: permission denied", k.name()), Advice: advice}
	}
	return &sdk.Error{Path: at, Summary: fmt.Sprintf("%q can't be set", k.name()), Err: err}
}

// missing says that a parameter is not there, and which somebody may have meant.
func (t tree) missing(k key, at string) *sdk.Error {
	e := sdk.InvalidInput(at, "the kernel has no %q", k.name())
	dir, name, below, err := t.parent(k.path)
	if dir < 0 {
		e.Err = err
		return e
	}
	defer unix.Close(dir)
	if isPattern(k.path) {
		e.Summary = fmt.Sprintf("%q is a pattern, which is not taken: give each key by its name", k.name())
		if all := t.glob(k.path); len(all) > 0 {
			names := make([]string, 0, len(all))
			for _, path := range all {
				names = append(names, nameOf(path))
			}
			e.Advice = "it means now: " + strings.Join(names, ", ")
		}
		return e
	}
	near := t.near(k.path, below, name)
	switch module := moduleOf(k.path); {
	case len(near) > 0:
		e.Advice = "did you mean " + strings.Join(near, ", ") + "?"
	case module != "":
		e.Advice = fmt.Sprintf("it is there only while the module %s is loaded: modprobe %s", module, module)
	case below != "":
		e.Advice = fmt.Sprintf("there is no %q in %s", name, nameOf(below))
	}
	return e
}

// near are up to three keys that somebody may have meant by a path that ends to be right behind below.
func (t tree) near(path, below, name string) []string {
	behind := strings.TrimPrefix(path, strings.TrimPrefix(below+"/"+name, "/"))
	var near []string
	for _, n := range closest(name, t.names(below)) {
		meant := strings.TrimPrefix(below+"/"+n, "/") + behind
		if _, _, err := t.read(meant); err == nil && len(near) < 3 {
			near = append(near, nameOf(meant))
		}
	}
	return near
}

// names lists a folder of parameters, sorted.
func (t tree) names(path string) []string {
	fd, name, _, err := t.parent(strings.TrimPrefix(path+"/x", "/"))
	if fd >= 0 {
		defer unix.Close(fd)
	}
	if err != nil || name != "x" {
		return nil
	}
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(dir), path)
	defer f.Close()
	names, _ := f.Readdirnames(-1) // only for advice and for what the kernel spreads to
	slices.Sort(names)
	return names
}

// glob are the parameters that match a pattern in which * is any part or piece of one, sorted.
func (t tree) glob(pattern string) []string {
	at := []string{""}
	for _, part := range strings.Split(pattern, "/") {
		var next []string
		for _, below := range at {
			if !isPattern(part) {
				next = append(next, strings.TrimPrefix(below+"/"+part, "/"))
				continue
			}
			for _, name := range t.names(below) {
				if piece(part, name) {
					next = append(next, strings.TrimPrefix(below+"/"+name, "/"))
				}
			}
		}
		at = next
	}
	return slices.DeleteFunc(at, func(path string) bool {
		_, _, err := t.read(path)
		return err != nil
	})
}

// piece matches a name with a pattern of * alone.
func piece(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if !ok || i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}
