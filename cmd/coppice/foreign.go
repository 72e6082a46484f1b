package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/host/trust"
)

// pluginDirs are the folders in which foreign plugins are looked for. COPPICE_PLUGIN_DIR, with colons, is instead of them.
func pluginDirs() []string {
	if dirs := os.Getenv("COPPICE_PLUGIN_DIR"); dirs != "" {
		return filepath.SplitList(dirs)
	}
	dirs := []string{"/usr/local/lib/coppice/plugins", "/usr/lib/coppice/plugins"}
	if home, err := os.UserHomeDir(); err == nil && os.Geteuid() != 0 {
		dirs = append([]string{filepath.Join(home, ".local/lib/coppice/plugins")}, dirs...)
	}
	return dirs
}

// owners are those whose files this process executes and obeys: whoever runs it, and whoever became root with sudo or doas.
func owners() []int {
	all := []int{os.Geteuid()}
	if os.Geteuid() == 0 {
		if uid, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && uid >= 0 {
			all = append(all, uid)
		}
	}
	return all
}

// lockFile pins foreign plugins, where it exists.
func (a *app) lockFile() string { return filepath.Join(a.configs, "plugins.lock") }

// pins reads the lock file; nil: there is none, and any plugin of a trusted file goes.
func (a *app) pins() (map[string]host.Pin, error) {
	data, err := readBounded(a.lockFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the lock file of plugins: %w", err)
	}
	pins, err := host.ParsePins(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.lockFile(), err)
	}
	return pins, nil
}

// foreign are the plugins that are not built in. When the folders or the lock file can't be read there are none: a plugin is
// never started for want of a rule against it.
func (a *app) foreign() ([]host.Source, error) {
	pins, err := a.pins()
	if err != nil {
		return nil, err
	}
	// Not those of the one who called sudo: a plugin is root's own.
	return host.Foreign(pluginDirs(), []int{os.Geteuid()}, pins)
}

// openTrusted opens what tells coppice what to do. As root that must not be writable by others.
func openTrusted(file string) (*os.File, error) {
	if os.Geteuid() != 0 || isStream(file) {
		// A named pipe that nobody writes to must not stop us here.
		return os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	return trust.Open(file, owners()...)
}

// unreadable is the exit for a file that can't be read, or must not be obeyed.
func unreadable(what string, err error) error {
	failure := exitError{code: exitInvalid, err: fmt.Errorf("cannot read %s: %w", what, err)}
	var refused *trust.Error
	if errors.As(err, &refused) {
		failure.advice = fmt.Sprintf("as root, coppice obeys only files that nobody else can change: chown root %[1]s; chmod go-w %[1]s", refused.Place)
	}
	return failure
}

// isStream reports whether a path is one of this process's own streams, which whoever started it has opened.
func isStream(file string) bool {
	return strings.HasPrefix(file, "/dev/fd/") || strings.HasPrefix(file, "/proc/self/fd/") || file == "/dev/stdin"
}
