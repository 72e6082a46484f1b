package volume

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk"
)

// NameMax is the most bytes of one name, linux/btrfs_tree.h, BTRFS_NAME_LEN.
const NameMax = 255

// Inside reports whether a path is below a folder, at any depth; "" is the top level.
func Inside(folder, p string) bool {
	return folder == "" || strings.HasPrefix(p, folder+"/")
}

// ParentOf is the path of what p, a clean path, lies in; "" for the top level.
func ParentOf(p string) string { return p[:max(strings.LastIndexByte(p, '/'), 0)] }

// CleanPath reads a path from the top level out of an input. "" and "." are the top level.
func CleanPath(input, given string) (string, *sdk.Error) {
	const fromTop = "write the path from the filesystem's top level (subvolume 5), as \"btrfs subvolume list\" prints it, without a leading \"/\""
	switch {
	case strings.HasPrefix(given, "/"):
		return "", Invalid(input, fromTop, "%q is a path of the running system", given)
	case strings.ContainsRune(given, 0):
		return "", sdk.InvalidInput(input, "%q has a NUL byte in it", given)
	case !utf8.ValidString(given):
		return "", sdk.InvalidInput(input, "%q is not valid UTF-8", given)
	}
	var elements []string
	for e := range strings.SplitSeq(given, "/") {
		switch {
		case e == "" || e == ".":
			continue
		case e == "..":
			return "", Invalid(input, fromTop, "%q has \"..\" in it", given)
		case len(e) > NameMax:
			return "", sdk.InvalidInput(input, "%q has a name of %d bytes in it; %d is the most", given, len(e), NameMax)
		}
		elements = append(elements, e)
	}
	return strings.Join(elements, "/"), nil
}

// CleanFolder is cleanPath for a folder that holds snapshots.
func CleanFolder(input, given string) (string, *sdk.Error) {
	clean, err := CleanPath(input, given)
	switch {
	case err != nil:
		return "", err
	case clean == "":
		return "", Invalid(input, "name a folder, such as \"snapshots\"", "%q is the top level itself", given)
	case clean == StateFolder || Inside(StateFolder, clean):
		return "", sdk.InvalidInput(input, "%q is reserved for coppice's own records", given)
	}
	return clean, nil
}

// At is the JSON pointer to an item of an input that is a list.
func At(input string, index int) string { return fmt.Sprintf("/%s/%d", input, index) }
