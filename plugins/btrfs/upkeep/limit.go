package upkeep

import (
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// noteLimits puts down the speed limits that are to be restored afterwards: the record keeps them, so that the next scrub can do
// it if this process ends in the middle.
func (s *scrubber) noteLimits() {
	for _, at := range s.at {
		d := &s.open.Devices[at]
		if d.Limit != nil || s.in.SpeedMax == 0 {
			continue
		}
		before, err := s.f.ScrubLimit(d.ID)
		if err != nil {
			s.cannotLimit(d.ID, err)
			continue
		}
		d.Limit = &before
	}
}

// setLimits sets the limits, or those of before when none are asked for, and returns what restores them, which may be called
// more than once.
func (s *scrubber) setLimits() (restore func()) {
	limits := map[uint64]uint64{}
	for _, at := range s.at {
		if d := s.open.Devices[at]; d.Limit != nil {
			limits[d.ID] = *d.Limit
		}
	}
	for id, before := range limits {
		want := uint64(s.in.SpeedMax)
		if want == 0 {
			want = before
		}
		if err := s.f.SetScrubLimit(id, want); err != nil {
			s.cannotLimit(id, err)
		}
	}
	return func() {
		for id, before := range limits {
			delete(limits, id)
			if err := s.f.SetScrubLimit(id, before); err != nil {
				s.c.Logf("warn", "cannot restore the scrub limit of device %d to %d: %v", id, before, err)
			}
		}
	}
}

func (s *scrubber) cannotLimit(device uint64, err error) {
	if s.in.SpeedMax > 0 && !errors.Is(err, kernel.ErrUnsupported) { // which the plan has told
		s.c.Logf("warn", "cannot limit the scrub of device %d: %v", device, err)
	}
}
