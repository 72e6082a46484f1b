package plugintest

// Check is one promise of the contract.
type Check struct {
	Name string // of lower-case words with dashes
	Text string // what is promised, and why
}

// Checks lists all checks in the order in which they are made.
func Checks() []Check { return checks }

// The names of the checks.
const (
	handshake     = "handshake"
	describe      = "describe"
	schemas       = "schemas"
	docs          = "docs"
	unknownAction = "unknown-action"
	wrongInputs   = "wrong-inputs"
	theCase       = "case"
	locks         = "locks"
	planOnlyReads = "plan-only-reads"
	planRepeats   = "plan-repeats"
	changes       = "changes"
	outputs       = "outputs"
	unknown       = "unknown-outputs"
	integers      = "integers"
	large         = "large"
	prior         = "prior-changes"
	runsAsPlanned = "preview-equals-run"
	oneResult     = "one-result"
	planTravels   = "plan-travels"
	applyTwice    = "apply-twice"
	secondRun     = "second-run"
	drift         = "drift"
	cancel        = "cancel"
	secrets       = "secrets"
	concurrent    = "concurrent"
	stdout        = "stdout"
	stderr        = "stderr"
	children      = "children"
)

var checks = []Check{
	{handshake, "The plugin starts when COPPICE_PLUGIN has the cookie, and the first thing that it prints is the handshake line, within 10 s."},
	{describe, "Describe gives the same answer each time: a legal name, a version, the API version, and actions with legal names that are declared to read, write or destroy."},
	{schemas, "Inputs and outputs of each action are objects in JSON Schema 2020-12; patterns compile, defaults fit. Playbooks are checked by nothing else."},
	{docs, "The plugin, each action, and each input and output say in words what they are. `coppice explain` and editors show nothing else."},
	{unknownAction, "A call of an action that does not exist is refused with a diagnostic. An RPC error would mean that the plugin is broken."},
	{wrongInputs, "Inputs that do not fit the schema are refused with a diagnostic of the reason invalid whose path points at the place, never with an RPC error."},
	{theCase, "What the case asks for can be planned and applied on this machine."},
	{locks, "Resolve needs no Plan before it, and names the same keys each time, in another process too: two runs exclude each other by them alone. Lock and Unlock may be repeated."},
	{planOnlyReads, "Plan changes nothing: a preview is a Plan that is never applied."},
	{planRepeats, "Plan says the same when nothing has changed: a saved plan is compared with a new one."},
	{changes, "Each change has a legal kind and names its resource; what an action deletes or touches is what it has declared, and a reading action changes nothing."},
	{outputs, "Outputs fit their schema; those that Plan did not call unknown are what Apply gives. Later steps have been previewed with them."},
	{unknown, "Unknown lists JSON pointers to outputs, which Apply then tells. A reading action leaves nothing unknown."},
	{integers, "64-bit integers survive: a number of bytes that goes through floating point is another number."},
	{large, "A call of 5 MiB is taken, and changes that others have planned on other resources make no difference. (gRPC's own limit is 4 MiB.)"},
	{prior, "Plan lays the changes of earlier steps over what it sees: asked again with its own changes as prior ones, an action that converges has nothing to do."},
	{runsAsPlanned, "Apply makes the changes that Plan has listed and no others, in that order, and reports each of them once."},
	{oneResult, "The stream of Apply ends with exactly one result."},
	{planTravels, "A plan is all that Apply needs: another process of the plugin can apply it."},
	{applyTwice, "Applying the same plan a second time changes nothing: a run that was interrupted applies it again."},
	{secondRun, "An action that says that it converges has nothing to do in a second run."},
	{drift, "The fingerprint covers what the decision rests on: it differs when the decision does, or when somebody has changed what was decided about. Applying the old plan then says drifted, or does just what it says."},
	{cancel, "Cancel ends Apply with its result within the grace period. A plugin that goes on is killed."},
	{secrets, "What an input with writeOnly holds stands in no summary, change, output, log, progress or diagnostic."},
	{concurrent, "Several calls at a time give what they give one after the other, without a data race."},
	{stdout, "Nothing but the handshake goes to standard output."},
	{stderr, "A case, which is some dozen calls, does not write more than 1,000 lines to standard error: the runner drops what is over 500 in a second."},
	{children, "What the plugin has started ends with it. The runner kills the plugin's process group; what has left it would stay."},
}

func textOf(name string) string {
	for _, c := range checks {
		if c.Name == name {
			return c.Text
		}
	}
	panic("plugintest: no check " + name)
}
