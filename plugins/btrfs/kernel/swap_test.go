package kernel

import (
	"slices"
	"testing"
)

func TestSwapPaths(t *testing.T) {
	const text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
		"/dev/zram0                              partition\t16380\t\t0\t\t100\n" +
		"/mnt/swap\\040file\\012x                  file\t\t16380\t\t0\t\t-2\n" +
		"/swap                                   file\t\t16380\t\t12\t\t-3\n"
	if got := swapPaths(text); !slices.Equal(got, []string{"/mnt/swap file\nx", "/swap"}) {
		t.Errorf("%q", got)
	}
	if got := swapPaths(""); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
