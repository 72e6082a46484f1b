// Package boot makes the files by which a machine gets a clean root at each boot: what puts coppice into an initrd and runs it
// there before the root is mounted, and the units that confirm a boot when it went well.
//
// It is a function of values: it looks at no machine and writes nothing. Whatever it makes fails open: when the step in the
// initrd can't do its work, for whatever reason, the machine boots the root that it has.
//
// Words:
//
//   - Generator: the program that makes the machine's initrd.
//   - Image: the initrd that it makes. In it coppice is always /usr/bin/coppice.
package boot

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/hbohlen/coppice/cmd/coppice/install"
)

// Generator makes initrds.
type Generator string

// All generators that this package knows.
const (
	Dracut         Generator = "dracut"
	InitramfsTools Generator = "initramfs-tools"
	Mkinitcpio     Generator = "mkinitcpio"
)

// Generators are all of them.
var Generators = []Generator{Dracut, InitramfsTools, Mkinitcpio}

// Regenerate is the command that makes the images anew.
func (g Generator) Regenerate() []string {
	switch g {
	case Dracut:
		return []string{"dracut", "--regenerate-all", "--force"}
	case InitramfsTools:
		return []string{"update-initramfs", "-u", "-k", "all"}
	case Mkinitcpio:
		return []string{"mkinitcpio", "-P"}
	}
	return nil
}

// Programs are the paths that one of is there where the generator is.
func (g Generator) Programs() []string {
	switch g {
	case Dracut:
		return []string{"/usr/bin/dracut", "/usr/sbin/dracut"}
	case InitramfsTools:
		return []string{"/usr/sbin/update-initramfs", "/sbin/update-initramfs"}
	case Mkinitcpio:
		return []string{"/usr/bin/mkinitcpio"}
	}
	return nil
}

// Hooks are the paths that one of is there where the installation of a kernel calls the generator.
func (g Generator) Hooks() []string {
	switch g {
	case Dracut:
		return []string{"/etc/kernel/postinst.d/dracut", "/usr/lib/kernel/install.d/50-dracut.install"}
	case InitramfsTools:
		return []string{"/etc/kernel/postinst.d/initramfs-tools"}
	case Mkinitcpio:
		return []string{"/etc/mkinitcpio.d", "/usr/share/libalpm/hooks/90-mkinitcpio-install.hook"}
	}
	return nil
}

// GeneratorOf is the generator that files are for, by their paths.
func GeneratorOf(paths []string) Generator {
	for _, p := range paths {
		switch {
		case strings.HasPrefix(p, "/usr/lib/dracut/"):
			return Dracut
		case strings.HasPrefix(p, "/etc/initramfs-tools/"):
			return InitramfsTools
		case strings.HasPrefix(p, "/etc/initcpio/"):
			return Mkinitcpio
		}
	}
	return ""
}

// Options say what the files are for.
type Options struct {
	Initrd  Generator
	Program string // path of coppice on the machine, absolute
	Configs string // its folder of configuration, absolute
	// Root is what the machine mounts as its root, as the kernel's command line or fstab has it: UUID=…, LABEL=…, PARTUUID=…,
	// PARTLABEL=… or a device. "": nobody knows; then the initrd's own idea of it is waited for, which systemd before 254 has only of
	// root= on the command line.
	Root string
	// ConfirmAfter is how long after the start of the machine a boot is confirmed, as systemd.time(7) has it; "": no unit does it.
	ConfirmAfter string
	// Apt is set where apt keeps the system that the blank has a copy of: then it offers to make the blank anew.
	Apt     bool
	Persist Persist
}

//go:embed files
var templates embed.FS

// plain is what can stand in a unit and in a shell script as it is.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/[A-Za-z0-9._+/-]+$`) })

// timeSpan is enough of systemd.time(7).
var timeSpan = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9]+ ?(s|sec|m|min|h|hours?|)( [0-9]+ ?(s|sec|m|min|h|hours?|))*$`)
})

// Files are all files, in an order that is always the same.
func Files(o Options) ([]install.File, error) {
	for what, p := range map[string]string{"the path of coppice": o.Program, "the folder of its configuration": o.Configs} {
		if !plain().MatchString(p) || path.Clean(p) != p {
			return nil, fmt.Errorf("%s is %q, which can't stand in units and scripts: it is not absolute, or has more in it than letters, digits and ._+-", what, p)
		}
	}
	device, err := deviceLines(o.Root)
	if err != nil {
		return nil, err
	}
	f := writer{replace: strings.NewReplacer("@PROGRAM@", o.Program, "@DEVICE@", device, "@AFTER@", o.ConfirmAfter,
		"@CONFIGS@", strings.Join(Copied(o.Configs), " "))}
	switch o.Initrd {
	case Dracut:
		const module = "/usr/lib/dracut/modules.d/55coppice/"
		f.add(module+"module-setup.sh", 0o755, "dracut-module-setup.sh")
		f.add(module+RollbackService, 0o644, "rollback.service")
		f.add(module+"coppice-boot-rollback.sh", 0o755, "dracut-hook.sh")
	case InitramfsTools:
		f.add("/etc/initramfs-tools/hooks/coppice", 0o755, "initramfs-hook.sh")
		f.add("/etc/initramfs-tools/scripts/local-premount/coppice", 0o755, "initramfs-script.sh")
	case Mkinitcpio:
		f.add("/etc/initcpio/install/coppice", 0o644, "mkinitcpio-install.sh")
		f.add("/etc/initcpio/hooks/coppice", 0o644, "mkinitcpio-hook.sh")
		f.add("/etc/initcpio/"+RollbackService, 0o644, "rollback.service")
		f.add("/etc/mkinitcpio.conf.d/90-coppice.conf", 0o644, "mkinitcpio.conf")
	default:
		return nil, fmt.Errorf("%q makes no initrds that coppice knows", o.Initrd)
	}
	if o.ConfirmAfter != "" {
		if !timeSpan().MatchString(o.ConfirmAfter) {
			return nil, fmt.Errorf("%q is no time such as 3min", o.ConfirmAfter)
		}
		f.add(units+ConfirmService, 0o644, "confirm.service")
		f.add(units+ConfirmTimer, 0o644, "confirm.timer")
		f.link(units+"timers.target.wants/"+ConfirmTimer, units+ConfirmTimer)
	}
	if o.Apt {
		f.add("/etc/apt/apt.conf.d/90coppice-rebase", 0o644, "apt.conf")
	}
	kept, err := o.Persist.files()
	if err != nil {
		return nil, err
	}
	return append(f.all, kept...), f.err
}

// units is the folder of an administrator's units.
const units = "/etc/systemd/system/"

// Names of the units.
const (
	RollbackService = "coppice-boot-rollback.service" // in the initrd
	ConfirmService  = "coppice-boot-confirm.service"
	ConfirmTimer    = "coppice-boot-confirm.timer"
)

// Copied are the files of the configuration that go into the image, those that there are: the inputs of boot-rollback, a
// playbook of that name in the place of the shipped one, and the hold switch.
func Copied(configs string) []string {
	return []string{configs + "/inputs/boot-rollback.yaml", configs + "/playbooks/boot-rollback.yaml", configs + "/hold"}
}

// writer collects files.
type writer struct {
	replace *strings.Replacer
	all     []install.File
	err     error
}

func (w *writer) add(path string, mode fs.FileMode, template string) {
	text, err := templates.ReadFile("files/" + template)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.all = append(w.all, install.File{Path: path, Mode: mode, Content: w.replace.Replace(string(text))})
}

func (w *writer) link(path, target string) {
	w.all = append(w.all, install.Link(path, target))
}
