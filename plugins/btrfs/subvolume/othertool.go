package subvolume

import (
	"regexp"
	"strings"
	"sync"
)

// Names that other tools give to their snapshots. snapper has a directory for each, named by a number, with info.xml in
// it (man snapper-configs). btrbk has subvolumes called NAME.STAMP, where STAMP is one of its timestamp_format (short,
// long, long-iso), with _N behind it if that is taken (man btrbk.conf).
var btrbkPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^.+\.[0-9]{8}(T[0-9]{4}([0-9]{2}([+-][0-9]{4}|Z))?)?(_[0-9]+)?$`)
})

const snapperInfo = "info.xml"

// snapperName reports whether a plain directory may be snapper's.
func snapperName(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }

// btrbkName reports whether a subvolume is named as btrbk does it.
func btrbkName(name string) bool { return btrbkPattern().MatchString(name) }
