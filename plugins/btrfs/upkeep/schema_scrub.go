package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// ScrubInput is the input of btrfs.scrub.
type ScrubInput struct {
	volume.Target
	IfOlder      sdk.Duration `json:"if_older" default:"0s" doc:"Scrub only if the last finished scrub is older than this; 0s: in any case."`
	ReadOnly     bool         `json:"read_only" default:"false" doc:"Only look; what has a good copy is not repaired from it."`
	ResumeWithin sdk.Duration `json:"resume_within" default:"14d" doc:"Go on with a scrub that was stopped, if it was begun within this time; 0s: always from the start."`
	SpeedMax     sdk.Size     `json:"speed_max" default:"0" min:"0" doc:"The most bytes a second to read from each device, Linux 5.14 or newer. What was set before is restored afterwards. 0: leave what is set."`
	IfRunning    string       `json:"if_running" enum:"fail|wait" default:"fail" doc:"What to do when somebody else's scrub is running: fail, or wait until it is over and scrub then."`
}

// ScrubOutput is the output of btrfs.scrub: of this scrub or, when none was due, of the last one that was finished.
type ScrubOutput struct {
	Due
	Corrected        int64        `json:"corrected" doc:"Errors that were corrected from a good copy."`
	Correctable      int64        `json:"correctable" doc:"Errors that a scrub that is not read-only would correct; 0 unless read_only."`
	Uncorrectable    int64        `json:"uncorrectable" doc:"Errors for which there is no good copy. More than 0 is a failure."`
	ReadErrors       int64        `json:"read_errors" doc:"Blocks that a device could not read."`
	ChecksumErrors   int64        `json:"checksum_errors" doc:"Blocks of data that do not fit their checksum."`
	VerifyErrors     int64        `json:"verify_errors" doc:"Blocks of metadata that are not what should be there."`
	SuperErrors      int64        `json:"super_errors" doc:"Superblocks that are wrong."`
	MemoryErrors     int64        `json:"memory_errors" doc:"Blocks that were not looked at for lack of memory."`
	UnverifiedErrors int64        `json:"unverified_errors" doc:"Blocks that were wrong at first, and right when read again."`
	Bytes            sdk.Size     `json:"bytes" doc:"Bytes that were read and compared, all copies."`
	Duration         sdk.Duration `json:"duration" doc:"How long that took, without the time between a stop and going on."`
	Resumed          bool         `json:"resumed" doc:"Whether it went on with a scrub that was stopped."`
}

func (o *ScrubOutput) fill(c scrubCounts, readOnly bool) {
	o.Corrected, o.Correctable = int64(c.Corrected), 0
	if readOnly {
		o.Corrected, o.Correctable = 0, int64(c.Corrected)
	}
	o.Uncorrectable = int64(c.Uncorrectable)
	o.ReadErrors, o.ChecksumErrors, o.VerifyErrors = int64(c.Read), int64(c.Checksum), int64(c.Verify)
	o.SuperErrors, o.MemoryErrors, o.UnverifiedErrors = int64(c.Super), int64(c.Memory), int64(c.Unverified)
	o.Bytes = sdk.Size(c.Bytes)
}

// scrubUnknown are the outputs that only the scrub itself can tell.
func scrubUnknown() []string {
	return []string{"/last", "/next", "/corrected", "/correctable", "/uncorrectable", "/read_errors", "/checksum_errors", "/verify_errors",
		"/super_errors", "/memory_errors", "/unverified_errors", "/bytes", "/duration"}
}
