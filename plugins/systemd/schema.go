package systemd

import (
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Target names a unit.
type Target struct {
	Unit     string  `json:"unit" min:"1" doc:"Name of the unit. Without a suffix it is a service: postgresql is postgresql.service. An absolute path is the mount of that path, or the device below /dev. Of a template give an instance: backup@home, or the template backup@ and its instance apart."`
	Instance *string `json:"instance,omitempty" doc:"The instance of a template, as it is: what a unit name may not hold is escaped."`
}

// JobOutput is the output of the actions that start and stop units.
type JobOutput struct {
	Unit     string `json:"unit" doc:"The unit's full name; of an alias, the name of the unit that it stands for."`
	Previous string `json:"previous" doc:"Its state before the step: active, inactive, failed, activating, deactivating or reloading."`
	State    string `json:"state" doc:"Its state after the step."`
}

// WaitInput is the input of systemd.wait.
type WaitInput struct {
	Target
	State string `json:"state" default:"active" enum:"active|inactive|failed|stopped" doc:"The state to wait for. stopped is inactive or failed."`
}

// FileInput is the input of the actions that say what is started at boot.
type FileInput struct {
	Target
	Runtime bool `json:"runtime" default:"false" doc:"Until the next boot only."`
}

// UnFileInput is the input of the actions that take that back.
type UnFileInput struct{ Target }

// FileOutput is the output of the actions that say what is started at boot.
type FileOutput struct {
	Unit     string `json:"unit" doc:"The unit's full name."`
	Previous string `json:"previous" doc:"What systemctl is-enabled would have said before the step: enabled, enabled-runtime, disabled, static, indirect, masked and others."`
	Enabled  string `json:"enabled" doc:"What it would say after it."`
}

// StatusInput is the input of systemd.status.
type StatusInput struct {
	Target
	Optional bool `json:"optional" default:"false" doc:"A unit that does not exist is no failure, but an answer: exists is false."`
}

// StatusOutput is the output of systemd.status.
type StatusOutput struct {
	Unit        string    `json:"unit" doc:"The unit's full name; of an alias, the name of the unit that it stands for."`
	Exists      bool      `json:"exists" doc:"Whether there is such a unit."`
	Description string    `json:"description" doc:"What its file says it is."`
	State       string    `json:"state" doc:"active, inactive, failed, activating, deactivating or reloading."`
	Running     bool      `json:"running" doc:"Whether it is in a state other than inactive and failed."`
	Sub         string    `json:"sub" doc:"The state in more detail, depending on the type of unit: running, exited, waiting, mounted."`
	Enabled     string    `json:"enabled" doc:"What systemctl is-enabled says: enabled, disabled, static, masked and others; empty for a unit without a file."`
	Since       time.Time `json:"since,omitzero" doc:"Since when it has been in this state. Absent if it has been so since the boot."`
	Dependents  []string  `json:"dependents" doc:"Running units that are stopped when it is, those that depend on it directly first."`
	MainPID     int64     `json:"main_pid" doc:"Process number of a service's main process; 0: it has none."`
	Result      string    `json:"result" doc:"How it last ended: success, exit-code, signal, timeout, oom-kill and others; empty for types that have none."`
	ExitCode    int64     `json:"exit_code" doc:"Exit status of a service's main process when it last ended, or the number of the signal that ended it."`
	Restarts    int64     `json:"restarts" doc:"How often systemd has restarted a service by itself since it was started."`
	Memory      sdk.Size  `json:"memory" doc:"Memory that it uses now; 0 where it is not accounted."`
	File        string    `json:"file" doc:"Path of its file; empty without one."`
}

// HealthInput is the input of systemd.health.
type HealthInput struct {
	Units    []string     `json:"units,omitempty" doc:"Names of units that must be active, as unit of systemd.status."`
	Degraded bool         `json:"degraded" default:"false" doc:"Other units may have failed."`
	Except   []string     `json:"except,omitempty" doc:"Full names of units whose failure does not count."`
	Patience sdk.Duration `json:"patience" default:"5m" doc:"How long is waited for what is still starting."`
}

// HealthOutput is the output of systemd.health.
type HealthOutput struct {
	Well   bool     `json:"well" doc:"Whether the system has come up well."`
	Why    []string `json:"why" doc:"Why it has not, in words; empty if it is well."`
	State  string   `json:"state" doc:"What systemctl is-system-running says: running, degraded, starting, initializing, maintenance, stopping and others."`
	Failed []string `json:"failed" doc:"Full names of the units that have failed."`
}

// ReloadOutput is the output of systemd.daemon_reload.
type ReloadOutput struct{}

// RunInput is the input of systemd.run.
type RunInput struct {
	Command     []string          `json:"command" min:"1" doc:"The program and its arguments. No shell looks at them. A program without a slash is looked for in the usual folders of programs."`
	Directory   sdk.Path          `json:"directory,omitempty" doc:"The folder it runs in; left out: /."`
	Environment map[string]string `json:"environment,omitempty" secret:"true" doc:"Variables of its environment, beside those that systemd sets. No plan or record has them, and no other user can read them."`
	User        string            `json:"user,omitempty" doc:"The user it runs as; left out: root."`
	Group       string            `json:"group,omitempty" doc:"The group it runs as; left out: that of the user."`
	Success     []int64           `json:"success,omitempty" doc:"The exit codes that count as success; left out: 0."`
	MemoryMax   sdk.Size          `json:"memory_max,omitempty" min:"1" doc:"It is killed when it uses more memory than this (MemoryMax=)."`
	MemoryHigh  sdk.Size          `json:"memory_high,omitempty" min:"1" doc:"It is slowed down when it uses more memory than this (MemoryHigh=)."`
	CPUQuota    int64             `json:"cpu_quota,omitempty" min:"1" doc:"Per cent of one processor that it may use: 150 is one and a half (CPUQuota=)."`
	CPUWeight   int64             `json:"cpu_weight,omitempty" min:"1" max:"10000" doc:"Its share of the processors when there are not enough; others have 100 (CPUWeight=)."`
	IOWeight    int64             `json:"io_weight,omitempty" min:"1" max:"10000" doc:"Its share of the disks when they are busy; others have 100 (IOWeight=)."`
	TasksMax    int64             `json:"tasks_max,omitempty" min:"1" doc:"How many processes and threads it may have (TasksMax=)."`
	Nice        int64             `json:"nice" default:"0" min:"-20" max:"19" doc:"Its priority: 19 gives way to all others (Nice=)."`
	StopAfter   sdk.Duration      `json:"stop_after" default:"10s" doc:"How long it may take to end when the step is stopped, before it is killed: 1s to 15s."`
}

// RunOutput is the output of systemd.run.
type RunOutput struct {
	Unit      string `json:"unit" doc:"Name of the transient unit that it ran as."`
	ExitCode  int64  `json:"exit_code" doc:"Its exit code; 128 and the number of the signal if a signal ended it; -1 if it did not come to an end by itself."`
	Output    string `json:"output" doc:"What it wrote to its standard output: the first 64 KiB, without the last line break."`
	Truncated bool   `json:"truncated" doc:"Whether it wrote more than that."`
}
