package main

import (
	"testing"
	"time"
)

func TestSum(t *testing.T) {
	for _, c := range []struct {
		all  []time.Duration
		want figure
	}{
		{nil, figure{}},
		{[]time.Duration{5}, figure{5, 5, 5}},
		{[]time.Duration{9, 1, 4}, figure{1, 4, 9}},
		{[]time.Duration{8, 2, 4, 6}, figure{2, 5, 8}},
	} {
		if got := sum(c.all); got != c.want {
			t.Errorf("sum(%v) is %v, expected %v", c.all, got, c.want)
		}
	}
}

func TestRatioOfNothing(t *testing.T) {
	if r := ratio(1, 0); r != 0 {
		t.Errorf("ratio(1, 0) is %v, expected 0", r)
	}
}
