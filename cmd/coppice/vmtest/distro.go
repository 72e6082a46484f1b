package vmtest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

//go:embed initrd.sh
var initrdScript string

//go:embed initrd-systemd.sh
var systemdScript string

// Kind is what makes an initrd.
type Kind string

// The kinds. Systemd has systemd as its process 1, and nothing of a distribution's: as NixOS' initrd is. Dracut's has systemd too, and
// initramfs-tools' has a shell script.
const (
	Systemd        Kind = "systemd"
	Dracut         Kind = "dracut"
	InitramfsTools Kind = "initramfs-tools"
)

// File is a file that comes into an initrd, or into the tree that one is built from. One of From, Link and Content says what it is.
type File struct {
	Path       string // absolute
	From       string // a file of the host's, with its mode
	Link       string // a symbolic link to this
	Content    string
	Executable bool // of Content
}

// stageScript is what an initramfs-tools initrd does before it leaves.
const stageScript = "#!/bin/sh\n[ \"$1\" != prereqs ] || exit 0\n/" + wire.Payload + "/agent stage\n"

// patientConfig makes systemd wait for what an emulated machine does slowly.
const patientConfig = "[Manager]\nDefaultTimeoutStartSec=10min\nDefaultDeviceTimeoutSec=10min\n"

// units are the agent's in an initrd with systemd.
var units = map[string]string{
	"stage": `[Unit]
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/` + wire.Payload + `/agent stage
`,
	"initrd": `[Unit]
DefaultDependencies=no
ConditionKernelCommandLine=|` + wire.Hold + `
ConditionKernelCommandLine=|` + wire.Stay + `
After=systemd-modules-load.service
Conflicts=initrd-switch-root.target shutdown.target
Before=initrd-switch-root.target initrd-cleanup.service shutdown.target

[Service]
ExecStart=/` + wire.Payload + `/agent
TimeoutStopSec=1s
`,
	"stay": `[Unit]
DefaultDependencies=no
ConditionKernelCommandLine=` + wire.Stay + `
After=local-fs-pre.target coppice-boot-rollback.service
Before=sysroot.mount

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/` + wire.Payload + `/agent await ` + wire.On + `
`,
}

// GetInitrd builds an initrd as the distribution does whose base is b, from its tree with these files in it. One of Kind Systemd takes nothing of
// the files, and is built once, and kept in the cache.
func GetInitrd(t T, b Base, kind Kind, files ...File) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "initrd-"+string(kind))
	var err error
	if kind == Systemd {
		image, err = cachedInitrd(b)
	} else {
		if kind == InitramfsTools {
			files = append(files, File{Path: "/etc/initramfs-tools/scripts/init-bottom/coppice-test", Content: stageScript, Executable: true})
		}
		err = buildInitrd(image, b, kind, files)
	}
	if err != nil {
		t.Fatalf("cannot build an initrd: %v", err)
	}
	return image
}

func cachedInitrd(b Base) (string, error) {
	base := filepath.Dir(b.Disk)
	lock, err := lockCache(filepath.Dir(base))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	key := sha256.Sum256([]byte(initrdScript + "\x00" + systemdScript + "\x00" + initrdModules))
	image := filepath.Join(base, fmt.Sprintf("initrd-%x", key[:6]))
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	if err := buildInitrd(image+".new", b, Systemd, nil); err != nil {
		return "", err
	}
	return image, os.Rename(image+".new", image)
}

func buildInitrd(image string, b Base, kind Kind, files []File) error {
	dir, err := os.MkdirTemp(filepath.Dir(image), "files-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, f := range files {
		if err := f.put(dir); err != nil {
			return err
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*patience)
	defer stop()
	c := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", initrdScript, "initrd.sh", image, string(kind), b.Release, initrdModules, b.Tree, dir, systemdScript)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if log, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", kind, err, log)
	}
	return nil
}

// put puts it into a tree.
func (f File) put(tree string) error {
	at := filepath.Join(tree, f.Path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch {
	case f.Link != "":
		return os.Symlink(f.Link, at)
	case f.From != "":
		if out, err := exec.Command("cp", f.From, at).CombinedOutput(); err != nil {
			return fmt.Errorf("cp: %w: %s", err, out)
		}
		return nil
	}
	return os.WriteFile(at, []byte(f.Content), f.mode())
}

func (f File) mode() os.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// Overlay writes an initrd that is an image, of GetInitrd, with files laid over it: the agent, and these. It is gone with the test.
func Overlay(t T, image string, files ...File) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "initrd")
	if err := overlay(out, image, Build(t, agentPackage), files); err != nil {
		t.Fatalf("cannot write an initrd: %v", err)
	}
	return out
}

func overlay(out, image, agent string, files []File) error {
	to, err := os.Create(out)
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := os.Open(image)
	if err != nil {
		return err
	}
	defer from.Close()
	n, err := io.Copy(to, from)
	if err != nil {
		return err
	}
	if _, err := to.Write(make([]byte, -n&3)); err != nil { // an archive begins at a multiple of four
		return err
	}
	w := newCpio(to)
	w.payload(agent, nil)
	w.text("etc/systemd/system.conf.d/test.conf", syscall.S_IFREG|0o644, patientConfig)
	const dir = "usr/lib/systemd/system/"
	for _, name := range []string{"stage", "initrd", "stay"} {
		unit := "coppice-test-" + name + ".service"
		w.text(dir+unit, syscall.S_IFREG|0o644, units[name])
		target := "sysinit.target.wants/"
		if name == "stay" {
			target = "initrd.target.wants/"
		}
		w.text(dir+target+unit, syscall.S_IFLNK|0o777, "../"+unit)
	}
	for _, f := range files {
		name := strings.TrimPrefix(path.Clean(f.Path), "/")
		switch {
		case f.From != "":
			w.file(name, f.From)
		case f.Link != "":
			w.text(name, syscall.S_IFLNK|0o777, f.Link)
		default:
			w.text(name, syscall.S_IFREG|uint32(f.mode()), f.Content)
		}
	}
	if err := w.end(); err != nil {
		return err
	}
	return to.Close()
}
