package boot

import (
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// parameters are those of the kernel's command line.
type parameters []string

// parseCmdline splits it as the kernel does: quotes keep spaces together, and what is behind "--" is init's.
func parseCmdline(line string) parameters {
	var all parameters
	word, quoted, any := strings.Builder{}, false, false
	end := func() bool {
		defer func() { word.Reset(); any = false }()
		if !any {
			return true
		}
		if word.String() == "--" {
			return false
		}
		all = append(all, word.String())
		return true
	}
	for _, c := range strings.TrimRight(line, "\n\x00") {
		switch {
		case c == '"':
			quoted, any = !quoted, true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			if !end() {
				return all
			}
		default:
			word.WriteRune(c)
			any = true
		}
	}
	end()
	return all
}

// last returns the last value of a parameter; "" also for one without a value.
func (p parameters) last(name string) (value string, there bool) {
	for _, w := range p {
		if n, v, _ := strings.Cut(w, "="); n == name {
			value, there = v, true
		}
	}
	return value, there
}

// on reports whether a parameter is there and says yes, by itself or by its value.
func (p parameters) on(name string) bool {
	value, there := p.last(name)
	return there && !denies(value)
}

// denies reports whether a value says no.
func denies(value string) bool {
	switch value {
	case "0", "no", "off", "false":
		return true
	}
	return false
}

// rootSource is what is mounted as the root at boot, as something says.
type rootSource struct {
	From   string // what says so, in words
	Device string // UUID=…, LABEL=…, PARTUUID=…, or a path
	Type   string // of filesystem; "": not said
	// Subvolume is the path that it is mounted by, from the top level, if it is Named. ByID is the id; with both the kernel wants
	// that they agree. Without either it is the default subvolume.
	Subvolume string
	Named     bool
	ByID      string
}

// rootOf finds it on the kernel's command line, or in the fstab of the initrd, whose lines begin with /sysroot. none: neither
// says anything.
func rootOf(p parameters, fstab string) (r rootSource, found bool) {
	if device, there := p.last("root"); there && device != "" && device != "fstab" && device != "gpt-auto" {
		flags, _ := p.last("rootflags")
		kind, _ := p.last("rootfstype")
		r = rootSource{From: "the kernel's command line", Device: device, Type: kind}
		r.options(flags)
		return r, true
	}
	for line := range strings.Lines(fstab) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[0], "#") || strings.TrimSuffix(fields[1], "/") != "/sysroot" {
			continue
		}
		r = rootSource{From: "the initrd's fstab", Device: mountinfo.Unescape(fields[0]), Type: fields[2]}
		r.options(fields[3])
		found = true
	}
	return r, found
}

func (r *rootSource) options(text string) {
	for o := range strings.SplitSeq(text, ",") {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "subvol":
			r.Subvolume, r.Named = strings.Trim(mountinfo.Unescape(value), "/"), true
		case "subvolid":
			r.ByID = value
		}
	}
}
