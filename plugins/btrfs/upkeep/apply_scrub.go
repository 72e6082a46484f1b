package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// How often the kernel is asked how far it is, and how often that is noted on disk.
const (
	lookEvery = 500 * time.Millisecond
	noteEvery = 30 * time.Second
)

// findFiles tells how to get from a count to files.
const findFiles = "\"dmesg\" has a line for each, with the path of the file where it is data; \"btrfs inspect-internal logical-resolve\" finds the path of an address. " +
	"Restore those files from a backup or a snapshot that is older than the damage, or delete them"

// scrubber is the state of one Apply.
type scrubber struct {
	h      volume.Host
	c      *sdk.Call
	f      *kernel.Filesystem
	in     ScrubInput
	record scrubRecord
	open   *scrubOpen  // of record; what earlier parts did
	at     []int       // indexes in open.Devices of those that are scrubbed now
	now    []scrubPart // of the same index as at
	before float64     // seconds of earlier parts
	pace   pace
	used   uint64

	unrecorded error // why the record can't be written
	noting     chan error
	noted      time.Time
}

// scrubPart is what is known of a device in this part.
type scrubPart struct {
	counts   scrubCounts
	position uint64
}

func applyScrub(ctx context.Context, h volume.Host, c *sdk.Call, in ScrubInput, private scrubPrivate) (ScrubOutput, error) {
	var out ScrubOutput
	if err := c.PlannedOutputs(&out); err != nil {
		return out, err
	}
	if !private.Scrub {
		return out, nil
	}
	f, release, err := volume.OpenExclusive(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	facts, err := observeScrub(h, f)
	if err != nil {
		return out, err
	}
	if last := facts.record.Last; last != nil && last.Run == c.Run && last.Step == c.Step { // this plan was applied already
		finishedScrub(&out, *last, in)
		return out, nil
	}
	if err := facts.scrubbable(in); err != nil {
		return out, err
	}
	if err := waitForScrub(ctx, c, f, facts); err != nil {
		return out, err
	}
	s := &scrubber{h: h, c: c, f: f, in: in, record: facts.record, used: facts.used, noting: make(chan error, 1)}
	if err := s.begin(facts.devices, private); err != nil {
		return out, err
	}
	return s.run(ctx, out, facts)
}

// waitForScrub waits until the scrub of somebody else is over.
func waitForScrub(ctx context.Context, c *sdk.Call, f *kernel.Filesystem, facts scrubFacts) error {
	for {
		running, err := scrubbed(f, facts.devices)
		if err != nil {
			return volume.Explain("", err)
		}
		if len(running) == 0 {
			return nil
		}
		c.Progress(sdk.Progress{Message: "waiting: " + scrubRunning})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// begin finds the devices of the plan, and where to start on each.
func (s *scrubber) begin(devices []kernel.Device, private scrubPrivate) error {
	earlier := s.record.Open
	if private.Resume != nil && (earlier == nil || !earlier.Started.Equal(*private.Resume)) {
		return volume.Drifted("the scrub that was to be gone on with is not the one that was stopped last")
	}
	s.record.versioned = versioned{recordVersion}
	s.open = &scrubOpen{Run: s.c.Run, Started: s.h.Now().UTC(), ReadOnly: s.in.ReadOnly}
	if private.Resume != nil {
		s.open.Started, s.open.Seconds = earlier.Started, earlier.Seconds
	}
	s.before = s.open.Seconds
	for _, id := range private.Devices {
		i := slices.IndexFunc(devices, func(d kernel.Device) bool { return d.UUID == id && d.Path != "" })
		if i < 0 {
			return volume.Drifted("device %v is not there any more", id)
		}
		d := scrubDevice{UUID: id, ID: devices[i].ID}
		if earlier != nil {
			if j := slices.IndexFunc(earlier.Devices, func(e scrubDevice) bool { return e.UUID == id }); j >= 0 {
				if private.Resume != nil {
					d = earlier.Devices[j]
					d.ID = devices[i].ID
				}
				d.Limit = earlier.Devices[j].Limit // left by one that ended with its process
			}
		}
		s.open.Devices = append(s.open.Devices, d)
	}
	for i, d := range s.open.Devices {
		if !d.Through {
			s.at = append(s.at, i)
			s.now = append(s.now, scrubPart{position: d.Position})
		}
	}
	s.record.Open = s.open
	s.pace = startPace(int64(s.open.counts().Bytes))
	return nil
}

func (s *scrubber) run(ctx context.Context, out ScrubOutput, facts scrubFacts) (ScrubOutput, error) {
	s.noteLimits()
	s.noted = time.Now()
	switch err := s.write(s.current()); {
	case err != nil && unwritable(err) != "":
		s.unrecorded = err
		s.c.Warn(volume.Warn("", "btrfs %s is %s, so this scrub can't be recorded: it will be due again", facts.name(), unwritable(err)))
	case err != nil:
		return out, volume.Explain("", fmt.Errorf("cannot record that a scrub begins: %w", err))
	}
	restore := s.setLimits()
	defer restore()
	parts := make([]kernel.ScrubPart, len(s.at))
	for i, at := range s.at {
		parts[i] = kernel.ScrubPart{Device: s.open.Devices[at].ID, Start: s.open.Devices[at].Position}
	}
	outcomes := s.f.Scrub(ctx, parts, s.in.ReadOnly, lookEvery, s.report)
	s.join()
	var failures []error
	for i, o := range outcomes {
		s.now[i] = scrubPart{countsOf(o.Counters), max(s.open.Devices[s.at[i]].Position, o.Counters.LastPhysical)}
		if o.Err != nil && !errors.Is(o.Err, context.Canceled) && !errors.Is(o.Err, context.DeadlineExceeded) {
			failures = append(failures, volume.Explain("", o.Err))
		}
	}
	ended := s.current()
	for i, o := range outcomes {
		ended.Devices[s.at[i]].Through = o.Err == nil
	}
	for i := range ended.Devices {
		ended.Devices[i].Limit = nil
	}
	restore()
	out.fill(ended.counts(), s.in.ReadOnly)
	out.Duration = seconds(ended.Seconds)
	out.Last, out.Next = nil, nil
	if last := s.record.Last; last != nil {
		out.Last = &last.Finished
	}
	if !ended.through() {
		return out, s.stopped(ctx, ended, facts, failures)
	}
	done := scrubDone{Run: s.c.Run, Step: s.c.Step, Started: ended.Started, Finished: s.h.Now().UTC(), Seconds: ended.Seconds,
		ReadOnly: ended.ReadOnly, Counts: ended.counts()}
	s.record.Last, s.record.Open = &done, nil
	finishedScrub(&out, done, s.in)
	s.c.Done(0)
	if err := s.write(nil); err != nil {
		failures = append(failures, volume.Explain("", fmt.Errorf("the scrub is finished, and that can't be recorded: %w", err)))
	}
	return out, errors.Join(append(failures, s.verdict(done, facts))...)
}

// stopped is the end of a scrub that did not come to its end.
func (s *scrubber) stopped(ctx context.Context, ended *scrubOpen, facts scrubFacts, failures []error) error {
	if err := s.write(ended); err != nil {
		failures = append(failures, volume.Explain("", fmt.Errorf("where the scrub was stopped can't be recorded: %w", err)))
	}
	if ctx.Err() != nil && len(failures) == 0 {
		return &sdk.Error{Reason: sdk.Cancelled, Summary: fmt.Sprintf("the scrub of btrfs %s was stopped after %v of about %v",
			facts.name(), sdk.Size(ended.counts().Bytes), sdk.Size(s.used)), Advice: "the next one goes on where it was"}
	}
	return errors.Join(failures...)
}

// verdict is what a finished scrub means.
func (s *scrubber) verdict(done scrubDone, facts scrubFacts) error {
	c := done.Counts
	switch {
	case c.Corrected > 0 && done.ReadOnly:
		s.c.Warn(volume.Warn("scrub without read_only", "%s on btrfs %s with a good copy could be corrected", volume.Count(c.Corrected, "error"), facts.name()))
	case c.Corrected > 0:
		s.c.Warn(volume.Warn("\"btrfs device stats\" and \"dmesg\" tell the device; it may be failing", "corrected on btrfs %[2]s: %[1]s", volume.Count(c.Corrected, "error"), facts.name()))
	}
	if c.Super > 0 {
		s.c.Warn(volume.Warn("the next commit writes them anew; look at the device", "wrong on btrfs %[2]s: %[1]s", volume.Count(c.Super, "superblock"), facts.name()))
	}
	if c.Memory > 0 {
		s.c.Warn(volume.Warn("scrub again when there is more memory", "not looked at on btrfs %[2]s, for lack of memory: %[1]s", volume.Count(c.Memory, "block"), facts.name()))
	}
	s.c.Summarize("%v checked in %v, %s", sdk.Size(c.Bytes), seconds(done.Seconds), volume.Count(c.Corrected+c.Uncorrectable, "error"))
	if c.Uncorrectable > 0 {
		return volume.Refuse(findFiles, "%s on btrfs %s can't be corrected: there is no good copy", volume.Count(c.Uncorrectable, "error"), facts.name())
	}
	return nil
}

func finishedScrub(out *ScrubOutput, done scrubDone, in ScrubInput) {
	out.fill(done.Counts, done.ReadOnly)
	out.Duration = seconds(done.Seconds)
	finished := done.Finished
	out.Last, out.Next = &finished, nil
	if in.IfOlder > 0 {
		next := finished.Add(time.Duration(in.IfOlder))
		out.Next = &next
	}
}

// current is the record of this moment: earlier parts and this one.
func (s *scrubber) current() *scrubOpen {
	o := *s.open
	o.Updated = s.h.Now().UTC()
	o.Seconds = s.before + time.Since(s.pace.started).Seconds()
	o.Devices = slices.Clone(s.open.Devices)
	for i, at := range s.at {
		d := &o.Devices[at]
		d.Counts = d.Counts.plus(s.now[i].counts)
		d.Position = s.now[i].position
	}
	return &o
}

func (s *scrubber) write(open *scrubOpen) error {
	if s.unrecorded != nil {
		return nil
	}
	r := s.record
	r.Open = open
	return writeRecord(s.f, scrubFile, r)
}

// report tells how far it is, and notes it from time to time. A disk that is slow to take the note does not hold up a stop.
func (s *scrubber) report(counters []kernel.ScrubCounters) {
	for i, c := range counters {
		if n := countsOf(c); n.Bytes > 0 { // 0: through
			s.now[i] = scrubPart{n, max(s.now[i].position, c.LastPhysical)}
		}
	}
	o := s.current()
	sum := o.counts()
	more := ""
	if n := sum.Corrected + sum.Uncorrectable; n > 0 {
		more = volume.Count(n, "error")
	}
	s.c.Progress(s.pace.progress(int64(sum.Bytes), int64(s.used), more))
	if time.Since(s.noted) < noteEvery || s.unrecorded != nil {
		return
	}
	select {
	case s.noting <- nil:
		s.noted = time.Now()
		go func() {
			if err := s.write(o); err != nil {
				s.c.Logf("warn", "cannot record how far the scrub is: %v", err)
			}
			<-s.noting
		}()
	default: // the last note is still on its way
	}
}

// join waits for the last note.
func (s *scrubber) join() { s.noting <- nil }
