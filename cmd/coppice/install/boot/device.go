package boot

import (
	"fmt"
	"path"
	"strings"
)

// deviceLines are the lines of a unit that make it wait for the device of the root; "" without one.
func deviceLines(root string) (string, error) {
	if root == "" {
		return "", nil
	}
	node, err := deviceNode(root)
	if err != nil {
		return "", err
	}
	unit := UnitName(node) + ".device"
	return fmt.Sprintf("Wants=%s\nAfter=%s\n", unit, unit), nil
}

// IsDevice reports whether a root is one that Options can have.
func IsDevice(root string) bool {
	_, err := deviceNode(root)
	return err == nil
}

// deviceNode is the path that udev gives the device of a root, the very one that systemd's own units for it are named after: see
// fstab_node_to_udev_node in its source.
func deviceNode(root string) (string, error) {
	for prefix, folder := range map[string]string{"UUID=": "by-uuid", "LABEL=": "by-label", "PARTUUID=": "by-partuuid", "PARTLABEL=": "by-partlabel"} {
		if value, is := strings.CutPrefix(root, prefix); is {
			value = strings.Trim(value, `"`)
			if value == "" || strings.ContainsAny(value, "\n\x00") {
				return "", fmt.Errorf("the root %q names no device", root)
			}
			return "/dev/disk/" + folder + "/" + linkName(value), nil
		}
	}
	if !strings.HasPrefix(root, "/dev/") || strings.ContainsAny(root, "\n\x00") || path.Clean(root) != root {
		return "", fmt.Errorf("the root %q is neither UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=… nor a device", root)
	}
	return root, nil
}

// linkName is a label as udev has it in a path: of ASCII, what is neither a letter, a digit nor one of #+-.:=@_ is \xNN. See
// encode_devnode_name in systemd's source.
func linkName(label string) string {
	var b strings.Builder
	for _, c := range []byte(label) {
		if letterOrDigit(c) || c >= 0x80 || strings.IndexByte("#+-.:=@_", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// UnitName is a path as part of a unit's name, as `systemd-escape --path` has it: systemd.unit(5), "string escaping for inclusion
// in unit names". The path is absolute.
func UnitName(p string) string {
	p = strings.Trim(path.Clean("/"+p), "/")
	if p == "" {
		return "-"
	}
	var b strings.Builder
	for i, c := range []byte(p) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case c == '.' && i == 0, !letterOrDigit(c) && strings.IndexByte(":_.", c) < 0:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
