package upkeep

import (
	"fmt"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// scrubPrivate is what Apply does: nothing if Scrub is false.
type scrubPrivate struct {
	Filesystem string
	Scrub      bool
	Devices    []kernel.UUID
	Resume     *time.Time // when the scrub was begun that this one goes on with; nil: from the start
	Used       uint64     // bytes that there are to read, about
}

// scrubFingerprint is the part of the facts that the decision used.
type scrubFingerprint struct {
	Filesystem string        `json:"filesystem"`
	Due        bool          `json:"due"`
	Resume     bool          `json:"resume"`
	Devices    []kernel.UUID `json:"devices"`
}

const scrubRunning = "a scrub is running"

func planScrub(facts scrubFacts, in ScrubInput, instant time.Time, planned bool) (sdk.Planned[ScrubOutput, scrubPrivate], error) {
	var p sdk.Planned[ScrubOutput, scrubPrivate]
	var last *time.Time
	if done := facts.record.Last; done != nil && done.counts(in.ReadOnly) {
		last = &done.Finished
	}
	if planned {
		last = &instant
	}
	j := judge(last, time.Duration(in.IfOlder), instant, facts.unsynchronised)
	if j.warning != nil {
		p.Diagnostics = append(p.Diagnostics, *j.warning)
	}
	present, missing := presentDevices(facts.devices)
	fingerprint := scrubFingerprint{Filesystem: facts.id, Due: j.Due.Due, Devices: present}
	p.Outputs.Due = j.Due
	if !j.Due.Due {
		p.Facts = fingerprint
		p.Kept = []sdk.Kept{{Resource: facts.resource(scrubType), Reason: j.reason}}
		p.Summary = "not due: " + j.reason
		p.Diagnostics = append(p.Diagnostics, lastScrub(facts, &p.Outputs, planned)...)
		return p, nil
	}
	if err := facts.scrubbable(in); err != nil {
		return p, err
	}
	for _, d := range missing {
		p.Diagnostics = append(p.Diagnostics, volume.Warn("replace it with \"btrfs replace\", then scrub again",
			"device %d of btrfs %s (%v) is missing: only the others are scrubbed", d.ID, facts.name(), d.UUID))
	}
	if in.SpeedMax > 0 && !facts.canLimit {
		p.Diagnostics = append(p.Diagnostics, volume.Warn("Linux 5.14 or newer with /sys is needed; leave speed_max out", "the speed of a scrub can't be limited here"))
	}
	change := sdk.Change{Kind: sdk.Run, Resource: facts.resource(scrubType), Summary: scrubSummary(facts, in, len(present)), Reason: j.reason}
	p.Private = scrubPrivate{Filesystem: facts.id, Scrub: true, Devices: present, Used: facts.used}
	if open := facts.record.Open; open.resumable(in, instant) {
		begun := open.Started
		p.Private.Resume = &begun
		fingerprint.Resume, p.Outputs.Resumed = true, true
		change.Reason += fmt.Sprintf("; goes on with the one begun %s, %v of %v are done", volume.Moment(begun), sdk.Size(open.counts().Bytes), sdk.Size(facts.used))
	}
	if len(facts.running) > 0 {
		change.Reason += "; after the scrub that is running now"
	}
	p.Changes = []sdk.Change{change}
	p.Facts = fingerprint
	p.Unknown = scrubUnknown()
	p.Outputs.Last, p.Outputs.Next = &instant, &instant // known after the run
	if in.IfOlder == 0 {
		p.Outputs.Next = nil
		p.Unknown = slices.DeleteFunc(p.Unknown, func(u string) bool { return u == "/next" })
	}
	return p, nil
}

// counts reports whether a scrub that has looked only is as good as what is asked for.
func (d *scrubDone) counts(readOnly bool) bool {
	return readOnly || !d.ReadOnly || d.Counts.Corrected == 0
}

func (o *scrubOpen) resumable(in ScrubInput, instant time.Time) bool {
	if o == nil || o.ReadOnly != in.ReadOnly {
		return false
	}
	age := instant.Sub(o.Started)
	return age >= -clockSlack && age <= time.Duration(in.ResumeWithin) && in.ResumeWithin > 0
}

// scrubbable says why no scrub can start now.
func (facts scrubFacts) scrubbable(in ScrubInput) error {
	if facts.readOnly && !in.ReadOnly {
		return facts.readOnlyError("nothing on it can be repaired", "make it writable (mount -o remount,rw), or only look with read_only: true; when the kernel made it read-only after an error, \"dmesg\" says why")
	}
	if facts.exclusive != "balance paused" { // which touches nothing
		if what, advice := exclusiveProblem(facts.exclusive); what != "" {
			return facts.busyError("can't be scrubbed now", what, advice)
		}
	}
	if len(facts.running) > 0 && in.IfRunning == "fail" {
		return facts.busyError("can't be scrubbed now", scrubRunning, "wait for it (if_running: wait does), or stop it with \"btrfs scrub cancel\"")
	}
	return nil
}

// lastScrub fills in the outputs of the last one, and says what is still wrong since.
func lastScrub(facts scrubFacts, out *ScrubOutput, planned bool) []sdk.Diagnostic {
	last := facts.record.Last
	if last == nil || planned {
		return nil
	}
	out.fill(last.Counts, last.ReadOnly)
	out.Duration = seconds(last.Seconds)
	if last.Counts.Uncorrectable == 0 {
		return nil
	}
	return []sdk.Diagnostic{volume.Warn(findFiles, "the last scrub of btrfs %s, finished %s, found %s that can't be corrected",
		facts.name(), volume.Moment(last.Finished), volume.Count(last.Counts.Uncorrectable, "error"))}
}

func presentDevices(all []kernel.Device) (present []kernel.UUID, missing []kernel.Device) {
	present = []kernel.UUID{}
	for _, d := range all {
		if d.Path == "" {
			missing = append(missing, d)
		} else {
			present = append(present, d.UUID)
		}
	}
	return present, missing
}

func scrubSummary(facts scrubFacts, in ScrubInput, devices int) string {
	text := fmt.Sprintf("read and check about %v", sdk.Size(facts.used))
	if devices > 1 {
		text += fmt.Sprintf(" on %d devices", devices)
	}
	if in.SpeedMax > 0 && facts.canLimit {
		text += fmt.Sprintf(", at most %v/s of each", in.SpeedMax)
	}
	if in.ReadOnly {
		return text + ", repair nothing"
	}
	return text + ", repair what has a good copy"
}

func seconds(s float64) sdk.Duration {
	return sdk.Duration(time.Duration(s * float64(time.Second)).Truncate(10 * time.Millisecond))
}
