package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/hbohlen/coppice/runner/host/trust"
)

// Prefix begins the file name of a foreign plugin; the plugin's name follows.
const Prefix = "coppice-plugin-"

var foreignName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]*$`) })

// Pin is what a lock says of a plugin.
type Pin struct {
	Version string
	SHA256  string // of the executable, hex digits
}

// Foreign finds the plugins in folders, sorted by name; the first folder that has one wins. Files whose names do not begin
// with Prefix are none. A folder that does not exist has none. Nothing is executed.
//
// A plugin is opened, and refused, when it is started: see trust.Open for the owners. Where pins is not nil a plugin must
// be in it, and be just that file.
func Foreign(dirs []string, owners []int, pins map[string]Pin) ([]Source, error) {
	seen := map[string]bool{}
	var sources []Source
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look for plugins: %w", err)
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), Prefix)
			if !ok || seen[name] || !foreignName().MatchString(name) {
				continue
			}
			seen[name] = true
			file := filepath.Join(dir, e.Name())
			sources = append(sources, Source{Name: name, Path: file, Args: []string{e.Name()}, Pins: pins,
				Open: func() (*os.File, error) { return openForeign(name, file, dir, owners, pins) }})
		}
	}
	sort.Slice(sources, func(i, j int) bool { return sources[i].Name < sources[j].Name })
	return sources, nil
}

// RefusedError says why a plugin that is there is not started.
type RefusedError struct {
	Plugin string
	Path   string
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("plugin %s is refused: %v", e.Plugin, e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// openForeign opens the executable that is then run through the open file: what was checked is what runs.
func openForeign(name, file, dir string, owners []int, pins map[string]Pin) (*os.File, error) {
	refuse := func(err error) (*os.File, error) { return nil, &RefusedError{name, file, err} }
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return refuse(err)
	}
	// /nix/store is where NixOS keeps what such folders link to; nobody can change what is in it.
	home, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return refuse(err)
	}
	if filepath.Dir(real) != home && !strings.HasPrefix(real, "/nix/store/") {
		return refuse(fmt.Errorf("%s is a link out of its folder, to %s", file, real))
	}
	f, err := trust.Open(file, owners...)
	if err != nil {
		return refuse(err)
	}
	if info, err := f.Stat(); err != nil || info.Mode()&0o111 == 0 {
		f.Close()
		return refuse(errors.Join(err, fmt.Errorf("%s is not executable", file)))
	}
	if pins == nil {
		return f, nil
	}
	pin, ok := pins[name]
	if !ok {
		f.Close()
		return refuse(fmt.Errorf("the lock file does not have it"))
	}
	sum, err := Sum(f)
	if err == nil && sum != pin.SHA256 {
		err = fmt.Errorf("%s is not the file of the lock: its SHA-256 is %s, not %s", file, sum, pin.SHA256)
	}
	if err != nil {
		f.Close()
		return refuse(err)
	}
	return f, nil
}

// Sum is the SHA-256 of an open file as hex digits.
func Sum(f *os.File) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
