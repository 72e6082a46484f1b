// Package program is what the plugins that run commands share: where a program is, and how a command is shown. It starts
// nothing.
//
// A Command is a program and its arguments. No shell looks at it.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk"
)

// Folders are where a program without a slash is looked for: those of systemd itself, see systemd.exec(5). The environment
// has no say in it.
var Folders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/run/current-system/sw/bin"}

// Find is the path of a program that can be executed.
func Find(name string) (string, error) {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, dir := range Folders {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	} else if !filepath.IsAbs(name) {
		return "", fmt.Errorf("%q is neither an absolute path nor a name without a slash", name)
	}
	for _, file := range candidates {
		switch _, err := exec.LookPath(file); {
		case err == nil:
			return file, nil
		case errors.Is(err, os.ErrPermission):
			return "", fmt.Errorf("%q can't be executed: it is no program, or may not be", file)
		}
	}
	if len(candidates) > 1 {
		return "", fmt.Errorf("there is no program %q in %s", name, strings.Join(Folders, ", "))
	}
	return "", fmt.Errorf("there is no program %q", name)
}

// NoShell is advice for a command that can't be run.
const NoShell = "no shell looks at a command: to use one, write [sh, -c, …]"

// Check says what is wrong with the arguments of a command and the variables of its environment; the paths are those of the
// inputs.
func Check(commandPath string, command []string, environmentPath string, environment map[string]string) error {
	for i, arg := range command {
		if !isText(arg) {
			return sdk.InvalidInput(fmt.Sprintf("%s/%d", commandPath, i), "an argument is UTF-8 text without zero bytes")
		}
	}
	for name, value := range environment {
		if !isVariable(name) {
			return sdk.InvalidInput(environmentPath, "%q is no name of a variable: letters, digits and _, no digit first", name)
		}
		if !isText(value) {
			return sdk.InvalidInput(environmentPath, "the value of %s is not UTF-8 text without zero bytes", name)
		}
	}
	return nil
}

func isText(s string) bool { return !strings.ContainsRune(s, 0) && utf8.ValidString(s) }

// isVariable reports whether it can be the name of a variable: what systemd takes as one.
func isVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// CheckCodes says what is wrong with a list of exit codes at a path of the inputs.
func CheckCodes(path string, codes []int64) error {
	for i, code := range codes {
		if code < 0 || code > 255 {
			return sdk.InvalidInput(fmt.Sprintf("%s/%d", path, i), "%d is no exit code: they are 0 to 255", code)
		}
	}
	return nil
}

// Shown is a command for people: what a shell would need quoted is.
func Shown(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return strings.ContainsRune(" \t\n'\"\\$`;&|<>()*?[]#~!{}", r) }) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
