// Package script is the script plugin: it runs a program of the user's as a step, for those who have one and write no plugin.
//
// A program gets its inputs as arguments, as variables or as JSON on its standard input, and gives outputs as JSON on its
// standard output, as the playbook declares them. No shell looks at a command. What a program does to the machine nobody can
// tell before, unless it brings a second command that does: one that says whether there is anything to do (check), or one that
// says what would be done (preview). These, and the command of script.read, are to read only: as root they see all mounts
// read-only.
//
// Words:
//
//   - Command: a program and its arguments.
//   - Declared: outputs whose names and types stand in the playbook, see schema.Declare.
//   - View: the mounts that a command sees.
//
// schema.go has inputs and outputs, process.go and view.go run a command, answer.go reads what it has written, plan.go decides,
// apply.go does it.
package script

import "github.com/hbohlen/coppice/sdk"

// Version of the plugin.
const Version = "0.1.0"

// Types of the resources that the actions change.
const (
	CommandType = "script.command" // a command that is run
	ChangeType  = "script.change"  // what a preview command has told
)

// New returns the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name:    "script",
		Version: Version,
		Summary: "programs of one's own, with JSON in and out",
		Actions: []sdk.Action{runAction(), readAction()},
	}
}

func runAction() sdk.Action {
	return sdk.Write(sdk.Info{Name: "run", Summary: "Run a program of one's own that changes something", Effect: sdk.Destroys,
		Touches: []string{sdk.Anything, CommandType},
		Description: "The program gets what it needs as arguments, in variables, or as JSON on its standard input. Where outputs are declared, it writes them " +
			"to its standard output as one JSON object of at most 1 MiB; members that are not declared are left out. Without declared outputs its standard output is logged, as its standard error always is, line by line. " +
			"The step fails if the program does not end with an exit code of success. When the step is stopped, the program and its process group get SIGTERM, and SIGKILL after stop_after. " +
			"A plan can't say what a program does, unless check or preview tells; later steps of a plan are predicted as if it changed nothing. " +
			"Beside those in environment the program has the variables PATH (that of systemd), LANG=C.UTF-8, HOME, COPPICE_RUN, COPPICE_STEP and COPPICE_INSTANT, and no others."},
		sdk.Writer[RunInput, Output, private]{Plan: planRun, Apply: applyRun})
}

func readAction() sdk.Action {
	return sdk.Read(sdk.Info{Name: "read", Summary: "Run a program of one's own that only reads",
		Description: "As script.run, for a program that changes nothing: it runs in a plan too, so that later steps know what it has found out. " +
			"As root it sees all mounts read-only, with a folder of its own in TMPDIR; that can't keep it from asking a service for a change, or from writing to a device. When the step is stopped, it is killed."},
		planRead)
}
