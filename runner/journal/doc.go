// Package journal keeps the records of runs: what `coppice runs` shows, and what resume goes on from. It only writes
// down and reads back; it decides nothing, and no failure of it fails a run.
//
// A record is the file DIR/runs/RUN.jsonl, made once, only appended to, mode 0600 in a folder of mode 0700. Each line is
// one JSON object: a header, then the events of the run that matter afterwards (no progress; of the lines of plugins
// only warnings and errors, and not endlessly many). The last field of each line is a checksum of all before it:
//
//	{"format":"coppice.run","version":1,"seq":1,"time":"…","type":"header","run":"…", … ,"crc":"1c291ca3"}
//	{"seq":2,"time":"…","type":"run_started", … ,"crc":"…"}
//
// seq counts up by one, so a line that is gone is missed. A line that was being written when the power went is torn: at
// the end of a file it is dropped and nothing is said, before the end it is reported. Bytes that are not UTF-8 are
// recorded as U+FFFD.
//
// The file is synced to the disk once the header stands, before a step's plan is applied, after that step, and at the
// end: what a record says has happened, has. (Steps that only read are not synced by themselves: a power cut can take
// nothing from the machine that they have done.)
//
// The writer holds a flock on the file while the run lives. A record without an end is that of a running run while
// somebody holds the lock, and else that of an interrupted one: killed, or cut off from power.
package journal

import "github.com/hbohlen/coppice/runner/engine"

// The format of records, as it names itself in their headers.
const (
	Format  = "coppice.run"
	Version = 1
)

// What Summary.Status can be, beside the statuses with which runs end.
const (
	Running     engine.RunStatus = "running"
	Interrupted engine.RunStatus = "interrupted" // it ended without a word
	Unknown     engine.RunStatus = "unknown"     // the record is of a later version: left alone
)

// Bounds of what is recorded. A line never exceeds maxLine, and a reader takes no longer one.
const (
	maxLine        = 4 << 20
	maxOutputs     = 1 << 20 // of a step
	maxInputs      = 1 << 20 // of a run
	maxChanges     = 2 << 20 // planned by a step
	maxDiagnostics = 512 << 10
	maxOther       = 64 << 10 // an event that this package knows nothing of
	maxText        = 16 << 10 // one text
	maxLogText     = 4 << 10
	maxLogLines    = 1000 // of a run
	maxLogBytes    = 256 << 10
)
