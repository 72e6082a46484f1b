package retention

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func Benchmark10000(b *testing.B) {
	snaps := make([]Snapshot, 10_000)
	for i := range snaps {
		snaps[i] = Snapshot{Key: fmt.Sprint(i), Name: fmt.Sprint(i), Time: noon.Add(-time.Duration(i) * hour), Seq: uint64(20_000 - i)}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(snaps), func(i, j int) { snaps[i], snaps[j] = snaps[j], snaps[i] })
	for _, c := range []struct {
		name   string
		policy Policy
	}{
		{"most go", Policy{Within: 30 * day, Last: 4, Hourly: 48, Daily: 30, Weekly: 8, Monthly: 12, Yearly: 5, AtLeast: 3}},
		{"all stay", Policy{Within: 3650 * day, Last: 10_000, Hourly: 10_000, Daily: 10_000, Weekly: 10_000, Monthly: 10_000}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(c.policy, trusted(noon), snaps)
			}
		})
	}
}
