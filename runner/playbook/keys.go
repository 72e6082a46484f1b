package playbook

import "slices"

// Part is a part of a playbook that has keys of its own.
type Part string

// The parts.
const (
	WholePart    Part = "playbook"
	SchedulePart Part = "schedule"
	InputPart    Part = "input"
	StepPart     Part = "step"
	BlockPart    Part = "block"
	CallPart     Part = "call"
	RetryPart    Part = "retry"
)

// Keys lists the keys of a part, in the order to show them. The caller owns the slice.
func Keys(part Part) []string {
	keys := map[Part][]string{
		WholePart: playbookKeys, SchedulePart: scheduleKeys, InputPart: inputKeys, StepPart: stepKeys, BlockPart: blockKeys,
		RetryPart: retryKeys, CallPart: callKeys,
	}
	return slices.Clone(keys[part])
}
