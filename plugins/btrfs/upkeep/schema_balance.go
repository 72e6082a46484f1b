package upkeep

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// BalanceInput is the input of btrfs.balance.
type BalanceInput struct {
	volume.Target
	GoalUnallocated sdk.Size `json:"goal_unallocated" default:"0" min:"0" doc:"Stop as soon as so much raw space is unallocated."`
	GoalRatio       float64  `json:"goal_ratio" default:"0.1" min:"0" max:"1" doc:"The same as a part of the size of all devices. The larger one of the two goals counts."`
	Usage           []int    `json:"usage" default:"[5, 10, 20, 35, 50]" min:"1" doc:"Stages, 0 to 90: first only chunks are relocated of which less than the first number of percent is used, then less than the second, and so on."`
	Limit           int      `json:"limit" default:"0" min:"0" doc:"The most chunks to relocate in each stage; 0: all that fit."`
	Metadata        bool     `json:"metadata" default:"false" doc:"Relocate chunks of metadata too, after those of data. Seldom of use, and a filesystem that runs out of room for metadata is stuck."`
}

// BalanceOutput is the output of btrfs.balance.
type BalanceOutput struct {
	Due         bool       `json:"due" doc:"Whether the goal was not met and something could be done for it."`
	Last        *time.Time `json:"last,omitempty" doc:"When the last balance ended, this one included; absent when never."`
	Considered  int        `json:"considered" doc:"Chunks that a stage's filter fitted, all stages together."`
	Relocated   int        `json:"relocated" doc:"Chunks that were relocated."`
	Reclaimed   sdk.Size   `json:"reclaimed" doc:"Raw bytes that are unallocated and were not before."`
	Unallocated sdk.Size   `json:"unallocated" doc:"Raw bytes that are unallocated in the end."`
	GoalMet     bool       `json:"goal_met" doc:"Whether the goal is met in the end."`
}
