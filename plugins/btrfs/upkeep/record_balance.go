package upkeep

import "time"

// balanceRecord is what is remembered of balances.
type balanceRecord struct {
	versioned
	Last balanceDone `json:"last"`
}

// balanceDone is a balance that has ended.
type balanceDone struct {
	Run         string    `json:"run"`
	Step        string    `json:"step"`
	Started     time.Time `json:"started"`
	Finished    time.Time `json:"finished"`
	End         string    `json:"end"` // finished, stopped or failed
	Considered  int       `json:"considered"`
	Relocated   int       `json:"relocated"`
	Reclaimed   uint64    `json:"reclaimed"`
	Unallocated uint64    `json:"unallocated"`
	GoalMet     bool      `json:"goal_met"`
}

func (d balanceDone) outputs(out *BalanceOutput) {
	out.Last = &d.Finished
	out.Considered, out.Relocated, out.GoalMet = d.Considered, d.Relocated, d.GoalMet
	out.Reclaimed, out.Unallocated = bytesOf(d.Reclaimed), bytesOf(d.Unallocated)
}
