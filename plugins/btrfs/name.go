package btrfs

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hbohlen/coppice/sdk"
)

// stateFolder is the product's own folder at the top level of each filesystem.
const stateFolder = ".coppice"

// nameMax is the most bytes of one name, linux/btrfs_tree.h, BTRFS_NAME_LEN.
const nameMax = 255

const stampForm = "20060102T150405.000Z"

var stampPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z$`)

// stampOf is the name of every snapshot that is taken by a run of that instant.
func stampOf(instant time.Time) string { return instant.UTC().Format(stampForm) }

// parseStamp reads exactly what stampOf writes.
func parseStamp(name string) (time.Time, bool) {
	if !stampPattern.MatchString(name) {
		return time.Time{}, false
	}
	t, err := time.Parse(stampForm, name)
	return t, err == nil && stampOf(t) == name
}

// The creation time of a snapshot comes after the instant of its run: by the time that the run took to get there, or by
// the age of a stored plan (at most a day). The tolerance is for a clock that is set back meanwhile.
const (
	stampAhead  = 5 * time.Minute
	stampBehind = 24 * time.Hour
)

// agrees reports whether a snapshot with that stamp can have been created at that time.
func agrees(stamp, created time.Time) bool {
	late := created.Sub(stamp)
	return late >= -stampAhead && late <= stampBehind
}

// folderOf is the name of the folder that holds the snapshots of a source.
func folderOf(source string) string {
	return strings.ReplaceAll(strings.TrimPrefix(source, "/"), "/", "-")
}

// inside reports whether a path is below a folder, at any depth; "" is the top level.
func inside(folder, p string) bool {
	return folder == "" || strings.HasPrefix(p, folder+"/")
}

// parentOf is the path of what p lies in, "" for the top level.
func parentOf(p string) string {
	if dir := path.Dir(p); dir != "." {
		return dir
	}
	return ""
}

// cleanPath reads a path from the top level out of an input. "" and "." are the top level.
func cleanPath(input, given string) (string, *sdk.Error) {
	const fromTop = "write the path from the filesystem's top level (subvolume 5), as \"btrfs subvolume list\" prints it, without a leading \"/\""
	switch {
	case strings.HasPrefix(given, "/"):
		return "", invalid(input, fromTop, "%q is a path of the running system", given)
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
			return "", invalid(input, fromTop, "%q has \"..\" in it", given)
		case len(e) > nameMax:
			return "", sdk.InvalidInput(input, "%q has a name of %d bytes in it; %d is the most", given, len(e), nameMax)
		}
		elements = append(elements, e)
	}
	return strings.Join(elements, "/"), nil
}

// cleanFolder is cleanPath for a folder that holds snapshots.
func cleanFolder(input, given string) (string, *sdk.Error) {
	clean, err := cleanPath(input, given)
	switch {
	case err != nil:
		return "", err
	case clean == "":
		return "", invalid(input, "name a folder, such as \"snapshots\"", "%q is the top level itself", given)
	case clean == stateFolder || inside(stateFolder, clean):
		return "", sdk.InvalidInput(input, "%q is reserved for coppice's own records", given)
	}
	return clean, nil
}

// at is the JSON pointer to an item of an input that is a list.
func at(input string, index int) string { return fmt.Sprintf("/%s/%d", input, index) }
