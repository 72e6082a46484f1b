package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxSocketDir keeps a socket's path, which go-plugin makes some 45 bytes longer
// than its folder's, under the kernel's 108 bytes (unix(7), sun_path).
const maxSocketDir = 60

// socketPrefix starts the names of our socket folders.
const socketPrefix = "coppice-"

// socketDir is a folder of mode 0700 for the sockets of one host: the boundary
// that keeps others from talking to our plugins.
type socketDir struct {
	path string
	lock *os.File // held while the folder is in use
}

// newSocketDir makes the folder in the first place that will have it, and
// sweeps folders there that killed hosts have left.
func newSocketDir(given string) (*socketDir, error) {
	var places []string
	switch {
	case given != "":
		places = append(places, given)
	case os.Geteuid() == 0:
		places = append(places, "/run")
	}
	if given == "" {
		places = append(places, os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp", "/dev/shm")
	}
	var firstErr error
	for _, place := range places {
		if place == "" || len(place)+len(socketPrefix)+12 > maxSocketDir {
			continue
		}
		path, err := os.MkdirTemp(place, socketPrefix) // mode 0700
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err == nil {
			err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if err != nil {
			os.RemoveAll(path)
			return nil, fmt.Errorf("cannot prepare %s: %w", path, err)
		}
		sweep(place)
		return &socketDir{path: path, lock: lock}, nil
	}
	return nil, fmt.Errorf("no folder for the plugins' sockets (tried %s): %w", strings.Join(places, ", "), firstErr)
}

// sweep removes the folders of hosts that are gone: theirs is the lock that
// nobody holds.
func sweep(place string) {
	found, _ := filepath.Glob(filepath.Join(place, socketPrefix+"*", "lock"))
	for _, name := range found {
		info, err := os.Lstat(filepath.Dir(name))
		if err != nil || !info.IsDir() || !digits(strings.TrimPrefix(info.Name(), socketPrefix)) ||
			time.Since(info.ModTime()) < time.Minute { // a young one may be about to be locked
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
			continue
		}
		lock, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(name))
		}
		lock.Close()
	}
}

func digits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

func (d *socketDir) remove() {
	os.RemoveAll(d.path)
	d.lock.Close()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
