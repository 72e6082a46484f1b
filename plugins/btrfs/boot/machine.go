package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// machine is what this package asks of the machine besides the filesystem.
type machine struct {
	volume.Host
	root string // in the place of "/", for tests
}

func live(h volume.Host) machine { return machine{Host: h, root: "/"} }

func (m machine) file(path string) string { return filepath.Join(m.root, path) }

// text is the content of a small file; "" if there is none.
func (m machine) text(path string) string {
	data, err := os.ReadFile(m.file(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (m machine) there(path string) bool {
	_, err := os.Lstat(m.file(path))
	return err == nil
}

// circumstances are what of the machine decides whether anything may be done at all. They are looked at before the
// filesystem is opened, which replays its log: that must not happen under a machine that sleeps.
type circumstances struct {
	Initrd   bool
	Boot     string // id of this boot
	Release  string // of the kernel
	Crash    bool   // the kernel that saves a crash
	Cmdline  parameters
	Root     rootSource
	HasRoot  bool
	Switches []string // hold switches of the machine, in words
	Sleep    []sleep
	Unsynced string // why the clock can't be believed; "" if it can
}

// sleep is a place in which the image of a machine that hibernates could be.
type sleep struct {
	Where string
	Image bool  // there is one
	Err   error // nobody can tell
}

// InInitrd reports whether what root is the root of is an initrd: man initrd-release, which all know but initramfs-tools, whose own
// files tell.
func InInitrd(root string) bool {
	there := func(path string) bool {
		_, err := os.Lstat(filepath.Join(root, path))
		return err == nil
	}
	return there("etc/initrd-release") || there("conf/initramfs.conf") && there("scripts/functions")
}

func (m machine) circumstances() (circumstances, error) {
	c := circumstances{
		Initrd:   InInitrd(m.root),
		Boot:     m.text("proc/sys/kernel/random/boot_id"),
		Release:  m.text("proc/sys/kernel/osrelease"),
		Crash:    m.there("proc/vmcore"),
		Switches: m.Switches(),
	}
	line, err := os.ReadFile(m.Cmdline)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	c.Cmdline = parseCmdline(string(line))
	if c.Initrd { // what dracut has put into the image comes before what the kernel was given, which wins: man dracut.cmdline
		c.Cmdline = append(m.built(), c.Cmdline...)
	}
	if len(c.Boot) < minBoot {
		return c, volume.Refuse("mount /proc", "this boot has no id in /proc/sys/kernel/random/boot_id, so nobody can tell whether its root was rolled back already")
	}
	if _, elf := c.Cmdline.last("elfcorehdr"); elf {
		c.Crash = true
	}
	fstab := ""
	if c.Initrd {
		fstab = m.text("etc/fstab")
	}
	c.Root, c.HasRoot = rootOf(c.Cmdline, fstab)
	c.Sleep = m.sleeps(c.Cmdline)
	if c.Unsynced, err = m.Clock(); err != nil {
		c.Unsynced = err.Error()
	}
	return c, nil
}

// built are the parameters that dracut has put into the image.
func (m machine) built() parameters {
	files, _ := filepath.Glob(m.file("etc/cmdline.d/*.conf")) // sorted; the pattern is right
	var all parameters
	for _, file := range append([]string{m.file("etc/cmdline")}, files...) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				all = append(all, parseCmdline(line)...)
			}
		}
	}
	return all
}

// sleeps are the places in which there could be the image of a hibernating machine: what the kernel or its command line names, and
// what systemd has left in the firmware.
func (m machine) sleeps(p parameters) []sleep {
	_, not := p.last("noresume")
	mode, _ := p.last("hibernate")
	if not || mode == "no" || mode == "noresume" || mode == "nocompress,noresume" {
		return nil
	}
	var all []sleep
	const location = "sys/firmware/efi/efivars/HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67"
	if m.there(location) {
		all = append(all, sleep{Where: "the firmware's variable HibernateLocation", Image: true})
	}
	look := func(where, device, offset string) {
		pages, _ := strconv.ParseInt(offset, 10, 64)
		image, err := sleeping(device, pages)
		if errors.Is(err, fs.ErrNotExist) { // nothing can be resumed from what is not there
			return
		}
		all = append(all, sleep{Where: where, Image: image, Err: err})
	}
	if device, there := p.last("resume"); there && device != "" {
		offset, _ := p.last("resume_offset")
		look("resume="+device, m.device(device), offset)
	}
	if number := m.text("sys/power/resume"); number != "" && number != "0:0" {
		look("the kernel's resume device "+number, m.file("dev/block/"+number), m.text("sys/power/resume_offset"))
	}
	return all
}

// sleeping reports whether swap space has an image in it: the end of its first page says so, see kernel/power/swap.c,
// HIBERNATE_SIG, and ULSUSPEND of uswsusp.
func sleeping(device string, pages int64) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	page := int64(os.Getpagesize())
	var signature [10]byte
	if _, err := f.ReadAt(signature[:], pages*page+page-int64(len(signature))); err != nil {
		return false, fmt.Errorf("cannot read the header of %s: %w", device, err)
	}
	s := string(signature[:])
	return strings.HasPrefix(s, "S1SUSPEND") || strings.HasPrefix(s, "ULSUSPEND"), nil
}

// device is the path of the node of a device that is named as on the kernel's command line.
func (m machine) device(name string) string {
	for prefix, links := range map[string]string{"UUID=": "by-uuid", "LABEL=": "by-label", "PARTUUID=": "by-partuuid", "PARTLABEL=": "by-partlabel"} {
		if value, is := strings.CutPrefix(name, prefix); is {
			value = strings.Trim(value, `"`)
			if strings.HasSuffix(prefix, "UUID=") {
				value = strings.ToLower(value)
			}
			return m.file("dev/disk/" + links + "/" + linkName(value))
		}
	}
	if m.root == "/" {
		return name
	}
	if strings.HasPrefix(name, "/dev/") && !strings.HasPrefix(name, "/dev/loop") {
		return m.file(name)
	}
	return name
}

// linkName is a label as udev writes it in the name of a link: what could be misread is \xNN.
func linkName(label string) string {
	var b strings.Builder
	for _, c := range []byte(label) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= 0x80, strings.IndexByte("#+-.:=@_", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
