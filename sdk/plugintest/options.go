package plugintest

import (
	"context"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Options say which plugin is tested, and how.
type Options struct {
	// Command starts the plugin: an executable and its arguments. Empty: the test binary itself, of which Main has made a
	// plugin.
	Command []string
	// Plugin is tested inside of this process instead, over a wire of its own. What belongs to a process is then not
	// checked: its streams, its children, that it can be started again.
	Plugin sdk.Contract
	// Env are further variables for the plugin, as NAME=VALUE.
	Env []string
	// Name that the plugin must have; "": any.
	Name  string
	Cases []Case
	// Grace is how long a cancelled Apply may take to end; 0 is 20 s, as in a run.
	Grace time.Duration
	// Timeout is how long any other call may take; 0 is 2 minutes.
	Timeout time.Duration
}

// Case is an action with inputs. Cases are tried one after the other.
type Case struct {
	Name   string // "": the action's
	Action string
	Inputs any // encoded as JSON
	// Prepare brings the machine into a state in which the action has something to do. It is called several times; nil:
	// there is nothing to prepare.
	Prepare func(context.Context) error
	// Watch are files and folders that the action changes, or that it must not change.
	Watch []string
	// State tells what else the action changes, as a text that is the same as long as that is; nil: nothing else.
	State func(context.Context) (string, error)
	// Drift changes what the decision rests on, as somebody else would between a plan and its use; nil: it is not tried.
	Drift func(context.Context) error
	// Prior are changes that earlier steps have planned.
	Prior []sdk.Change
	// Long says that Apply works until it is cancelled, or for very long. It is cancelled, and nothing else is tried.
	Long bool
	// Varies are JSON pointers into the plan (as sdk.Plan is written) to what may differ from one Plan to the next, such as
	// /outputs/free.
	Varies []string
}

func (c Case) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Action
}
