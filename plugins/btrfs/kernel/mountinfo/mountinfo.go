// Package mountinfo reads the kernel's list of mounts, /proc/PID/mountinfo (man proc_pid_mountinfo).
//
// It only parses: where the text comes from and what it means is the caller's.
package mountinfo

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Mount is one line. All strings have their octal escapes decoded, except SuperOptions.
type Mount struct {
	ID, ParentID int
	Major, Minor uint32 // of the superblock; the same for all mounts of one filesystem
	Root         string // what of the filesystem is mounted, as a path from its root
	MountPoint   string // where, as a path from the root directory of the process
	Options      string // of this mount, separated by commas
	FSType       string
	Source       string // for btrfs one of its devices

	// SuperOptions are those of the filesystem, separated by commas, still escaped. A comma inside a value is not
	// escaped by the kernel: use SuperOption.
	SuperOptions string
}

// SuperOption returns the value of the first option of that name, "" for a bare one, and whether it is there.
// Options behind the first whose value may hold any text (subvol, which btrfs prints last) are not looked at.
func (m Mount) SuperOption(name string) (value string, ok bool) {
	for option := range strings.SplitSeq(m.SuperOptions, ",") {
		key, value, _ := strings.Cut(option, "=")
		if key == name {
			return Unescape(value), true
		}
		if key == "subvol" {
			break
		}
	}
	return "", false
}

// ReadOnly reports whether the whole filesystem is read-only, not only this mount of it.
func (m Mount) ReadOnly() bool {
	_, ro := m.SuperOption("ro")
	return ro
}

// Self returns the mounts of the calling process.
func Self() ([]Mount, error) { return ReadFile("/proc/self/mountinfo") }

// ReadFile parses one file.
func ReadFile(path string) ([]Mount, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mounts, err := Parse(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return mounts, nil
}

// Parse reads all lines, in their order. A line that is not as the manual page says is an error: a mount that is
// overlooked could be one that must not be deleted.
func Parse(r io.Reader) ([]Mount, error) {
	var mounts []Mount
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			m, bad := parseLine(line)
			if bad != nil {
				return nil, fmt.Errorf("line %d: %w", number, bad)
			}
			mounts = append(mounts, m)
		}
		if err == io.EOF {
			return mounts, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// parseLine reads: ID parent major:minor root mountpoint options [tag…] - type source superoptions
func parseLine(line string) (Mount, error) {
	fields := strings.Split(line, " ")
	dash := 6
	for dash < len(fields) && fields[dash] != "-" {
		dash++
	}
	if len(fields) < dash+4 {
		return Mount{}, fmt.Errorf("expected 6 fields, tags, \"-\" and 3 fields, found %q", line)
	}
	var m Mount
	var err error
	if m.ID, err = strconv.Atoi(fields[0]); err != nil {
		return Mount{}, fmt.Errorf("the mount ID is %q", fields[0])
	}
	if m.ParentID, err = strconv.Atoi(fields[1]); err != nil {
		return Mount{}, fmt.Errorf("the parent's mount ID is %q", fields[1])
	}
	major, minor, _ := strings.Cut(fields[2], ":")
	ma, errMajor := strconv.ParseUint(major, 10, 32)
	mi, errMinor := strconv.ParseUint(minor, 10, 32)
	if errMajor != nil || errMinor != nil {
		return Mount{}, fmt.Errorf("the device number is %q", fields[2])
	}
	m.Major, m.Minor = uint32(ma), uint32(mi)
	m.Root, m.MountPoint, m.Options = Unescape(fields[3]), Unescape(fields[4]), Unescape(fields[5])
	m.FSType, m.Source = Unescape(fields[dash+1]), Unescape(fields[dash+2])
	m.SuperOptions = strings.Join(fields[dash+3:], " ")
	return m, nil
}

// Unescape decodes \ooo, as the kernel's seq_escape writes space, tab, newline, backslash and "#".
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// String returns the line as the kernel writes it, without the tags.
func (m Mount) String() string {
	return fmt.Sprintf("%d %d %d:%d %s %s %s - %s %s %s", m.ID, m.ParentID, m.Major, m.Minor,
		escape(m.Root), escape(m.MountPoint), escape(m.Options), escape(m.FSType), escape(m.Source), m.SuperOptions)
}

func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace(s)
}
