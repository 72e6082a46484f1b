package kernel

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Confinement ties a process to copies of filesystems, in a sandbox whose only btrfs they are: it opens no other one, and what
// names an original names its copy.
type Confinement struct {
	Only  []UUID          `json:"only"`  // the filesystems that can be opened
	Names map[string]UUID `json:"names"` // UUID=…, LABEL=… and devices of the originals: their copies
	// Mounts are the mount points of the machine that the originals are of, with the copy of what is mounted there; the zero
	// UUID where that was not copied.
	Mounts map[string]UUID `json:"mounts"`
	Clock  Clock           `json:"clock"`
}

// Clock shows another time than the kernel's: from each of its settings on, that setting's time goes on by itself. It is a
// function of the kernel's time, so that what the kernel has noted is seen as the time that the clock has shown then. The zero
// value is the kernel's own time.
type Clock []Setting

// Setting is one of a Clock.
type Setting struct {
	At    time.Time `json:"at"`    // from when on, in the kernel's time
	Shows time.Time `json:"shows"` // what the clock shows then
}

// Shown is the time that the clock shows at a time of the kernel's. The first setting counts for what was before, too.
func (c Clock) Shown(kernels time.Time) time.Time {
	if len(c) == 0 || kernels.IsZero() {
		return kernels
	}
	i, found := slices.BinarySearchFunc(c, kernels, func(s Setting, t time.Time) int { return s.At.Compare(t) })
	if !found {
		i = max(i-1, 0)
	}
	return c[i].Shows.Add(kernels.Sub(c[i].At))
}

var confined atomic.Pointer[Confinement]

// confiner is asked at each Open what this process is tied to.
var confiner atomic.Pointer[func() (*Confinement, error)]

// Confine ties this process to some filesystems, from now on; nil frees it. A later call takes the place of an earlier one.
func Confine(c *Confinement) {
	confiner.Store(nil)
	confined.Store(c)
}

// ConfineBy is Confine for what can change, as the clock does: it is asked at each Open. While it fails nothing is opened.
func ConfineBy(ask func() (*Confinement, error)) { confiner.Store(&ask) }

func confinement() (*Confinement, error) {
	if ask := confiner.Load(); ask != nil {
		c, err := (*ask)()
		if err != nil {
			return nil, err
		}
		confined.Store(c)
	}
	return confined.Load(), nil
}

// Now is the time: the kernel's, unless the process is confined and given another clock.
func Now() time.Time { return shown(time.Now()) }

// ClockGiven reports whether the process has been given a clock.
func ClockGiven() bool {
	c := confined.Load()
	return c != nil && len(c.Clock) > 0
}

func shown(t time.Time) time.Time {
	c := confined.Load()
	if c == nil || len(c.Clock) == 0 {
		return t
	}
	return c.Clock.Shown(t)
}

// translate is what a name of an original is called here.
func (c *Confinement) translate(ref string) string {
	if id, ok := c.Names[ref]; ok {
		return "UUID=" + id.String()
	}
	if strings.HasPrefix(ref, "UUID=") || strings.HasPrefix(ref, "LABEL=") || !strings.HasPrefix(ref, "/") {
		return ref
	}
	if f, err := openLive(ref); err == nil {
		defer f.Close()
		if info, err := fsInfo(f); err == nil && slices.Contains(c.Only, info.fsid) {
			return ref
		}
	}
	for at := ref; at != ""; at = at[:strings.LastIndexByte(at, '/')] {
		if id, ok := c.Mounts[at]; ok {
			return named(id, ref)
		}
	}
	return named(c.Mounts["/"], ref)
}

func named(id UUID, ref string) string {
	if id.IsZero() {
		return ref
	}
	return "UUID=" + id.String()
}
