package upkeep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// balancePrivate is what Apply does: nothing if Balance is false.
type balancePrivate struct {
	Filesystem string
	Balance    bool
	Goal       uint64 // raw bytes
	Stages     []stage
}

// stage relocates chunks of one kind that are used less than so many percent.
type stage struct {
	Below    uint8
	Metadata bool
}

const usageMost = 90

// checkStages refuses what would rewrite everything.
func checkStages(usage []int) error {
	for i, percent := range usage {
		input := volume.At("usage", i)
		switch {
		case percent < 0 || percent > usageMost:
			return volume.Invalid(input, "small numbers are what makes room: [5, 10, 20, 35, 50]",
				"%d is not from 0 to %d: relocating chunks that are nearly full moves much and frees little", percent, usageMost)
		case i > 0 && percent <= usage[i-1]:
			return sdk.InvalidInput(input, "%d comes after %d: each stage goes further than the one before", percent, usage[i-1])
		}
	}
	return nil
}

// goal is the unallocated bytes that are wanted.
func (in BalanceInput) goal(size uint64) uint64 {
	return max(uint64(in.GoalUnallocated), uint64(in.GoalRatio*float64(size)))
}

func (in BalanceInput) stages() []stage {
	var all []stage
	for _, metadata := range []bool{false, true} {
		for _, percent := range in.Usage {
			if !metadata || in.Metadata {
				all = append(all, stage{uint8(percent), metadata})
			}
		}
	}
	return all
}

func planBalance(facts balanceFacts, in BalanceInput, instant time.Time, planned bool) (sdk.Planned[BalanceOutput, balancePrivate], error) {
	var p sdk.Planned[BalanceOutput, balancePrivate]
	goal := in.goal(facts.size)
	if goal == 0 {
		return p, sdk.InvalidInput("/goal_ratio", "there is no goal: set goal_ratio or goal_unallocated")
	}
	p.Outputs.Unallocated = sdk.Size(facts.unallocated)
	p.Outputs.GoalMet = facts.unallocated >= goal
	if facts.last != nil {
		p.Outputs.Last = &facts.last.Finished
	}
	state := fmt.Sprintf("%v of %v are unallocated", sdk.Size(facts.unallocated), sdk.Size(facts.size))
	stages := in.stages()
	fit := facts.candidates(stages, ^uint64(0))
	p.Facts = map[string]any{"filesystem": facts.id, "goal_met": p.Outputs.GoalMet, "candidates": fit > 0}
	leave := func(reason string) {
		p.Summary = reason
		p.Kept = []sdk.Kept{{Resource: facts.resource(balanceType), Reason: reason}}
	}
	switch {
	case p.Outputs.GoalMet:
		leave("the goal is met: " + state)
		return p, nil
	case planned:
		leave("an earlier step does it")
		return p, nil
	case fit == 0:
		leave("nothing to gain: " + state)
		p.Diagnostics = append(p.Diagnostics, volume.Warn("delete what is not needed, or add a device",
			"%s of btrfs %s, less than the goal of %v, and emptying chunks can't make more of it", state, facts.name(), sdk.Size(goal)))
		return p, nil
	}
	if err := facts.balanceable(); err != nil {
		return p, err
	}
	p.Outputs.Due = true
	p.Private = balancePrivate{Filesystem: facts.id, Balance: true, Goal: goal, Stages: stages}
	p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: facts.resource(balanceType), Summary: balanceSummary(in, goal),
		Reason: fmt.Sprintf("%s; %s to empty", state, volume.Count(fit, "chunk"))}}
	p.Outputs.Last = &instant
	p.Unknown = []string{"/last", "/considered", "/relocated", "/reclaimed", "/unallocated", "/goal_met"}
	return p, nil
}

// balanceable says why no balance can start now.
func (facts balanceFacts) balanceable() error {
	if facts.readOnly {
		return facts.readOnlyError("nothing on it can be relocated", "")
	}
	if what, advice := exclusiveProblem(facts.exclusive); what != "" {
		return facts.busyError("can't be balanced now", what, advice)
	}
	if facts.scrubbed {
		return facts.busyError("can't be balanced now", scrubRunning, "wait for it, or stop it with \"btrfs scrub cancel\"")
	}
	return nil
}

// candidates counts the chunks that begin before an address and that relocating could free: those that a stage's filter fits, where
// the others of their kind have room for what is in them.
func (facts balanceFacts) candidates(stages []stage, before uint64) int {
	n := 0
	for _, g := range facts.groups {
		if g.Start < before && slices.ContainsFunc(stages, func(s stage) bool { return s.fits(g, facts.mixed) }) && facts.room(g) {
			n++
		}
	}
	return n
}

// fits is the kernel's own filter: a chunk counts as used less when it is so by a byte, and for 0 only when it is empty.
func (s stage) fits(g kernel.BlockGroup, mixed bool) bool {
	if kind := g.Data && !s.Metadata || g.Metadata && s.Metadata && !mixed; !kind {
		return false
	}
	return g.Used < max(1, g.Length/100*uint64(s.Below))
}

// room reports whether all others of the same kind and redundancy have room for what is in a chunk.
func (facts balanceFacts) room(g kernel.BlockGroup) bool {
	free := uint64(0)
	for _, o := range facts.groups {
		if o.Data == g.Data && o.Metadata == g.Metadata && o.Copies == g.Copies && o.Start != g.Start {
			free += o.Length - min(o.Used, o.Length)
		}
	}
	return free >= g.Used
}

func balanceSummary(in BalanceInput, goal uint64) string {
	percents := make([]string, len(in.Usage))
	for i, p := range in.Usage {
		percents[i] = strconv.Itoa(p)
	}
	kinds := "data"
	if in.Metadata {
		kinds = "data and metadata"
	}
	text := fmt.Sprintf("empty chunks of %s that are used less than %s %%", kinds, strings.Join(percents, ", "))
	if in.Limit > 0 {
		text += fmt.Sprintf(" (at most %d each)", in.Limit)
	}
	return text + fmt.Sprintf(", until %v are unallocated", sdk.Size(goal))
}

func bytesOf(n uint64) sdk.Size { return sdk.Size(n) }
