package transfer

import (
	"context"
	"errors"
	"net/url"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// target is what the input "to" says.
type target struct {
	kind string // btrfs, files or ssh
	path string // absolute and clean
	user string
	host string
	port string
}

const toAdvice = "write /FOLDER for a folder of a mounted btrfs, file:/FOLDER for files, or ssh://[USER@]HOST[:PORT]/FOLDER"

// parseTarget reads the input "to".
func parseTarget(to string) (target, *sdk.Error) {
	const input = "/to"
	if strings.ContainsRune(to, 0) {
		return target{}, sdk.InvalidInput(input, "%q has a NUL byte in it", to)
	}
	t := target{kind: "btrfs", path: to}
	switch rest, isFile := strings.CutPrefix(to, "file:"); {
	case isFile:
		t.kind, t.path = "files", rest
		if strings.HasPrefix(rest, "///") { // file:///FOLDER
			t.path = rest[2:]
		}
	case strings.HasPrefix(to, "ssh://"):
		return parseSSH(to)
	}
	if !path.IsAbs(t.path) {
		return target{}, volume.Invalid(input, toAdvice, "%q is no target", to)
	}
	t.path = path.Clean(t.path)
	return t, nil
}

func parseSSH(to string) (target, *sdk.Error) {
	bad := func(why string) (target, *sdk.Error) {
		return target{}, volume.Invalid("/to", toAdvice, "%q is no target: %s", to, why)
	}
	u, err := url.Parse(to)
	if err != nil {
		return bad("it is not a URL")
	}
	t := target{kind: "ssh", path: path.Clean(u.Path), host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	_, password := u.User.Password()
	switch {
	case password:
		return bad("a password can't be given; ssh uses keys")
	case u.RawQuery != "" || u.Fragment != "":
		return bad("write ? and # in the folder as %3F and %23")
	case !plainWord(t.host) || t.host == "":
		return bad("the host is not a name or an address")
	case t.user != "" && !plainWord(t.user):
		return bad("the user is not a name")
	case !path.IsAbs(t.path) || t.path == "/":
		return bad("the folder is missing")
	}
	if t.port != "" {
		if n, err := strconv.Atoi(t.port); err != nil || n < 1 || n > 65535 {
			return bad("the port is not a number from 1 to 65535")
		}
	}
	return t, nil
}

// plainWord reports whether ssh can take a text for nothing but a name: ssh_config is full of signs with a meaning.
func plainWord(s string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-:", r))
	})
}

// absentError is a target that is not there: nobody can say what it has.
type absentError struct{ err error }

func (e *absentError) Error() string { return e.err.Error() }
func (e *absentError) Unwrap() error { return e.err }

// opener opens places. A test has one of its own.
type opener struct {
	h   volume.Host
	log func(level, format string, args ...any)
	ssh string // the program, "" to look for it
}

// open opens a target that is not the filesystem source.
func (o opener) open(ctx context.Context, t target, in SendInput, source kernel.UUID) (place, error) {
	switch t.kind {
	case "ssh":
		return openRemote(ctx, o, t, in, source)
	case "files":
		p, err := openFilePlace(o.h, t.path)
		if err != nil {
			return nil, ifAbsent(err)
		}
		if on, err := p.filesystem(); err != nil || on == source {
			return nil, errors.Join(err, sameFilesystem(t.path))
		}
		return p, nil
	}
	p, err := openVolumePlace(ctx, o.h, t.path, o.log)
	if err != nil {
		return nil, ifAbsent(err)
	}
	if p.f.UUID() == source {
		return nil, errors.Join(sameFilesystem(t.path), p.close())
	}
	return p, nil
}

func sameFilesystem(path string) error {
	return volume.Invalid("/to", "is the disk for the backups mounted there?", "%q is on the filesystem that the snapshots are on: a copy there is no backup", path)
}

// ifAbsent makes an error one of an absent target where it says that there is nothing.
func ifAbsent(err error) error {
	explained := volume.Explain("/to", err)
	if errors.Is(err, kernel.ErrNotFound) || errors.Is(err, unix.ENOENT) {
		return &absentError{explained}
	}
	return explained
}
