package boot

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// trip is a reason to leave everything as it is.
type trip struct {
	// Meant: somebody or something wants it so, which is no failure.
	Meant         bool
	Words, Advice string
}

// trips by which nothing may even be opened.
func (c circumstances) trips() []trip {
	var all []trip
	meant := func(format string, args ...any) {
		all = append(all, trip{Meant: true, Words: fmt.Sprintf(format, args...)})
	}
	for _, on := range c.Switches {
		meant("switched off by %s", on)
	}
	if value, there := c.Cmdline.last("coppice.rollback"); there && denies(value) {
		meant("switched off by coppice.rollback=%s on the kernel command line", value)
	}
	if c.Crash {
		meant("this kernel was started to save the memory of one that has crashed")
	}
	for _, p := range []string{"rd.live.image", "boot=live", "boot=casper"} {
		name, value, _ := strings.Cut(p, "=")
		if got, there := c.Cmdline.last(name); there && (value == "" && !denies(got) || value != "" && got == value) {
			meant("the machine runs from a live medium (%s on the kernel command line)", p)
		}
	}
	if root, _ := c.Cmdline.last("root"); strings.HasPrefix(root, "live:") {
		meant("the machine runs from a live medium (root=%s)", root)
	}
	if value, there := c.Cmdline.last("systemd.volatile"); there && !denies(value) {
		meant("the root is volatile (systemd.volatile=%s on the kernel command line)", value)
	}
	for _, s := range c.Sleep {
		switch {
		case s.Image:
			all = append(all, trip{Words: fmt.Sprintf("there is the image of a machine that hibernates (%s): its filesystem must not be touched", s.Where),
				Advice: "resume it; or, if it is worth nothing any more, boot once with noresume"})
		case s.Err != nil:
			all = append(all, trip{Words: fmt.Sprintf("nobody can tell whether the machine hibernates (%s): %v", s.Where, s.Err),
				Advice: "correct resume= on the kernel command line, or boot with noresume"})
		}
	}
	if c.Initrd && c.HasRoot && c.Root.Type != "" && c.Root.Type != "auto" && c.Root.Type != "btrfs" {
		all = append(all, trip{Words: fmt.Sprintf("%s mounts a root of type %s, not btrfs", c.Root.From, c.Root.Type)})
	}
	return all
}

// mounts trips where what is mounted as the root is not what is rolled back. same: the source is on the filesystem.
func (r rootSource) mounts(place string, same bool) []trip {
	switch {
	case !same:
		return []trip{{Words: fmt.Sprintf("%s mounts the root from %s, which is not on this filesystem", r.From, r.Device), Advice: "correct the input filesystem"}}
	case r.ByID != "":
		return []trip{{Words: fmt.Sprintf("%s mounts the root by its id (subvolid=%s): it would go on mounting the archived one, or fail", r.From, r.ByID),
			Advice: "mount it by its path alone: subvol=" + place}}
	case !r.Named:
		return []trip{{Words: fmt.Sprintf("%s says no subvol= for the root, so the default subvolume is mounted, and not %q", r.From, place),
			Advice: "add rootflags=subvol=" + place + " to the kernel command line, or subvol= to the root's mount options"}}
	case r.Subvolume != place:
		return []trip{{Words: fmt.Sprintf("%s mounts the subvolume %q as the root, not %q", r.From, r.Subvolume, place), Advice: "correct the input root"}}
	}
	return nil
}

// faults are those that are failures.
func faults(all []trip) error {
	var errs []error
	for _, t := range all {
		if !t.Meant {
			errs = append(errs, volume.Refuse(t.Advice, "the root stays as it is: %s", t.Words))
		}
	}
	return errors.Join(errs...)
}

// reason is that of all trips that are meant; "": there are none.
func reason(all []trip) string {
	var reasons []string
	for _, t := range all {
		if t.Meant {
			reasons = append(reasons, t.Words)
		}
	}
	return strings.Join(reasons, "; ")
}

// bootable is what a root has of an operating system.
type bootable struct {
	System  bool // programs of its own: /usr/lib, /usr/bin …
	Init    bool
	Modules bool // of the running kernel
	Nix     bool // it starts from /nix
}

// starts says why a machine would not start from a clean root; nil: it would, as far as can be told. root is what is there now.
func starts(blank string, clean, root bootable, release string, p parameters) []trip {
	init, given := p.last("init")
	elsewhere := given && strings.HasPrefix(init, "/nix/")
	name := fmt.Sprintf("the blank %q", blank)
	if blank == "" {
		name = "an empty root"
	}
	switch {
	case elsewhere || root.Nix && !clean.System:
		return nil
	case !clean.System && root.System:
		return []trip{{Words: name + " has no operating system in it, and the root has one: the machine would not start",
			Advice: "make a blank that holds it, with \"coppice boot rebase\", and name it in the input blank"}}
	case clean.System && !clean.Init && root.Init:
		return []trip{{Words: name + " has no /sbin/init: the machine would not start", Advice: "make a new blank, with \"coppice boot rebase\""}}
	case clean.System && !clean.Modules && root.Modules:
		return []trip{{Words: fmt.Sprintf("%s has no modules of the kernel %s, which the root has: the machine would start without drivers", name, release),
			Advice: "the kernel was upgraded since the blank was made: make a new one, with \"coppice boot rebase\""}}
	}
	return nil
}

// identity are files that make a machine the one it is, as paths in its root. Whoever loses them notices late: by a changed host
// key, by files whose owners are somebody else, by a machine that is not in its network any more.
var identity = []string{
	"etc/machine-id",
	"etc/ssh/ssh_host_ed25519_key",
	"etc/ssh/ssh_host_ecdsa_key",
	"etc/ssh/ssh_host_rsa_key",
	"root/.ssh/authorized_keys",
	"var/lib/nixos/uid-map",
	"var/lib/nixos/gid-map",
	"var/lib/tailscale/tailscaled.state",
	"var/lib/netbird/config.json",
	"var/lib/zerotier-one/identity.secret",
	"var/lib/sops-nix/key.txt",
	"etc/opnix-token",
	"etc/wireguard/private.key",
	"etc/krb5.keytab",
}

// loses trips when the root has something that identifies the machine and nobody knows yet that it goes.
func loses(found []string) []trip {
	if len(found) == 0 {
		return nil
	}
	return []trip{{Words: "what makes this machine the one it is would go with the root: " + words(found, 8),
		Advice: "keep it on another subvolume; \"coppice boot diff\" shows all that would go. If it may go: \"coppice boot diff --acknowledge\", or the input acknowledge"}}
}
