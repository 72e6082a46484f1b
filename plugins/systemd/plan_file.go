package systemd

import (
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// filePrivate is what Apply asks for: nothing if Verb is empty.
type filePrivate struct {
	Unit string
	Verb fileVerb
	Out  FileOutput
}

// fileVerb is what is done to a unit's file.
type fileVerb string

const (
	enable  fileVerb = "enable"
	disable fileVerb = "disable"
	mask    fileVerb = "mask"
	unmask  fileVerb = "unmask"
)

type filePlan = sdk.Planned[FileOutput, filePrivate]

type fileFacts struct {
	Unit    string   `json:"unit"`
	Enabled string   `json:"enabled"`
	Verb    fileVerb `json:"verb,omitempty"`
}

// etc is where masks go, and files of the administrator's own, see systemd.unit(5).
const etc = "/etc/systemd/system/"

// planFile decides what is done to a unit's file. runtime: until the next boot.
func planFile(v *View, name string, do fileVerb, runtime bool) (filePlan, error) {
	var planned filePlan
	id, path := name, ""
	if !isTemplate(name) {
		u, err := v.Unit(name)
		if err != nil {
			return planned, err
		}
		if u.ID != "" {
			id, path = u.ID, u.Path
		}
	}
	file, err := v.File(id)
	if err != nil {
		return planned, err
	}
	if file == "" && do != mask {
		return planned, v.missing(name)
	}
	target, reason, err := decideFile(id, file, path, do, runtime)
	if err != nil {
		return planned, err
	}
	out := FileOutput{Unit: id, Previous: file, Enabled: file}
	if file == unknownFile {
		planned.Unknown = append(planned.Unknown, "/previous")
	}
	if target == "" {
		planned.Outputs, planned.Private = out, filePrivate{Unit: id, Out: out}
		planned.Facts = fileFacts{Unit: id, Enabled: file}
		planned.Kept = []sdk.Kept{{Resource: named(id), Reason: reason}}
		return planned, nil
	}
	out.Enabled = target
	planned.Private = filePrivate{Unit: id, Verb: do, Out: out}
	planned.Outputs, planned.Facts = out, fileFacts{Unit: id, Enabled: file, Verb: do}
	change := sdk.Change{Kind: sdk.Update, Resource: named(id), Summary: string(do), Conditional: reason,
		Before: attributes{Enabled: file}.encode(), After: attributes{Enabled: target}.encode()}
	if runtime {
		change.Summary += " until the next boot"
	}
	if file == "" {
		change.Kind, change.Before = sdk.Create, nil
	}
	if reason != "" || do == unmask {
		planned.Unknown = append(planned.Unknown, "/enabled")
	}
	planned.Changes = []sdk.Change{change}
	return planned, nil
}

// decideFile is what becomes of the state of a file. "": nothing, for the reason. With a target the reason is why the change
// may turn out not to be needed; "": it is.
func decideFile(id, file, path string, do fileVerb, runtime bool) (target, reason string, err error) {
	target = map[fileVerb]string{enable: "enabled", disable: "disabled", mask: "masked", unmask: unknownFile}[do]
	if runtime {
		target += "-runtime"
	}
	already := file == target || runtime && file+"-runtime" == target
	switch do {
	case enable:
		switch {
		case already, file == "alias":
			return "", "is enabled already", nil
		case masked(file):
			return "", "", refuse("systemd.unmask takes the mask away", "%s is masked and can't be enabled", id)
		case slices.Contains([]string{"static", "generated", "transient"}, file):
			return "", "", refuse("start it, or let a unit that is enabled want it", "%s is %s: its file has no [Install] section that says when to start it", id, file)
		case file == "bad":
			return "", "", refuse("\"systemd-analyze verify "+id+"\" says more", "the file of %s can't be used", id)
		case file == "indirect", file == unknownFile:
			return target, "unless it is enabled already", nil
		}
	case disable:
		switch file {
		case "enabled", "enabled-runtime", "linked", "linked-runtime", "bad":
			return target, "", nil
		case "indirect", unknownFile:
			return target, "unless nothing of it is enabled", nil
		}
		return "", "is " + file + ", not enabled", nil
	case mask:
		if already {
			return "", "is masked already", nil
		}
		if strings.HasPrefix(path, etc) {
			return "", "", refuse("disable it, or move its file to /usr/local/lib/systemd/system", "%s can't be masked: its own file is at %s, where the mask would be", id, path)
		}
	case unmask:
		if !masked(file) {
			return "", "is not masked", nil
		}
	}
	return target, "", nil
}
