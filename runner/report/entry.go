package report

import (
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report/systemd"
)

// The priorities of syslog(3) that are used.
const (
	priorityError   = 3
	priorityWarning = 4
	priorityNotice  = 5
	priorityInfo    = 6
	priorityDebug   = 7
)

// Message ids: journalctl MESSAGE_ID=… finds the entries of one kind. They never change.
const (
	RunStartedID  = "b4e80684e254389c3e955c5188e861b5" // a run has started
	RunFinishedID = "1bd24ac92389311f2a76da7833c1c863" // a run has ended, COPPICE_STATUS says how
	StepFailedID  = "659b815e761ea10a162aefe6a639077a" // a step has failed, errored or timed out
)

// Entry is one line of a log, with what a journal wants to know of it. Texts are masked, and fit for one line. Empty
// fields do not apply.
type Entry struct {
	Priority  int
	Message   string
	MessageID string
	Run       string
	Playbook  string
	Step      string // the step's id
	Item      string // the index in a for_each, from 0
	Plugin    string
	Status    string // of a step or a run that has ended
}

// Fields are the entry as the journal has it.
func (e Entry) Fields() []systemd.Field {
	all := []systemd.Field{
		{Name: "MESSAGE", Value: e.Message},
		{Name: "PRIORITY", Value: strconv.Itoa(e.Priority)},
		{Name: "SYSLOG_IDENTIFIER", Value: "coppice"},
	}
	for _, f := range []systemd.Field{
		{Name: "MESSAGE_ID", Value: e.MessageID}, {Name: "COPPICE_RUN", Value: e.Run}, {Name: "COPPICE_PLAYBOOK", Value: e.Playbook},
		{Name: "COPPICE_STEP", Value: e.Step}, {Name: "COPPICE_ITEM", Value: e.Item}, {Name: "COPPICE_PLUGIN", Value: e.Plugin},
		{Name: "COPPICE_STATUS", Value: e.Status},
	} {
		if f.Value != "" {
			all = append(all, f)
		}
	}
	return all
}

// entry is a line about a run; text is clean.
func (r *lines) entry(priority int, text string) Entry {
	return Entry{Priority: priority, Message: text, Run: r.clean(r.started.Run), Playbook: r.clean(r.started.Playbook)}
}

// about is a line about a step; text is clean and comes behind the step's name.
func (r *lines) about(s engine.StepRef, priority int, text string) Entry {
	e := r.entry(priority, "step "+r.stepName(s)+": "+text)
	r.place(&e, s)
	return e
}

// place says which step an entry is about.
func (r *lines) place(e *Entry, s engine.StepRef) {
	plugin, _, _ := strings.Cut(s.Uses, ".")
	e.Step, e.Plugin = r.clean(s.ID), r.clean(plugin)
	if s.Item != nil {
		e.Item = strconv.Itoa(*s.Item)
	}
}

// put writes a line to where it belongs: to the journal as an entry, where that listens behind the stream; else to the
// stream.
func (r *lines) put(to *sink, e Entry) {
	if !(to == r.out && r.OutJournal || to == r.err && r.ErrJournal) {
		to.write(e.Message + "\n")
		return
	}
	if r.Journal != nil && r.Journal(e) == nil {
		if n := r.lost; n > 0 {
			r.lost = 0
			r.put(to, r.entry(priorityWarning, "the journal did not take "+Count(n, "line")+" before this one"))
		}
		return
	}
	// As sd-daemon(3) defines it.
	to.write("<" + strconv.Itoa(e.Priority) + ">" + e.Message + "\n")
	if to.err != nil {
		r.lost++
	}
}
